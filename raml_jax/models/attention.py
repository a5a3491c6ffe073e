"""Linear self-attention on the weight-token prompt.

    f(Z) = Z + V Z (Z^T W Z) / n          (arXiv 2502.21212, eq. for f_LSA)

The prompt enters only through its Gram matrix G = Z Z^T / n: a token z becomes
z + V G W z. So a layer remembers the data by their Gram matrix, and neither
memory nor time grows with n. Data columns see each other and never the weight
tokens; a weight token sees the data, its own column and the columns before it.

What a layer remembers of the weight tokens takes one of two forms, which agree
to rounding: their moments, added to the data's, for any number of tokens; or
the tokens themselves in a memory of `max_steps`, several times cheaper where
the tokens are few and gradients flow through them. Params are the same.
"""

from __future__ import annotations

from flax import linen as nn
import jax
import jax.numpy as jnp

from raml_jax import base
from raml_jax.models import tokens as tokens_lib


class LinearSelfAttention(nn.Module):
  """One layer; V_FxF and W_FxF drawn from N(0, init_scale^2)."""

  f: int
  init_scale: float

  def setup(self):
    init = nn.initializers.normal(self.init_scale)
    self.v_FxF = self.param("V", init, (self.f, self.f))
    self.w_FxF = self.param("W", init, (self.f, self.f))

  def data(self, gram_ExE):
    """One layer applied to the data columns: G -> M G M^T, M = I + V G W."""
    e = gram_ExE.shape[0]
    mix_FxE = self.v_FxF[:, :e] @ gram_ExE @ self.w_FxF[:e, :e]
    mix_FxE += jnp.eye(self.f, e, dtype=gram_ExE.dtype)
    return mix_FxE @ gram_ExE @ mix_FxE.T

  def __call__(self, z_TxF, gram_ExE, past_PxF, visible_TxP, n):
    """Tokens that see the moments `gram` and the visible `past` tokens.

    `gram` may also be FxF: a Gram matrix without its last rows, all zero.
    """
    e = gram_ExE.shape[0]
    query_TxF = z_TxF @ self.w_FxF.T
    scores_TxP = jnp.where(visible_TxP, query_TxF @ past_PxF.T, 0.0) / n
    read_TxE = query_TxF[:, :e] @ gram_ExE
    read_TxF = jnp.pad(read_TxE, ((0, 0), (0, self.f - e)))
    return z_TxF + (read_TxF + scores_TxP @ past_PxF) @ self.v_FxF.T


class WeightTokenLSA(nn.Module):
  """A stack of linear self-attention layers on the weight-token prompt."""

  d: int
  layers: int
  init_scale: float
  max_steps: int | None = None

  def setup(self):
    f = tokens_lib.width(self.d)
    self.blocks = [
      LinearSelfAttention(f, self.init_scale, name=f"layer_{l}")
      for l in range(self.layers)
    ]

  def prefill(self, support: base.Support):
    """The Gram matrix of the data columns as each layer sees them."""
    f = tokens_lib.width(self.d)
    gram_ExE = support.gram_ExE
    grams = [gram_ExE]
    for block in self.blocks[:-1]:
      grams.append(block.data(grams[-1]))
    if self.max_steps is None:
      grams[0] = jnp.pad(gram_ExE, (0, f - gram_ExE.shape[0]))
      return {"n": support.n, "grams": grams}
    blank_PxF = jnp.zeros((self.max_steps, f), gram_ExE.dtype)
    return {
      "n": support.n,
      "grams": grams,
      "steps": jnp.zeros((), jnp.int32),
      "past": [blank_PxF] * self.layers,
    }

  def __call__(self, z_TxF, cache):
    if self.max_steps is None:
      return self._with_moments(z_TxF, cache)
    return self._with_tokens(z_TxF, cache)

  def _with_moments(self, z_TxF, cache):
    length = z_TxF.shape[0]
    causal_TxT = jnp.tril(jnp.ones((length, length), bool))
    grams = []
    for block, gram_FxF in zip(self.blocks, cache["grams"], strict=True):
      grams.append(gram_FxF + z_TxF.T @ z_TxF / cache["n"])
      z_TxF = block(z_TxF, gram_FxF, z_TxF, causal_TxT, cache["n"])
    return z_TxF, {"n": cache["n"], "grams": grams}

  def _with_tokens(self, z_TxF, cache):
    length, steps = z_TxF.shape[0], cache["steps"]
    if length > self.max_steps:
      raise ValueError(
        f"max_steps: {self.max_steps} is too small for {length} tokens"
      )
    slot_T = steps + jnp.arange(length)
    visible_TxP = jnp.arange(self.max_steps)[None] <= slot_T[:, None]
    past = []
    for l, block in enumerate(self.blocks):
      past_PxF = jax.lax.dynamic_update_slice_in_dim(
        cache["past"][l], z_TxF, steps, axis=0
      )
      past.append(past_PxF)
      z_TxF = block(z_TxF, cache["grams"][l], past_PxF, visible_TxP, cache["n"])
    # How full the memory is may be known only at run time, where nothing can be
    # raised, and the update above would overwrite the last slots in silence.
    z_TxF = jnp.where(steps + length <= self.max_steps, z_TxF, jnp.nan)
    return z_TxF, {**cache, "steps": steps + length, "past": past}


def linear_attention(
  d: int,
  layers: int = 1,
  init_scale: float = 0.05,
  max_steps: int | None = None,
) -> base.Model:
  """The `Model` of `WeightTokenLSA`; params = {"layer_l": {"V", "W"}}.

  Args:
    d: input dimension.
    layers: of attention.
    init_scale: standard deviation of every parameter at the start.
    max_steps: weight tokens that the cache has room for; a call with more
      raises, stepping past it gives NaN. None for any number of tokens, which
      are then remembered by their moments. Params do not depend on it: train
      with as many as the objective needs, measure without limit.
  """
  module = WeightTokenLSA(d, layers, init_scale, max_steps)

  def init(key):
    blank = base.Support(jnp.zeros((d + 1, d + 1)), jnp.ones(()))
    token_1xF = jnp.zeros((1, tokens_lib.width(d)))

    def read(module):
      return module(token_1xF, module.prefill(blank))

    return nn.init(read, module)(key)["params"]

  def prefill(params, support):
    return module.apply({"params": params}, support, method="prefill")

  def apply(params, z_TxF, cache):
    return module.apply({"params": params}, z_TxF, cache)

  return base.Model(init, prefill, apply)


def construction(a_DxD: base.Array, b_DxD: base.Array) -> base.PyTree:
  """Params whose every step is w + A S (B w - w*), A = V_31, B = W_13.

  W_24 = -1. Gradient descent is A = -eta I, B = I; the rotated rule
  A = -eta R; the preconditioned one A = -eta P; the shrunk one A = -alpha I,
  B = beta I (arXiv 2502.21212, Thm 3.1, and variations of it).
  """
  d = a_DxD.shape[0]
  f = tokens_lib.width(d)
  w_rows = slice(d + 1, 2 * d + 1)
  v_FxF = jnp.zeros((f, f), a_DxD.dtype).at[w_rows, :d].set(a_DxD)
  w_FxF = jnp.zeros((f, f), a_DxD.dtype).at[:d, w_rows].set(b_DxD)
  return {"layer_0": {"V": v_FxF, "W": w_FxF.at[d, f - 1].set(-1.0)}}


def restricted_mask(d: int) -> base.PyTree:
  """1 at the entries of V_31 and W_13, 0 elsewhere."""
  ones = jnp.ones((d, d))
  mask = construction(ones, ones)
  return jax.tree.map(lambda leaf: (leaf > 0).astype(leaf.dtype), mask)
