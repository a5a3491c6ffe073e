"""MAML on trajectories: numbers per seed, read out of what was measured.

Of every arm two modes: lines in "context", or "inner" steps on them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from raml_jax.config import maml_vs_cot_arithmetic as config_lib

Results = Mapping[str, Mapping[str, np.ndarray]]


def trained(config: config_lib.Arithmetic) -> list[str]:
  """The arms of the run that are MAML."""
  return [name for name in config_lib.MAML if name in config.arms]


def some(count: int, most: int) -> list[int]:
  """At most so many of 0..count-1, evenly, the first and the last included."""
  return sorted(
    set(np.linspace(0, count - 1, min(count, most)).round().astype(int))
  )


def _curve(results, name, field, mode, kind):
  values = results[f"numbers/{name}"][f"{kind}/{field}_SxMxPxB"]
  at = config_lib.MODES.index(mode)
  return values[:, at].mean(axis=-1, dtype=np.float64)


def loss(
  results: Results, name: str, mode: str, kind: str = "own"
) -> np.ndarray:
  """The answer's mean loss after 0, 1, .. lines: loss_SxP."""
  return _curve(results, name, "loss", mode, kind)


def right(
  results: Results, name: str, mode: str, kind: str = "own"
) -> np.ndarray:
  """The share of exactly right answers after 0, 1, .. lines: right_SxP."""
  return _curve(results, name, "right", mode, kind)


def similarity(
  results: Results, name: str, what: str, kind="own", form="both"
) -> np.ndarray:
  """Raw cosines of changes of states, after 1, 2, .. lines: cosine_SxLxK.

  Args:
    results: of the run.
    name: of an arm.
    what: "stream", "attention" or "scores".
    kind: of the trajectory that is descended.
    form: "both" for the same one in context, "apart" for the question's own.
  """
  return results[f"numbers/{name}"][f"{kind}/{form}/{what}_SxLxK"]


def published(
  results: Results, name: str, what: str, kind="own", form="both"
) -> np.ndarray:
  """SimAOU ("attention") or SimAM_D ("scores") after all lines: [S].

  The mean over the blocks where it is defined; NaN where it is in none.
  """
  last_SxK = similarity(results, name, what, kind, form)[:, -1]
  fine = np.isfinite(last_SxK)
  total_S = np.where(fine, last_SxK, 0.0).sum(1)
  with np.errstate(invalid="ignore"):
    return total_S / fine.sum(1)


def cka(results: Results, one: str, two: str, what: str = "cka") -> np.ndarray:
  """CKA of the changes in two modes, "arm/mode", after all lines: cka_SxK.

  0 where one of them changes nothing: it has nothing in common with the other.

  Args:
    results: of the run.
    one: one mode.
    two: the other.
    what: "cka"; "floor" for questions paired at random; "across" for the same
      mode in two seeds.
  """
  found = results["cka"]
  names = list(found["names_N"])
  i, j = names.index(one), names.index(two)
  values = found[f"{what}_SxLxKxNxN"][:, -1, :, i, j]
  return np.nan_to_num(values, nan=0.0)
