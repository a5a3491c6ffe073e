"""The pre-norm transformer block that every decoder here is made of.

    a = h + Attn(N h; context),   h' = a + W_2 gelu(W_1 N a + b_1) + b_2

with N LayerNorm or the identity. A block does not know where its context comes
from: keys and values are given from outside, so that training, a cache and
hidden tokens are one path.

XLA on CPU shapes three things here. Attention is head-major ('htl', twice as
fast there). Linear layers see all leading axes as one: else the gradient of
their weights is a transposed copy and a product instead of a product. Queries,
keys and values come from one product: three of a third of its width are slower.

Axis letters: C width, H heads, A = C / H, T queries, L keys, M hidden width of
the MLP, N all leading axes as one; `...` is any batch axes, none included.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from flax import linen as nn
import jax
import jax.numpy as jnp

from raml_jax import base
from raml_jax.models import attend


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


class _ToHeads(nn.Module):
  """The weights of a linear map from the stream to every head.

  Names, axes and initial values are those of `nn.DenseGeneral((H, A))`.
  """

  heads: int
  width: int

  @nn.compact
  def __call__(self):
    """(kernel_CxHxA, bias_HxA)."""
    each_HxA = (self.heads, self.width // self.heads)

    def init(key, shape, dtype):
      square = self.width, self.width
      return nn.initializers.lecun_normal()(key, square, dtype).reshape(shape)

    kernel = self.param("kernel", init, (self.width, *each_HxA), jnp.float32)
    zeros = nn.initializers.zeros
    return kernel, self.param("bias", zeros, each_HxA, jnp.float32)


class Attention(nn.Module):
  """Attention of T queries to keys and values given from outside.

  Attributes:
    heads: H.
    width: C.
    kind: "softmax" or "linear".
    kernel: None for the plain path. Where nothing but causality hides keys, so
      in training: "cudnn" or "xla" for one of `jax.nn.dot_product_attention`,
      "blocks" for a CPU and long sequences. Softmax only.
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
    self.query, self.key, self.value = (
      _ToHeads(self.heads, self.width, name=name)
      for name in ("query", "key", "value")
    )
    self.out = nn.DenseGeneral(
      self.width,
      axis=(-2, -1),
      dtype=self.dtype,
      kernel_init=_scaled(self.residual_scale),
      name="out",
    )

  def heads_of(self, x_TxC, turn=None):
    """Queries, keys and values of these positions, each HxTxA.

    Args:
      x_TxC: what they come from.
      turn: applied to queries and keys (rotary positions).
    """
    kernels, biases = zip(self.query(), self.key(), self.value(), strict=True)
    x_NxC, kernel, bias = nn.dtypes.promote_dtype(
      x_TxC.reshape(-1, self.width),
      jnp.stack(kernels, axis=1).reshape(self.width, -1),
      jnp.stack(biases).reshape(1, -1),
      dtype=self.dtype,
    )
    each = (3, self.heads, self.width // self.heads)
    out_Tx3xHxA = (x_NxC @ kernel + bias).reshape(*x_TxC.shape[:-1], *each)
    query, keys, values = jnp.moveaxis(out_Tx3xHxA, (-3, -2), (0, -3))
    if turn is not None:
      query, keys = turn(query), turn(keys)
    return query, keys, values

  def __call__(self, query_HxTxA, keys_HxLxA, values_HxLxA, visible_TxL):
    """(what is added to the stream, scores_HxTxL, mixed_HxTxA).

    Args:
      query_HxTxA: of the positions that are written to.
      keys_HxLxA: of what they may see.
      values_HxLxA: of the same.
      visible_TxL: which keys a query sees; None for those up to its own, L = T.
    """
    scores_HxTxL = attend.scores(query_HxTxA, keys_HxLxA)
    qkv = query_HxTxA, keys_HxLxA, values_HxLxA
    if visible_TxL is None and self.kernel == "blocks":
      mixed_HxTxA = attend.blocked(*qkv)
    elif visible_TxL is None and self.kernel:
      mixed_HxTxA = attend.fused(*qkv, self.kernel)
    else:
      if visible_TxL is None:
        *batch, _, length, _ = scores_HxTxL.shape
        visible_TxL = jnp.tril(jnp.ones([1] * len(batch) + [length] * 2, bool))
      visible_1xTxL = jnp.expand_dims(visible_TxL, -3)
      weights_HxTxL = attend.WEIGHTS[self.kind](scores_HxTxL, visible_1xTxL)
      mixed_HxTxA = attend.mixed(weights_HxTxL, values_HxLxA)
    mixed_TxHxA = mixed_HxTxA.swapaxes(-3, -2)
    out_NxC = self.out(mixed_TxHxA.reshape(-1, *mixed_TxHxA.shape[-2:]))
    out_TxC = out_NxC.reshape(*mixed_TxHxA.shape[:-2], self.width)
    return out_TxC, scores_HxTxL, mixed_HxTxA


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

  def heads_of(self, h_TxC, turn=None):
    """Queries, keys and values of these positions, each HxTxA.

    Args:
      h_TxC: the stream before the block.
      turn: applied to queries and keys (rotary positions).
    """
    return self.attention.heads_of(self._attention_input(h_TxC), turn)

  def __call__(
    self, h_TxC, query_HxTxA, keys_HxLxA, values_HxLxA, visible_TxL
  ) -> Activations:
    attention_TxC, scores_HxTxL, mixed_HxTxA = self.attention(
      query_HxTxA, keys_HxLxA, values_HxLxA, visible_TxL
    )
    x_TxC = self._attention_input(h_TxC)
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
