"""Sampling from a GPT: prompt and new tokens in one program, keys cached.

Prompts of unequal length are given padded at the end, as data are, and moved to
the right inside, so that every sequence writes into the same slot of the cache;
what is padding is seen by nobody and counts in no position.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from raml_jax import base
from raml_jax.models import gpt
from raml_jax.tasks import vocab


@dataclasses.dataclass(frozen=True)
class Rule:
  """How a token is drawn from logits.

  Attributes:
    temperature: divides the logits; 0 for the most probable token (greedy).
    top_k: draw among the k most probable tokens only; None for all.
    top_p: draw among the most probable tokens whose probability, at this
      temperature and after `top_k`, just reaches p; None for all. At least one
      is left.
  """

  temperature: float = 1.0
  top_k: int | None = None
  top_p: float | None = None

  def __post_init__(self):
    for name, fine, allowed in (
      ("temperature", self.temperature >= 0, "0 or more"),
      ("top_k", self.top_k is None or self.top_k >= 1, "None or 1 or more"),
      (
        "top_p",
        self.top_p is None or 0 < self.top_p <= 1,
        "None or above 0 and at most 1",
      ),
    ):
      if not fine:
        raise ValueError(f"{name}: {getattr(self, name)} must be {allowed}")


GREEDY = Rule(temperature=0.0)


class Sampled(NamedTuple):
  """What was written after the prompts.

  Attributes:
    tokens_BxN: new tokens, the stop token included, then padding.
    log_probability_BxN: of each, under the model itself (temperature 1, all
      tokens), whatever the rule; 0 in the padding.
    length_B: new tokens, the stop token included.
  """

  tokens_BxN: base.Array
  log_probability_BxN: base.Array
  length_B: base.Array


def restricted(logits_BxV: base.Array, rule: Rule) -> base.Array:
  """Logits of the distribution that `rule` draws from; -inf for never.

  The temperature must not be 0. Tokens as probable as the last one that is let
  in are let in too.
  """
  logits_BxV = logits_BxV / rule.temperature
  size = logits_BxV.shape[-1]
  if (rule.top_k or size) >= size and rule.top_p is None:
    return logits_BxV
  sorted_BxV = -jnp.sort(-logits_BxV)
  if rule.top_k is not None:
    rank_1xV = jnp.arange(size)[None]
    sorted_BxV = jnp.where(rank_1xV < rule.top_k, sorted_BxV, -jnp.inf)
  kept_BxV = sorted_BxV > -jnp.inf
  if rule.top_p is not None:
    share_BxV = jax.nn.softmax(sorted_BxV)
    # The token that reaches p is the last one in.
    kept_BxV &= jnp.cumsum(share_BxV, axis=-1) - share_BxV < rule.top_p
  last_Bx1 = jnp.min(jnp.where(kept_BxV, sorted_BxV, jnp.inf), -1)[:, None]
  return jnp.where(logits_BxV >= last_Bx1, logits_BxV, -jnp.inf)


def draw(keys_B: base.Array, logits_BxV: base.Array, rule: Rule) -> base.Array:
  """One token per sequence, tokens_B, from a key of its own."""
  if rule.temperature == 0:
    return jnp.argmax(logits_BxV, axis=-1)
  return jax.vmap(jax.random.categorical)(keys_B, restricted(logits_BxV, rule))


def to_the_right(tokens_BxT: base.Array) -> tuple[base.Array, base.Array]:
  """(the same tokens with their padding in front, padding per sequence)."""
  width = tokens_BxT.shape[1]
  pads_B = width - (tokens_BxT != vocab.PAD).sum(1)
  source_BxT = (jnp.arange(width)[None] - pads_B[:, None]) % width
  return jnp.take_along_axis(tokens_BxT, source_BxT, axis=1), pads_B


def sample(
  model: gpt.Model,
  params: base.PyTree,
  key: base.Array,
  prompt_BxT: base.Array,
  new_tokens: int,
  *,
  stop: int | None = None,
  rule: Rule = GREEDY,
) -> Sampled:
  """Continues every prompt until its stop token, or by N = `new_tokens`.

  Ends as soon as every sequence has stopped. What one sequence draws depends on
  `key` and its place in the batch, not on the other sequences.

  Args:
    model: a GPT.
    params: of it.
    key: one for the whole batch.
    prompt_BxT: at least one token each, padded with `vocab.PAD` at the end.
    new_tokens: N, static.
    stop: the token that ends a sequence; None for none.
    rule: how tokens are drawn.
  """
  batch, width = prompt_BxT.shape
  tokens_BxT, pads_B = to_the_right(prompt_BxT)
  # The last token is never read, so it needs no slot.
  cache = model.cache(params, batch, width + new_tokens - 1, pads_B)
  logits_BxTxV, _, cache = model.apply(params, tokens_BxT, cache=cache)
  keys_B = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(batch))

  def choose(n, logits_BxV, done_B):
    keys = jax.vmap(jax.random.fold_in, (0, None))(keys_B, n)
    token_B = draw(keys, logits_BxV, rule)
    log_BxV = jax.nn.log_softmax(logits_BxV)
    log_B = jnp.take_along_axis(log_BxV, token_B[:, None], axis=1)[:, 0]
    token_B = jnp.where(done_B, vocab.PAD, token_B).astype(tokens_BxT.dtype)
    return token_B, jnp.where(done_B, 0.0, log_B)

  def write(out: Sampled, n, token_B, log_B, done_B) -> Sampled:
    return Sampled(
      out.tokens_BxN.at[:, n].set(token_B),
      out.log_probability_BxN.at[:, n].set(log_B),
      out.length_B + ~done_B,
    )

  def stopped(token_B, done_B):
    return done_B if stop is None else done_B | (token_B == stop)

  def going(state):
    n, _, done_B, _, _ = state
    return (n < new_tokens) & ~done_B.all()

  def body(state):
    n, token_B, done_B, cache, out = state
    logits_Bx1xV, _, cache = model.apply(params, token_B[:, None], cache=cache)
    token_B, log_B = choose(n, logits_Bx1xV[:, 0], done_B)
    out = write(out, n, token_B, log_B, done_B)
    return n + 1, token_B, stopped(token_B, done_B), cache, out

  blank = jnp.zeros((batch, new_tokens), logits_BxTxV.dtype)
  out = Sampled(
    jnp.full(blank.shape, vocab.PAD, tokens_BxT.dtype),
    blank,
    jnp.zeros(batch, jnp.int32),
  )
  none_B = jnp.zeros(batch, bool)
  token_B, log_B = choose(0, logits_BxTxV[:, -1], none_B)
  out = write(out, 0, token_B, log_B, none_B)
  first = (1, token_B, stopped(token_B, none_B), cache, out)
  return jax.lax.while_loop(going, body, first)[-1]
