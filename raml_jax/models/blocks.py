"""The pre-norm transformer block that every decoder here is made of.

    a = h + Attn(N h; context),   h' = a + W_2 gelu(W_1 N a + b_1) + b_2

with N LayerNorm or the identity. A block does not know where its context comes
from: keys and values are given from outside, so that training, a cache and
hidden tokens are one path.

XLA on CPU shapes two things here. Attention is head-major ('htl', twice as fast
there), and linear layers see all leading axes as one: else the gradient of
their weights is a transposed copy and a product instead of a product.

Axis letters: C width, H heads, A = C / H, T queries, L keys, M hidden width of
the MLP; `...` is any batch axes, none included.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from flax import linen as nn
import jax
import jax.numpy as jnp

from raml_jax import base


class Activations(NamedTuple):
  """What one block computed; batch axes first. What is unused costs nothing.

  Attributes:
    stream_TxC: h, the residual stream before the block.
    normed_TxC: N h, from which queries, keys and values come.
    scores_HxTxL: before the softmax, scaled; nothing is masked in them.
    mixed_HxTxA: the values mixed by the attention weights, before W_o.
    attention_TxC: Attn, what attention adds to the stream.
    middle_TxC: a.
    z_TxC: N a, what the MLP reads. None without an MLP, as all below.
    pre_TxM: W_1 z + b_1.
    hidden_TxM: gelu of it.
    output_TxC: h', the stream after the block.
  """

  stream_TxC: base.Array
  normed_TxC: base.Array
  scores_HxTxL: base.Array
  mixed_HxTxA: base.Array
  attention_TxC: base.Array
  middle_TxC: base.Array
  z_TxC: base.Array | None
  pre_TxM: base.Array | None
  hidden_TxM: base.Array | None
  output_TxC: base.Array


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


def _fused(query_HxTxA, keys_HxTxA, values_HxTxA, kernel):
  """Causal softmax attention by one kernel, which wants time before heads."""
  time_major = (
    x.swapaxes(-3, -2) for x in (query_HxTxA, keys_HxTxA, values_HxTxA)
  )
  mixed_TxHxA = jax.nn.dot_product_attention(
    *time_major, is_causal=True, implementation=kernel
  )
  return mixed_TxHxA.swapaxes(-3, -2)


class Attention(nn.Module):
  """Attention of T queries to keys and values given from outside.

  Attributes:
    heads: H.
    width: C.
    kind: "softmax" or "linear".
    kernel: None for the plain path; "cudnn" or "xla" for one of
      `jax.nn.dot_product_attention` where nothing but causality hides keys, so
      in training. Softmax only.
    dtype: of the computation; None for that of the params.
    residual_scale: times the initial weights of what adds to the stream.
  """

  heads: int
  width: int
  kind: str = "softmax"
  kernel: str | None = None
  dtype: str | None = None
  residual_scale: float = 1.0

  def setup(self):
    head = self.width // self.heads
    self.query, self.key, self.value = (
      nn.DenseGeneral((self.heads, head), dtype=self.dtype, name=name)
      for name in ("query", "key", "value")
    )
    self.out = nn.DenseGeneral(
      self.width,
      axis=(-2, -1),
      dtype=self.dtype,
      kernel_init=_scaled(self.residual_scale),
      name="out",
    )

  def keys_values(self, x_TxC, turn=None):
    """What these positions offer to others: two arrays HxTxA."""
    keys_HxTxA = self._heads(self.key, x_TxC)
    if turn is not None:
      keys_HxTxA = turn(keys_HxTxA)
    return keys_HxTxA, self._heads(self.value, x_TxC)

  def __call__(self, x_TxC, keys_HxLxA, values_HxLxA, visible_TxL, turn=None):
    """(what is added to the stream, scores_HxTxL, mixed_HxTxA).

    Args:
      x_TxC: what queries come from.
      keys_HxLxA: turned already.
      values_HxLxA: of the same positions.
      visible_TxL: which keys a query sees; None for those up to its own, L = T.
      turn: applied to queries.
    """
    query_HxTxA = self._heads(self.query, x_TxC)
    if turn is not None:
      query_HxTxA = turn(query_HxTxA)
    scores_HxTxL = scores(query_HxTxA, keys_HxLxA)
    if self.kernel and visible_TxL is None:
      mixed_HxTxA = _fused(query_HxTxA, keys_HxLxA, values_HxLxA, self.kernel)
    else:
      if visible_TxL is None:
        *batch, _, length, _ = scores_HxTxL.shape
        visible_TxL = jnp.tril(jnp.ones([1] * len(batch) + [length] * 2, bool))
      visible_1xTxL = jnp.expand_dims(visible_TxL, -3)
      weights_HxTxL = WEIGHTS[self.kind](scores_HxTxL, visible_1xTxL)
      mixed_HxTxA = jnp.einsum(
        "...tl,...la->...ta",
        weights_HxTxL.astype(values_HxLxA.dtype),
        values_HxLxA,
      )
    mixed_TxHxA = mixed_HxTxA.swapaxes(-3, -2)
    out = self.out(mixed_TxHxA.reshape(-1, *mixed_TxHxA.shape[-2:]))
    return out.reshape(x_TxC.shape), scores_HxTxL, mixed_HxTxA

  def _heads(self, dense, x_TxC):
    out = dense(x_TxC.reshape(-1, self.width))
    out_TxHxA = out.reshape(*x_TxC.shape[:-1], *out.shape[-2:])
    return out_TxHxA.swapaxes(-3, -2)


class Block(nn.Module):
  """One pre-norm block.

  Attributes:
    heads: of attention.
    width: of the stream.
    mlp: hidden width of the MLP over `width`, 0 for no MLP.
    layer_norm: whether N is LayerNorm.
    kind: of attention, "softmax" or "linear".
    kernel: of attention, see `Attention`.
    dtype: of the computation; None for that of the params.
    residual_scale: times the initial weights of what adds to the stream.
  """

  heads: int
  width: int
  mlp: int
  layer_norm: bool
  kind: str = "softmax"
  kernel: str | None = None
  dtype: str | None = None
  residual_scale: float = 1.0

  def setup(self):
    self.attention = Attention(
      self.heads,
      self.width,
      self.kind,
      self.kernel,
      self.dtype,
      self.residual_scale,
    )
    norm = functools.partial(nn.LayerNorm, dtype=self.dtype)
    if self.layer_norm:
      self.attention_norm = norm()
      self.mlp_norm = norm() if self.mlp else None
    if self.mlp:
      self.up = nn.Dense(self.mlp * self.width, dtype=self.dtype)
      self.down = nn.Dense(
        self.width,
        dtype=self.dtype,
        kernel_init=_scaled(self.residual_scale),
      )

  def keys_values(self, h_TxC, turn=None):
    """What these positions offer to others: two arrays HxTxA.

    Args:
      h_TxC: the stream before the block.
      turn: applied to keys, as it is to queries (rotary positions).
    """
    return self.attention.keys_values(self._attention_input(h_TxC), turn)

  def __call__(
    self, h_TxC, keys_HxLxA, values_HxLxA, visible_TxL, turn=None
  ) -> Activations:
    x_TxC = self._attention_input(h_TxC)
    attention_TxC, scores_HxTxL, mixed_HxTxA = self.attention(
      x_TxC, keys_HxLxA, values_HxLxA, visible_TxL, turn
    )
    a_TxC = h_TxC + attention_TxC
    head = (h_TxC, x_TxC, scores_HxTxL, mixed_HxTxA, attention_TxC, a_TxC)
    if not self.mlp:
      return Activations(*head, None, None, None, a_TxC)
    z_TxC = self.mlp_norm(a_TxC) if self.layer_norm else a_TxC
    pre_NxM = self.up(z_TxC.reshape(-1, self.width))
    hidden_NxM = _gelu(pre_NxM)
    output_TxC = a_TxC + self.down(hidden_NxM).reshape(a_TxC.shape)
    pre_TxM, hidden_TxM = (
      x.reshape(*z_TxC.shape[:-1], -1) for x in (pre_NxM, hidden_NxM)
    )
    return Activations(*head, z_TxC, pre_TxM, hidden_TxM, output_TxC)

  def _attention_input(self, h_TxC):
    return self.attention_norm(h_TxC) if self.layer_norm else h_TxC


# Keeps nothing but its argument for the backward pass: to compute tanh again
# costs less than to write it to memory and to read it.
_gelu = jax.checkpoint(nn.gelu)


def _scaled(scale: float):
  """Flax's own initial weights, times `scale`."""
  return nn.initializers.variance_scaling(
    scale**2, "fan_in", "truncated_normal"
  )
