"""A block's matrices, by the names that the theory gives them.

Serves the params of every decoder made of `models.blocks`, so that nothing
outside `models` knows how they are kept. Weights act from the right: with x the
input, q_a = sum_c x_c w_q_ca + b_q_a for every head, and so on.
"""

from __future__ import annotations

from typing import NamedTuple

from raml_jax import base


class Matrices(NamedTuple):
  """Weights and biases of one block; letters as in `models.blocks`.

  Attributes:
    w_q_CxHxA: queries.
    b_q_HxA: their bias.
    w_k_CxHxA: keys.
    b_k_HxA: their bias.
    w_v_CxHxA: values.
    b_v_HxA: their bias.
    w_o_HxAxC: from the mixed values of all heads to the stream.
    b_o_C: its bias.
    w_1_CxM: into the MLP. None without one, as all below.
    b_1_M: its bias.
    w_2_MxC: out of the MLP.
    b_2_C: its bias.
  """

  w_q_CxHxA: base.Array
  b_q_HxA: base.Array
  w_k_CxHxA: base.Array
  b_k_HxA: base.Array
  w_v_CxHxA: base.Array
  b_v_HxA: base.Array
  w_o_HxAxC: base.Array
  b_o_C: base.Array
  w_1_CxM: base.Array | None
  b_1_M: base.Array | None
  w_2_MxC: base.Array | None
  b_2_C: base.Array | None


_ATTENTION = ("query", "key", "value", "out")
_MLP = ("up", "down")


def blocks(params: base.PyTree) -> tuple[Matrices, ...]:
  """The matrices of every block that has some of its own, first to last."""
  count = sum(name.startswith("layer_") for name in params)
  return tuple(_read(params[f"layer_{l}"]) for l in range(count))


def with_block(params: base.PyTree, l: int, block: Matrices) -> base.PyTree:
  """The params with the matrices of block `l` replaced, all else kept."""
  layer = params[f"layer_{l}"]
  pairs = list(zip(block[::2], block[1::2]))
  new = {name: _dense(*pairs[i]) for i, name in enumerate(_ATTENTION)}
  layer = {**layer, "attention": new}
  if block.w_1_CxM is not None:
    layer |= {name: _dense(*pairs[4 + i]) for i, name in enumerate(_MLP)}
  return {**params, f"layer_{l}": layer}


def _read(layer):
  dense = [layer["attention"][name] for name in _ATTENTION]
  dense += [layer.get(name, {}) for name in _MLP]
  return Matrices(*(d.get(k) for d in dense for k in ("kernel", "bias")))


def _dense(kernel, bias):
  return {"kernel": kernel, "bias": bias}
