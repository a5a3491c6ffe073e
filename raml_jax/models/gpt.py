"""A GPT decoder over character tokens.

Pre-norm blocks (`models.blocks`), token embedding, LayerNorm and a linear
read-out. One call serves training, decoding with a cache and "hide these tokens
but keep positions":

    model = gpt.gpt(gpt.Options(layers=4, width=128))
    logits_BxTxV, aux, _ = model.apply(params, tokens_BxT)
    logits_BxTxV, aux, cache = model.apply(params, tokens_BxT, cache=cache)

Axis letters beside those of `blocks`: V characters of the vocabulary, L slots
of the cache, or L = T without one.
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
import functools
from typing import NamedTuple

from flax import linen as nn
import jax
import jax.numpy as jnp

from raml_jax import base
from raml_jax.models import attend
from raml_jax.models import blocks as blocks_lib
from raml_jax.models import positions as positions_lib
from raml_jax.tasks import vocab


@dataclasses.dataclass(frozen=True)
class Options:
  """Which decoder.

  Attributes:
    layers: blocks that have parameters of their own.
    heads: of attention; must divide `width`.
    width: C, of the residual stream.
    mlp: hidden width of the MLP over `width`.
    positions: "learned", "rotary", "none" or "abacus" (`models.positions`).
    context: rows of the table of learned positions.
    digits: largest place in the table of abacus positions.
    radix: of the numbers that abacus positions look for.
    attention: "softmax" or "linear".
    loops: times the stack of blocks is applied, its weights tied.
    dtype: of the computation, "float32" or "bfloat16"; None for that of the
      params. Params are drawn in float32; logits are float32 at least.
    kernel: of attention: None, or "cudnn" (NVIDIA GPU, bfloat16) or "xla" for
      the fused ones of `jax.nn.dot_product_attention`, or "blocks" for what
      suits a CPU and more than 64 tokens (`attend.blocked`).
    remat: whether a backward pass keeps only what enters a block and computes
      the rest of it again, which needs less memory and changes nothing else.
    vocabulary: V.
  """

  layers: int = 2
  heads: int = 4
  width: int = 64
  mlp: int = 4
  positions: str = "learned"
  context: int = 256
  digits: int = 40
  radix: int = 10
  attention: str = "softmax"
  loops: int = 1
  dtype: str | None = None
  kernel: str | None = None
  remat: bool = False
  vocabulary: int = vocab.SIZE

  def __post_init__(self):
    if self.width % self.heads:
      raise ValueError(
        f"heads: {self.heads} does not divide width={self.width}"
      )
    for name, allowed in (
      ("positions", positions_lib.SCHEMES),
      ("attention", tuple(attend.WEIGHTS)),
      ("dtype", (None, "float32", "bfloat16")),
      ("kernel", (None, "cudnn", "xla", "blocks")),
    ):
      if getattr(self, name) not in allowed:
        raise ValueError(
          f"{name}: {getattr(self, name)!r} must be one of {allowed}"
        )
    if self.positions == "rotary" and self.width // self.heads % 2:
      raise ValueError(
        f"heads: {self.heads} gives width / heads = {self.width // self.heads},"
        " which must be even for rotary positions"
      )
    if self.attention == "linear" and self.kernel:
      raise ValueError(
        f"kernel: {self.kernel!r} must be None for linear attention"
      )


class Aux(NamedTuple):
  """Every activation; jit prunes what nobody uses.

  Attributes:
    blocks: one `blocks.Activations` per block applied, `layers` times `loops`,
      each with leading axis B.
    final_BxTxC: the stream after the last LayerNorm, which the read-out reads.
  """

  blocks: tuple[blocks_lib.Activations, ...]
  final_BxTxC: base.Array


class Model(NamedTuple):
  """Pure functions.

  Attributes:
    init: `(key) -> params`, a plain nested dict.
    apply: `(params, tokens_BxT, *, cache=None, positions=None, visible=None)
      -> (logits_BxTxV, aux, cache)`. positions_BxT replace the model's own: the
      position for learned and rotary ones, the place for abacus. A query sees
      the keys up to its own that visible_BxTxL (axes of length 1 allowed)
      leaves it; hidden tokens keep their positions. Every query must be left
      one key, as a rule its own.
    cache: `(params, batch, slots, first_B=None) -> cache`, blank. The first
      `first_B` tokens of a sequence are padding: no other token sees them and
      positions are counted after them. Tokens that do not fit give NaN.
    positions: `(key, tokens_BxT) -> positions_BxT` as training draws them, or
      None where nothing is drawn, for `apply`.
    options: which model this is.
  """

  init: Callable[..., base.PyTree]
  apply: Callable[..., tuple[base.Array, Aux, base.PyTree]]
  cache: Callable[..., base.PyTree]
  positions: Callable[..., base.Array | None]
  options: Options


class _Gpt(nn.Module):
  options: Options

  def setup(self):
    o = self.options
    embed = functools.partial(
      nn.Embed,
      features=o.width,
      dtype=o.dtype,
      embedding_init=nn.initializers.normal(0.02),
    )
    self.embed = embed(o.vocabulary)
    rows = {"learned": o.context, "abacus": o.digits + 1}.get(o.positions)
    self.table = embed(rows, name="position") if rows else None
    block = nn.remat(blocks_lib.Block) if o.remat else blocks_lib.Block
    self.blocks = [
      block(
        o.heads,
        o.width,
        o.mlp,
        True,
        o.attention,
        o.kernel,
        o.dtype,
        (2 * o.layers * o.loops) ** -0.5,
        name=f"layer_{l}",
      )
      for l in range(o.layers)
    ]
    self.final_norm = nn.LayerNorm(dtype=o.dtype)
    # Logits are never rounded to bfloat16, and small at the start.
    self.readout = nn.Dense(
      o.vocabulary,
      use_bias=False,
      dtype=o.dtype and "float32",
      kernel_init=nn.initializers.normal(0.02),
    )

  def __call__(self, tokens_BxT, cache, positions, visible):
    length = tokens_BxT.shape[1]
    if cache is None:
      done, slots, first_1x1, run_B = 0, length, 0, 0 * tokens_BxT[:, 0]
    else:
      done, slots = cache["length"], cache["layers"][0]["k"].shape[2]
      first_1x1, run_B = cache["first_B"][:, None], cache["run_B"]
    self._check(length, slots)
    slot_1xT = done + jnp.arange(length)[None]
    places_BxT, run_B = positions_lib.digit_places(
      tokens_BxT, run_B, self.options.radix
    )
    if positions is None and self.options.positions == "abacus":
      positions = places_BxT
    elif positions is None:
      positions = jnp.maximum(slot_1xT - first_1x1, 0)
    seen_BxTxL = None
    if cache is not None or visible is not None:
      key_1x1xL = jnp.arange(slots)[None, None]
      seen_BxTxL = key_1x1xL <= slot_1xT[..., None]
    if cache is not None:
      seen_BxTxL &= key_1x1xL >= first_1x1[..., None]
    if visible is not None:
      seen_BxTxL &= visible
    h_BxTxC = self.embed(tokens_BxT)
    if self.table is not None:
      h_BxTxC = h_BxTxC + self.table(positions)
    turn = None
    if self.options.positions == "rotary":
      turn = functools.partial(positions_lib.turned, position_BxT=positions)
    records, layers = [], []
    for i, block in enumerate(self.blocks * self.options.loops):
      query, keys, values = block.heads_of(h_BxTxC, turn)
      if cache is not None:
        write = jax.lax.dynamic_update_slice_in_dim
        old = cache["layers"][i]
        keys = write(old["k"], keys, done, axis=2)
        values = write(old["v"], values, done, axis=2)
        layers.append({"k": keys, "v": values})
      records.append(block(h_BxTxC, query, keys, values, seen_BxTxL))
      h_BxTxC = records[-1].output_TxC
    final_BxTxC = self.final_norm(h_BxTxC)
    logits_NxV = self.readout(final_BxTxC.reshape(-1, self.options.width))
    logits_BxTxV = logits_NxV.reshape(*tokens_BxT.shape, -1)
    aux = Aux(tuple(records), final_BxTxC)
    if cache is None:
      return logits_BxTxV, aux, None
    # How full the cache is may be known only at run time, where nothing can be
    # raised, and the update above would overwrite the last slots in silence.
    fits = done + length <= slots
    logits_BxTxV = jnp.where(fits, logits_BxTxV, jnp.nan)
    after = {"length": done + length, "run_B": run_B, "layers": layers}
    return logits_BxTxV, aux, {**cache, **after}

  def _check(self, length, slots):
    if length > slots:
      raise ValueError(f"slots: {slots} is too small for {length} tokens")
    if self.options.positions == "learned" and slots > self.options.context:
      raise ValueError(
        f"context: {self.options.context} is too small for {slots} tokens"
      )


@functools.cache
def gpt(options: Options) -> Model:
  """The model of `options`; equal options give the very same model."""
  module = _Gpt(options)

  def init(key):
    blank = jnp.zeros((1, 1), jnp.int32)
    return module.init(key, blank, None, None, None)["params"]

  def apply(params, tokens, *, cache=None, positions=None, visible=None):
    variables = {"params": params}
    return module.apply(variables, tokens, cache, positions, visible)

  def cache(params, batch, slots, first_B=None):
    head = options.width // options.heads
    dtype = options.dtype or params["embed"]["embedding"].dtype
    # Every block of every loop remembers for itself.
    blank = jnp.zeros((batch, options.heads, slots, head), dtype)
    none_B = jnp.zeros(batch, jnp.int32)
    return {
      "length": jnp.zeros((), jnp.int32),
      "first_B": none_B if first_B is None else first_B,
      "run_B": none_B,
      "layers": [{"k": blank, "v": blank}] * options.layers * options.loops,
    }

  def positions(key, tokens_BxT):
    if options.positions != "abacus":
      return None
    none_B = jnp.zeros(tokens_BxT.shape[0], jnp.int32)
    places_BxT, _ = positions_lib.digit_places(
      tokens_BxT, none_B, options.radix
    )
    return positions_lib.with_random_start(key, places_BxT, options.digits)

  return Model(init, apply, cache, positions, options)
