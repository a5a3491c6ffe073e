"""A softmax decoder on the weight-token prompt.

Pre-norm blocks (`models.blocks`). Tokens enter by a linear embedding and leave
by a linear read-out of F rows; the output token is the input token plus that
read-out, and the whole token is fed back.

As in the linear-attention model the data columns see each other and never the
weight tokens, and a weight token sees the data, the weight tokens before it and
itself. So without positions the model cannot depend on the order of examples.

Keys and values live in a cache of n + max_steps slots. Teacher forcing (T
tokens in one call) and stepping (T = 1 inside a scan) run the same code. Params
do not depend on `max_steps`: train with a small cache, measure with a long one.
`Decoder.whole` takes a text of any tokens, who sees whom included, and gives
every activation.

Axis letters beside those of `base`: C width, H heads, A = C / H, L slots.
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses

from flax import linen as nn
import jax
import jax.numpy as jnp

from raml_jax import base
from raml_jax.models import blocks as blocks_lib
from raml_jax.models import tokens as tokens_lib


@dataclasses.dataclass(frozen=True)
class Decoder(base.Model):
  """A `Model` that can also be asked for all it computes.

  Attributes:
    whole: `(params, tokens_TxF, visible_TxT, layers=None) -> (outputs_TxF,
      activations)`: no prompt and no cache, data are tokens like all others
      (`tokens.data_tokens`). One `blocks.Activations` per block; of the first
      `layers` blocks alone, if given, read out where they end.
    layers: blocks.
    mlp: hidden width of the MLP over the width.
  """

  whole: Callable[..., tuple[base.Array, tuple[blocks_lib.Activations, ...]]]
  layers: int
  mlp: int


class WeightTokenDecoder(nn.Module):
  """The decoder; see `decoder` for the options."""

  d: int
  layers: int
  heads: int
  width: int
  mlp: int
  layer_norm: bool
  positions: int
  readout_scale: float
  max_steps: int

  def setup(self):
    self.embed = nn.Dense(self.width)
    if self.positions:
      init = nn.initializers.normal(0.02)
      self.position = self.param("position", init, (self.positions, self.width))
    self.blocks = [
      blocks_lib.Block(
        self.heads, self.width, self.mlp, self.layer_norm, name=f"layer_{l}"
      )
      for l in range(self.layers)
    ]
    if self.layer_norm:
      self.final_norm = nn.LayerNorm()
    self.readout = nn.Dense(
      tokens_lib.width(self.d),
      kernel_init=nn.initializers.variance_scaling(
        self.readout_scale**2, "fan_in", "normal"
      ),
    )

  def prefill(self, support: base.Support):
    """Every layer's keys and values of the data, and room for weight tokens."""
    if support.pairs is None:
      raise ValueError(
        "support.pairs: None; a softmax decoder reads the pairs themselves, so"
        " sample them (moments_only=False)"
      )
    n = support.pairs.y_N.shape[0]
    if self.positions and n + self.max_steps > self.positions:
      raise ValueError(
        f"positions: {self.positions} is too short for n={n} pairs and"
        f" max_steps={self.max_steps}; at least {n + self.max_steps} is needed"
      )
    h_NxC = self._embed(tokens_lib.data_tokens(support.pairs), jnp.arange(n))
    everything_NxN = jnp.ones((n, n), bool)
    layers = []
    for l, block in enumerate(self.blocks):
      query_HxNxA, keys_HxNxA, values_HxNxA = block.heads_of(h_NxC)
      room = ((0, 0), (0, self.max_steps), (0, 0))
      layers.append(
        {"k": jnp.pad(keys_HxNxA, room), "v": jnp.pad(values_HxNxA, room)}
      )
      if l + 1 < self.layers:
        h_NxC = block(
          h_NxC, query_HxNxA, keys_HxNxA, values_HxNxA, everything_NxN
        ).output_TxC
    return {"steps": jnp.zeros((), jnp.int32), "layers": layers}

  def __call__(self, z_TxF, cache):
    steps, length = cache["steps"], z_TxF.shape[0]
    if length > self.max_steps:
      raise ValueError(
        f"max_steps: {self.max_steps} is too small for {length} tokens"
      )
    slots = cache["layers"][0]["k"].shape[1]
    first = slots - self.max_steps + steps
    slot_T = first + jnp.arange(length)
    visible_TxL = jnp.arange(slots)[None] <= slot_T[:, None]
    h_TxC = self._embed(z_TxF, slot_T)
    layers = []
    for block, old in zip(self.blocks, cache["layers"], strict=True):
      query_HxTxA, keys_HxTxA, values_HxTxA = block.heads_of(h_TxC)
      write = jax.lax.dynamic_update_slice_in_dim
      new = {
        "k": write(old["k"], keys_HxTxA, first, axis=1),
        "v": write(old["v"], values_HxTxA, first, axis=1),
      }
      layers.append(new)
      h_TxC = block(
        h_TxC, query_HxTxA, new["k"], new["v"], visible_TxL
      ).output_TxC
    out_TxF = self._written(z_TxF, h_TxC)
    # How full the cache is may be known only at run time, where nothing can be
    # raised, and the update above would overwrite the last slots in silence.
    fits = steps + length <= self.max_steps
    out_TxF = jnp.where(fits, out_TxF, jnp.nan)
    return out_TxF, {"steps": steps + length, "layers": layers}

  def whole(self, z_TxF, visible_TxT, layers):
    h_TxC = self._embed(z_TxF, jnp.arange(z_TxF.shape[0]))
    found = []
    for block in self.blocks[:layers]:
      found.append(block(h_TxC, *block.heads_of(h_TxC), visible_TxT))
      h_TxC = found[-1].output_TxC
    return self._written(z_TxF, h_TxC), tuple(found)

  def prefill_and_call(self, support: base.Support, z_TxF):
    """Touches every parameter, for `init`."""
    return self(z_TxF, self.prefill(support))

  def _written(self, z_TxF, h_TxC):
    if self.layer_norm:
      h_TxC = self.final_norm(h_TxC)
    return z_TxF + self.readout(h_TxC)

  def _embed(self, z_TxF, position_T):
    h_TxC = self.embed(z_TxF)
    return h_TxC + self.position[position_T] if self.positions else h_TxC


def decoder(
  d: int,
  max_steps: int,
  *,
  layers: int = 2,
  heads: int = 4,
  width: int = 64,
  mlp: int = 4,
  layer_norm: bool = False,
  positions: int = 0,
  readout_scale: float = 0.1,
) -> Decoder:
  """The `Model` of `WeightTokenDecoder`.

  Args:
    d: input dimension.
    max_steps: weight tokens that the cache has room for. A call with more
      raises; stepping past it gives NaN from the first token that does not fit.
      Params do not depend on it.
    layers: blocks.
    heads: attention heads; must divide `width`.
    width: of the residual stream.
    mlp: hidden width of the MLP over `width`; 0 for attention alone.
    layer_norm: pre-norm LayerNorm, and one before the read-out.
    positions: rows of a table of learned positions: 0..n-1 for the data, n + t
      for weight token t. At least n + max_steps; 0 for no positions.
    readout_scale: standard deviation of the read-out's output at the start, for
      a stream of unit entries: small, so that an untrained model hardly moves.

  Raises:
    ValueError: `heads` does not divide `width`.
  """
  if width % heads:
    raise ValueError(f"heads: {heads} does not divide width={width}")
  module = WeightTokenDecoder(
    d,
    layers,
    heads,
    width,
    mlp,
    layer_norm,
    positions,
    readout_scale,
    max_steps,
  )

  def init(key):
    pairs = base.Pairs(jnp.zeros((1, d)), jnp.zeros(1))
    blank = base.Support(jnp.zeros((d + 1, d + 1)), jnp.ones(()), pairs)
    token_1xF = tokens_lib.weight_token(jnp.zeros((1, d)))
    # The table alone limits n; one pair is enough to reach every parameter.
    return module.init(key, blank, token_1xF, method="prefill_and_call")[
      "params"
    ]

  def prefill(params, support):
    return module.apply({"params": params}, support, method="prefill")

  def apply(params, z_TxF, cache):
    return module.apply({"params": params}, z_TxF, cache)

  def whole(params, z_TxF, visible_TxT, layers=None):
    variables = {"params": params}
    return module.apply(variables, z_TxF, visible_TxT, layers, method="whole")

  return Decoder(init, prefill, apply, whole, layers, mlp)
