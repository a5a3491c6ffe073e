"""The coordinatewise LSTM of learned optimizers (Andrychowicz et al. 2016).

One small network, the same for every coordinate of the parameters, reads that
coordinate's gradient and writes its update. Each coordinate has hidden states
of its own: all that the network knows of a coordinate is the gradients that it
has had there. Coordinates do not see each other.

Axis letters beside those of `base`: P coordinates, H units of a layer.
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses

from flax import linen as nn
import jax
import jax.numpy as jnp

from raml_jax import base


def preprocess(gradient_P: base.Array, p: float) -> base.Array:
  """Gradients of any size as numbers of about one, features_Px2.

  (log|g| / p, sign g) where |g| >= e^-p, else (-1, e^p g): appendix A.
  """
  size_P = jnp.abs(gradient_P)
  large_P = size_P >= jnp.exp(-p)
  # The branch not taken must not make its derivative NaN.
  log_P = jnp.log(jnp.where(large_P, size_P, 1.0)) / p
  first_P = jnp.where(large_P, log_P, -1.0)
  second_P = jnp.where(large_P, jnp.sign(gradient_P), jnp.exp(p) * gradient_P)
  return jnp.stack([first_P, second_P], axis=-1)


class CoordinatewiseLSTM(nn.Module):
  """A stack of LSTM layers and a linear read-out of one number."""

  layers: int
  width: int
  p: float | None
  scale: float

  def setup(self):
    self.cells = [
      nn.OptimizedLSTMCell(self.width, name=f"layer_{l}")
      for l in range(self.layers)
    ]
    self.readout = nn.Dense(1)

  def __call__(self, gradient_P, hidden):
    if self.p is None:
      h = gradient_P[:, None]
    else:
      h = preprocess(gradient_P, self.p)
    after = []
    for cell, carry in zip(self.cells, hidden, strict=True):
      carry, h = cell(carry, h)
      after.append(carry)
    return self.scale * self.readout(h)[:, 0], after


@dataclasses.dataclass(frozen=True)
class Network:
  """Pure functions, as in `base.Model`.

  Attributes:
    init: `(key) -> params`; they do not depend on the number of coordinates.
    blank: `(P, dtype) -> hidden`: the hidden states before the first step, two
      zero arrays PxH for each layer.
    apply: `(params, gradient_P, hidden) -> (update_P, hidden)`.
  """

  init: Callable[[base.Array], base.PyTree]
  blank: Callable[..., base.PyTree]
  apply: Callable[..., tuple[base.Array, base.PyTree]]


def network(
  layers: int = 2,
  width: int = 20,
  p: float | None = 10.0,
  scale: float = 0.1,
) -> Network:
  """The network of a learned optimizer.

  Args:
    layers: of the LSTM.
    width: units of each layer.
    p: of the preprocessing; None for the gradients as they are.
    scale: multiplies what is read out.
  """
  module = CoordinatewiseLSTM(layers, width, p, scale)

  def blank(size, dtype=jnp.float32):
    zeros_PxH = jnp.zeros((size, width), dtype)
    return [(zeros_PxH, zeros_PxH)] * layers

  def init(key):
    return module.init(key, jnp.zeros(1), blank(1))["params"]

  def apply(params, gradient_P, hidden):
    return module.apply({"params": params}, gradient_P, hidden)

  return Network(init, blank, apply)


def dtype_of(params: base.PyTree) -> jnp.dtype:
  """The type of the parameters, for `blank`."""
  return jnp.result_type(*jax.tree.leaves(params))
