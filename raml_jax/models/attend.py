"""Attention without its weights: how queries score, weigh and mix.

Head-major. Axis letters: N sequences, H heads, A width of one, T queries, L
keys, S queries of one block; `...` is any batch axes, none included.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp


def scores(query_HxTxA, keys_HxLxA):
  """q . k / sqrt(A), in float32 at least."""
  query_HxTxA = query_HxTxA / query_HxTxA.shape[-1] ** 0.5
  return jnp.einsum(
    "...ta,...la->...tl",
    query_HxTxA,
    keys_HxLxA,
    preferred_element_type=jnp.promote_types(query_HxTxA.dtype, jnp.float32),
  )


def softmax_weights(scores_HxTxL, visible_1xTxL):
  """Softmax over the keys that the query sees."""
  lowest = jnp.finfo(scores_HxTxL.dtype).min
  return jax.nn.softmax(jnp.where(visible_1xTxL, scores_HxTxL, lowest))


def linear_weights(scores_HxTxL, visible_1xTxL):
  """The scores themselves, over the number of keys that the query sees."""
  seen_1xTx1 = jnp.maximum(visible_1xTxL.sum(-1, keepdims=True), 1)
  seen_1xTx1 = seen_1xTx1.astype(scores_HxTxL.dtype)
  return jnp.where(visible_1xTxL, scores_HxTxL, 0.0) / seen_1xTx1


WEIGHTS = {"softmax": softmax_weights, "linear": linear_weights}

# Queries at a time where attention goes by blocks.
_BLOCK = 64


def fused(query_HxTxA, keys_HxTxA, values_HxTxA, kernel):
  """Causal softmax attention by one kernel, which wants time before heads."""
  time_major = (
    x.swapaxes(-3, -2) for x in (query_HxTxA, keys_HxTxA, values_HxTxA)
  )
  mixed_TxHxA = jax.nn.dot_product_attention(
    *time_major, is_causal=True, implementation=kernel
  )
  return mixed_TxHxA.swapaxes(-3, -2)


def mixed(weights_HxTxL, values_HxLxA):
  """The values, weighed."""
  return jnp.einsum(
    "...tl,...la->...ta",
    weights_HxTxL.astype(values_HxLxA.dtype),
    values_HxLxA,
  )


def blocked(query_HxTxA, keys_HxTxA, values_HxTxA):
  """Causal softmax attention that stays within the caches of a CPU.

  One sequence after another, `_BLOCK` queries at a time, which meet no key
  after their own; the backward pass computes it again.
  """
  length = query_HxTxA.shape[-2]
  if length <= _BLOCK:
    return _by_blocks(query_HxTxA, keys_HxTxA, values_HxTxA)
  one_by_one = (
    x.reshape(-1, *x.shape[-3:])
    for x in (query_HxTxA, keys_HxTxA, values_HxTxA)
  )
  # Within a loop there is nothing to confuse the second computation with.
  one = jax.checkpoint(_by_blocks, prevent_cse=False)
  mixed_NxHxTxA = jax.lax.map(lambda qkv: one(*qkv), tuple(one_by_one))
  return mixed_NxHxTxA.reshape(query_HxTxA.shape)


def _by_blocks(query_HxTxA, keys_HxTxA, values_HxTxA):
  length = query_HxTxA.shape[-2]
  blocks = []
  for start in range(0, length, _BLOCK):
    stop = min(start + _BLOCK, length)
    scores_HxSxL = scores(
      query_HxTxA[..., start:stop, :], keys_HxTxA[..., :stop, :]
    )
    visible_SxL = jnp.tri(stop - start, stop, start, bool)
    visible_HxSxL = jnp.broadcast_to(visible_SxL, scores_HxSxL.shape)
    weights_HxSxL = softmax_weights(scores_HxSxL, visible_HxSxL)
    blocks.append(mixed(weights_HxSxL, values_HxTxA[..., :stop, :]))
  return jnp.concatenate(blocks, axis=-2)
