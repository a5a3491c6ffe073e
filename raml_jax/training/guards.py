"""What the loop refuses to do or to go on with, each in one line."""

from __future__ import annotations

import re
from typing import Any

import jax
import numpy as np

_PHASE_NAME = re.compile(r"[A-Za-z_][\w.=+-]*(/[A-Za-z_][\w.=+-]*)*")


def check_name(name: str) -> None:
  """Raises ValueError unless `name` can name a phase."""
  if not _PHASE_NAME.fullmatch(name):
    raise ValueError(
      f"phase name {name!r}: allowed are parts of letters, digits and"
      " '_.=+-', not starting with a digit, joined by '/'"
    )


def check_counts(name: str, **counts: int) -> None:
  """Raises ValueError unless every count is at least 1."""
  for field, value in counts.items():
    if value < 1:
      raise ValueError(f"phase {name!r}: {field}={value}, must be at least 1")


def check_processes(name: str, placement: Any) -> None:
  """Raises ValueError if several processes would each train on their own."""
  if placement is None and jax.process_count() > 1:
    raise ValueError(
      f"phase {name!r}: placement=None, but there are {jax.process_count()}"
      " processes: they need a mesh of all their devices"
    )


def check_divisor(name: str, field: str, value: int, total: int) -> None:
  """Raises ValueError unless `value` divides `total`."""
  if value < 1 or total % value:
    raise ValueError(f"phase {name!r}: {field}={value}, must divide {total}")


def check_axes(name: str, what: str, tree: Any, **axes: int) -> None:
  """Raises ValueError unless all leaves have the leading axes `axes`.

  Args:
    name: of the phase.
    what: the tree is.
    tree: of arrays.
    **axes: lengths of the leading axes, by what they count.
  """
  wanted = tuple(axes.values())
  said = " and ".join(f"{length} {axis}" for axis, length in axes.items())
  for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
    if np.shape(leaf)[: len(wanted)] != wanted:
      field = jax.tree_util.keystr(path, simple=True, separator=".")
      plural = "axis" if len(wanted) == 1 else "axes"
      raise ValueError(
        f"phase {name!r}: {what} {field!r} has shape {np.shape(leaf)}, must"
        f" have a leading {plural} of {said}"
      )


def check_new(name: str, metrics: dict[str, Any], more: dict[str, Any]) -> None:
  """Raises ValueError if `more` would hide a metric."""
  for metric in sorted(metrics.keys() & more.keys()):
    raise ValueError(
      f"phase {name!r}: evaluation gives {metric!r}, which is the name of a"
      " metric of training"
    )


def not_finite(
  name: str, bad_step_S: np.ndarray, where: dict[str, np.ndarray]
) -> str | None:
  """Says where training met a number that is not finite, if it did.

  Args:
    name: of the phase.
    bad_step_S: the first such step of each seed, or -1.
    where: indices of that step by what they count, shape [S], or -1.

  Returns:
    One line about the earliest of these steps, or None.
  """
  bad = [(step, seed) for seed, step in enumerate(bad_step_S) if step >= 0]
  if not bad:
    return None
  step, seed = min(bad)
  place = "".join(
    f", {key.removeprefix('where/')} {int(index_S[seed])}"
    for key, index_S in where.items()
    if index_S[seed] >= 0
  )
  return (
    f"phase {name!r}: the training loss, its gradient or the update is not"
    f" finite for seed {seed} at step {step}{place}"
  )
