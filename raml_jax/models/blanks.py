"""Chains whose every next token is read out of a blank one.

    data | (w_1) (w_2) ... (w_i) | blank -> (w_{i+1})

A decoder on weight tokens reads what comes next out of the token that it wrote
last, and adds it to that token. Here it is read out of a blank token (all zero)
instead, the same at every step, as arithmetic reads an answer out of a
delimiter: whatever the chain does to the read-out it does through attention,
and a chain can be hidden from it. Token t is (0, 0, w_t, t / K), so that a
decoder without positions knows the order. The chain sees the data and what was
written before; a blank sees the data, the tokens before it and itself.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from raml_jax import base
from raml_jax.models import decoder as decoder_lib
from raml_jax.models import tokens as tokens_lib


def written(w_KxD: base.Array) -> base.Array:
  """The tokens of a chain, w_1 .. w_K without its start: tokens_KxF."""
  tokens_KxF = tokens_lib.weight_token(w_KxD)
  clock_K = jnp.arange(1, len(w_KxD) + 1, dtype=w_KxD.dtype) / len(w_KxD)
  return tokens_KxF.at[:, -1].set(clock_K)


def text(
  data_NxF: base.Array, chain_TxF: base.Array, counts: tuple[int, ...]
) -> tuple[base.Array, base.Array]:
  """Data, chain, and one blank for each of `counts`: a text for `whole`.

  Args:
    data_NxF: the question.
    chain_TxF: what was written.
    counts: how many tokens of the chain each blank sees; may be traced.

  Returns:
    tokens_LxF and visible_LxL, with L = N + T + len(counts).
  """
  n, steps, reads = len(data_NxF), len(chain_TxF), len(counts)
  blank_RxF = jnp.zeros((reads, data_NxF.shape[1]), data_NxF.dtype)
  tokens_LxF = jnp.concatenate([data_NxF, chain_TxF, blank_RxF])
  place_L = jnp.arange(n + steps + reads)
  rank_L = place_L - n
  # Of the chain, how many tokens each token sees; blanks see one blank.
  sees_L = jnp.clip(rank_L + 1, 0, steps)
  sees_L = sees_L.at[n + steps :].set(jnp.asarray(counts))
  before_LxL = rank_L[None] < sees_L[:, None]
  return tokens_LxF, before_LxL | jnp.eye(len(place_L), dtype=bool)


def teacher_forced(
  model: decoder_lib.Decoder,
  params: base.PyTree,
  pairs: base.Pairs,
  w_TxD: base.Array,
) -> tuple[base.Array, base.Array]:
  """What is written next after every prefix of a teacher's path, in one call.

  Args:
    model: a decoder without positions.
    params: its parameters.
    pairs: the data.
    w_TxD: the path, its start included, T = K + 1.

  Returns:
    (outputs_KxF, targets_KxF).
  """
  targets_KxF = written(w_TxD[1:])
  steps = len(targets_KxF)
  data_NxF = tokens_lib.data_tokens(pairs)
  tokens_LxF, visible_LxL = text(
    data_NxF, targets_KxF[:-1], tuple(range(steps))
  )
  out_LxF, _ = model.whole(params, tokens_LxF, visible_LxL)
  return out_LxF[-steps:], targets_KxF


def rollout(
  model: decoder_lib.Decoder,
  params: base.PyTree,
  pairs: base.Pairs,
  steps: int,
) -> base.Array:
  """The chain that the model writes itself, tokens_KxF."""
  data_NxF = tokens_lib.data_tokens(pairs)
  chain_KxF = jnp.zeros((steps, data_NxF.shape[1]), data_NxF.dtype)

  def step(chain_KxF, count):
    tokens_LxF, visible_LxL = text(data_NxF, chain_KxF, (count,))
    out_LxF, _ = model.whole(params, tokens_LxF, visible_LxL)
    return chain_KxF.at[count].set(out_LxF[-1]), None

  return jax.lax.scan(step, chain_KxF, jnp.arange(steps))[0]


def predict(
  model: decoder_lib.Decoder, params: base.PyTree, x_MxD: base.Array
) -> base.Array:
  """Labels of inputs that stand alone, one token each and no context: y_M.

  The read-out's y row of the token (x, 0, 0, 0).
  """
  zeros_M = jnp.zeros(len(x_MxD), x_MxD.dtype)
  tokens_MxF = tokens_lib.data_tokens(base.Pairs(x_MxD, zeros_M))
  alone_MxM = jnp.eye(len(x_MxD), dtype=bool)
  out_MxF, _ = model.whole(params, tokens_MxF, alone_MxM)
  return out_MxF[:, x_MxD.shape[1]]
