"""Autoregressive models as reasoners: the model feeds its own tokens back."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp

from raml_jax import base
from raml_jax.models import tokens as tokens_lib


@functools.cache
def reasoner(
  model: base.Model, *, clean: bool = False, forget: bool = False
) -> base.Reasoner:
  """A model on the weight-token prompt as a `Reasoner`.

  The state is (cache of everything before the current token, that token, the
  cache of the prompt alone).

  Args:
    model: who writes the tokens.
    clean: an ablation: every token it writes is fed back as (0, 0, w, 1), so
      that nothing passes through the other rows.
    forget: an ablation: the tokens before the current one are dropped from its
      context, so that nothing passes through history.
  """

  def start(params, support):
    w_0_D = jnp.zeros(support.gram_ExE.shape[0] - 1, support.gram_ExE.dtype)
    prompt = model.prefill(params, support)
    return prompt, tokens_lib.weight_token(w_0_D), prompt

  def step(params, state):
    cache, token_F, prompt = state
    token_1xF, cache = model.apply(params, token_F[None], cache)
    token_F = token_1xF[0]
    if clean:
      token_F = tokens_lib.weight_token(tokens_lib.weights(token_F))
    return prompt if forget else cache, token_F, prompt

  def read(state):
    return tokens_lib.weights(state[1])

  def replace(state, w_D):
    return state[0], tokens_lib.with_weights(state[1], w_D), state[2]

  return base.Reasoner(start, step, read, replace)


def rollout(
  reasoner_: base.Reasoner, params, support: base.Support, steps: int
) -> base.Array:
  """Every iterate of one episode, w_(K+1)xD, the start included."""
  first = reasoner_.start(params, support)

  def body(state, _):
    state = reasoner_.step(params, state)
    return state, reasoner_.read(state)

  # Short loops are training's: unrolled, XLA on CPU fuses across their steps.
  unroll = steps if 0 < steps <= 5 else 1
  _, w_KxD = jax.lax.scan(body, first, length=steps, unroll=unroll)
  return jnp.concatenate([reasoner_.read(first)[None], w_KxD])
