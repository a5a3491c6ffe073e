"""The random quadratics that learned optimizers are tried on.

    f(theta) = |W theta - y|^2,  W_ij ~ N(0, 1),  y_i ~ N(0, 1)

Andrychowicz et al. 2016, section 3.1, d = 10. The least value is 0, but W is
nearly singular now and then: the last part of the way is long.

Example: `Quadratics().sample(key, 128)` gives 128 of them.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

from raml_jax import base


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Quadratics:
  """The family; a pytree whose numbers may be traced or stacked.

  Attributes:
    start_scale: standard deviation of the start theta_0; that of the authors'
      code by default.
    d: dimension.
  """

  start_scale: base.Array | float = 0.01
  d: int = dataclasses.field(default=10, metadata={"static": True})

  def sample(self, key: base.Array, batch: int) -> base.Episode:
    """Draws `batch` quadratics; every leaf has a leading axis B.

    The rows of W stand as the inputs of the support and y as their labels.
    `latent_D` is the start theta_0, not the minimiser: that is as far away as W
    is near to singular, and nothing here needs it.
    """
    d = self.d
    # One flat draw: small trailing axes make random numbers slower.
    flat = jax.random.normal(key, (batch * d * (d + 2),))
    w, y, start = jnp.split(flat, [batch * d * d, batch * d * (d + 1)])
    pairs = base.Pairs(w.reshape(batch, d, d), y.reshape(batch, d))
    return base.Episode(pairs, None, self.start_scale * start.reshape(batch, d))


def start(episode: base.Episode) -> base.Array:
  """theta_0 of one quadratic."""
  return episode.latent_D


def loss(theta_D: base.Array, support: base.Pairs) -> base.Array:
  """f(theta) = |W theta - y|^2."""
  return jnp.sum((support.x_NxD @ theta_D - support.y_N) ** 2)
