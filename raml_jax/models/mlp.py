"""A multi-layer perceptron with ReLU, for regression."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import functools
from typing import NamedTuple

from flax import linen as nn
import jax

from raml_jax import base


class Mlp(NamedTuple):
  """A pair of pure functions.

  Attributes:
    init: `(key) -> params`, {"layer_0": {"kernel", "bias"}, ..., "head": ...}.
    apply: `(params, x_NxD) -> y_N`.
  """

  init: Callable[..., base.PyTree]
  apply: Callable[..., base.Array]


class _Mlp(nn.Module):
  widths: tuple[int, ...]
  scale: float

  @nn.compact
  def __call__(self, h_NxD):
    dense = functools.partial(
      nn.Dense, kernel_init=nn.initializers.truncated_normal(self.scale)
    )
    for l, width in enumerate(self.widths):
      h_NxD = nn.relu(dense(width, name=f"layer_{l}")(h_NxD))
    return dense(1, name="head")(h_NxD)[:, 0]


@functools.cache
def mlp(
  inputs: int = 1, widths: Sequence[int] = (40, 40), scale: float = 0.01
) -> Mlp:
  """The network of Finn, Abbeel, Levine (2017, sec. 5.1), 1-40-40-1.

  Args:
    inputs: D.
    widths: of the hidden layers, a tuple.
    scale: standard deviation of the initial weights, a normal cut at two of
      them; biases start at zero. 0.01 is that of the published code.
  """
  module = _Mlp(tuple(widths), scale)

  def init(key):
    return module.init(key, jax.numpy.zeros((1, inputs)))["params"]

  def apply(params, x_NxD):
    return module.apply({"params": params}, x_NxD)

  return Mlp(init, apply)
