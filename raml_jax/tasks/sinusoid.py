"""Sinusoid regression, as published by Finn, Abbeel, Levine (2017, sec. 5.1).

    y = A sin(x - phase),  A ~ U[.1, 5],  phase ~ U[0, pi],  x ~ U[-5, 5]

Example: `Sinusoid(shots=10).sample(key, 25)` gives 25 episodes whose support
has 10 pairs and whose query has 10 others.
"""

from __future__ import annotations

import dataclasses
import math

import jax
import jax.numpy as jnp

from raml_jax import base

AMPLITUDE = (0.1, 5.0)
PHASE = (0.0, math.pi)
INPUTS = (-5.0, 5.0)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Sinusoid:
  """The family of tasks.

  Attributes:
    shots: K >= 1 support pairs.
    queries: query pairs; None: as many as support pairs.
  """

  shots: int = dataclasses.field(metadata={"static": True})
  queries: int | None = dataclasses.field(
    default=None, metadata={"static": True}
  )

  def __post_init__(self):
    for name in ("shots", "queries"):
      value = getattr(self, name)
      if value is not None and value < 1:
        raise ValueError(f"{name} = {value}: must be at least 1")

  def sample(self, key: base.Array, batch: int) -> base.Episode:
    """Draws `batch` episodes; every leaf has a leading axis B.

    Support and query are `base.Pairs` with D = 1; the latent is (A, phase).
    """
    shots = self.shots
    points = shots + (self.queries or shots)
    # One flat draw: small trailing axes are several times slower.
    u = jax.random.uniform(key, (batch * (points + 2),))
    u_BxP, u_Bx2 = u[: batch * points], u[batch * points :]
    x_BxP = _between(INPUTS, u_BxP.reshape(batch, points))
    amplitude_B = _between(AMPLITUDE, u_Bx2[:batch])
    phase_B = _between(PHASE, u_Bx2[batch:])
    y_BxP = amplitude_B[:, None] * jnp.sin(x_BxP - phase_B[:, None])
    support = base.Pairs(x_BxP[:, :shots, None], y_BxP[:, :shots])
    query = base.Pairs(x_BxP[:, shots:, None], y_BxP[:, shots:])
    return base.Episode(
      support, query, jnp.stack([amplitude_B, phase_B], axis=1)
    )


def zero_floor() -> float:
  """Mean squared error of y = 0: E[A^2] / 2, 4.25."""
  low, high = AMPLITUDE
  return (high**3 - low**3) / (3 * (high - low)) / 2


def task_agnostic_floor() -> float:
  """The least error of a predictor that does not see the support set, 3.0.

  E[y | x] = -(2 / pi) E[A] cos x explains (2 E[A] / pi)^2 E[cos^2 x].
  """
  slope = 2 * (AMPLITUDE[0] + AMPLITUDE[1]) / 2 / math.pi
  width = INPUTS[1] - INPUTS[0]
  # The inputs are symmetric: E[cos 2x] = sin(width) / width.
  explained = slope**2 * (1 + math.sin(width) / width) / 2
  return zero_floor() - explained


def _between(ends: tuple[float, float], u: base.Array) -> base.Array:
  return ends[0] + (ends[1] - ends[0]) * u
