"""MAML on sinusoids, as every contender has it: weights, tasks, order.

NumPy alone, as `problem`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from raml_jax.studies.benchmark import problem

# (kernel_IxO, bias_O) of each layer, the input's first.
Layers = Sequence[tuple[np.ndarray, np.ndarray]]


def weights(sizes: problem.Sizes, seed: int) -> Layers:
  """Of a network 1-hidden-hidden-1, float32, the same in every framework."""
  rng = np.random.default_rng([seed, 5])
  widths = (1, sizes.hidden, sizes.hidden, 1)
  layers = []
  for i, o in zip(widths[:-1], widths[1:]):
    kernel_IxO = rng.standard_normal((i, o)) * 0.7 / np.sqrt(i)
    bias_O = 0.1 * rng.standard_normal(o)
    layers.append((kernel_IxO.astype(np.float32), bias_O.astype(np.float32)))
  return layers


def tasks(sizes: problem.Sizes) -> tuple[np.ndarray, ...]:
  """A batch on which losses are compared, float32.

  Returns:
    x_BxN, y_BxN of the support, x_BxM, y_BxM of the query.
  """
  rng = np.random.default_rng([0, 6])
  batch, shots = sizes.meta_batch, sizes.shots
  amplitude_Bx1 = rng.uniform(0.1, 5.0, (batch, 1))
  phase_Bx1 = rng.uniform(0.0, np.pi, (batch, 1))
  x_BxP = rng.uniform(-5.0, 5.0, (batch, 2 * shots))
  y_BxP = amplitude_Bx1 * np.sin(x_BxP - phase_Bx1)
  parts = (
    x_BxP[:, :shots],
    y_BxP[:, :shots],
    x_BxP[:, shots:],
    y_BxP[:, shots:],
  )
  return tuple(part.astype(np.float32) for part in parts)


def entries(layers: Layers) -> list[float]:
  """All numbers in one list; of the meta-gradient, in a check."""
  flat = [np.ravel(a) for layer in layers for a in layer]
  return np.concatenate(flat).astype(float).tolist()


def work(steps: int) -> str:
  """The name of the work with so many inner steps."""
  return f"MAML on sinusoids, {steps} inner step{'s' if steps != 1 else ''}"


def contender(name: str, steps: int) -> str:
  """What a worker knows it by."""
  return f"{name}, {work(steps)}"
