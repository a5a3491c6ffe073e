"""Numbers that stand for whole curves."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from raml_jax.config import learned_optimizer as config_lib


def loss(curves: Mapping[str, np.ndarray], name: str) -> np.ndarray:
  """loss_SxT of a rule, e.g. "learned" or "adam/area"."""
  return curves[f"{name}/loss_SxT"]


def area(loss_SxT: np.ndarray, length: int) -> np.ndarray:
  """Mean loss of the iterates 1..length: what the learned rule is trained on.

  Args:
    loss_SxT: any number of curves, the loss of the start included.
    length: of the part that counts.

  Returns:
    One number for each curve.
  """
  return loss_SxT[:, 1 : length + 1].mean(axis=1)


def log_ratio(
  one_S: np.ndarray, other_S: np.ndarray, floor: float = 0.0
) -> np.ndarray:
  """log10 of one_S / other_S, per seed: 0 where both are alike.

  Losses and distances differ by orders of magnitude, also from seed to seed:
  the mean of their logarithms says what is typical, that of their ratios what
  the worst seed did.

  Args:
    one_S: positive numbers, or zero.
    other_S: the same.
    floor: what is smaller counts as so much: rounding.
  """
  floor = max(floor, 1e-30)
  return np.log10(np.maximum(one_S, floor) / np.maximum(other_S, floor))


def best_rival(
  curves: Mapping[str, np.ndarray], criterion: str, length: int
) -> str:
  """The rival with the least area, or final loss, each tuned for just that."""

  def value(name):
    loss_SxT = loss(curves, f"{name}/{criterion}")
    if criterion == "area":
      return area(loss_SxT, length).mean()
    return loss_SxT[:, length].mean()

  return min(config_lib.RIVALS, key=value)
