"""Cells of the main job's tables: errors, divergence, names."""

from __future__ import annotations

import numpy as np

from raml_jax.plotting import curves
from raml_jax.studies import tables


def error(error_SxK, k: int) -> str:
  """Error at step k, if the path is that long and no seed has diverged."""
  if k >= error_SxK.shape[1]:
    return ""
  if curves.diverged(error_SxK)[k]:
    return "diverged"
  return tables.cell(error_SxK[:, k], worst=True)


def diverged(at_S) -> str:
  """The step at which each seed diverges."""
  if at_S is None or (at_S < 0).all():
    return "never"
  shown = sorted(int(k) if k >= 0 else 10**9 for k in at_S)
  return ", ".join("never" if k == 10**9 else f"{k}" for k in shown)


def names(named_S) -> str:
  """Names given, most frequent first, with how many seeds got each."""
  given, counts = np.unique(named_S, return_counts=True)
  order = np.argsort(-counts, kind="stable")
  return ", ".join(f"{given[i]} ({counts[i]}/{len(named_S)})" for i in order)
