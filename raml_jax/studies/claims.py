"""From measurements to verdicts.

Statements, criteria and margins come from a config, fixed before the run. A
claim whose parts, or whose controls, were not asked for is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from raml_jax import statistics
from raml_jax.config import common

# The parts of a claim, and its controls by name, one value per seed.
Found = tuple[list[statistics.Part], dict[str, np.ndarray]]
# From what was measured to (suffix of the claim's id, what was found).
Finder = Callable[..., Iterator[tuple[str, Found]]]


def decide(
  specs: Mapping[str, common.ClaimSpec],
  finders: Mapping[str, Finder],
  tasks: int,
  *args: Any,
) -> list[dict]:
  """Every claim that the measurements can decide.

  Args:
    specs: words and margins by id.
    finders: by id, for every id of `specs`; each is called with `args`.
    tasks: per seed, that the measurements stand on.
    *args: what was measured.

  Returns:
    The claims as `statistics.judge` gives them, in the order of `specs`.
  """
  rows = []
  for id_, spec in specs.items():
    for suffix, (parts, controls) in finders[id_](*args):
      if not parts:
        continue
      missing = sorted(set(spec.controls) - set(controls))
      if missing:
        names = ", ".join(missing)
        print(f"claim {id_} stays open: its controls were not run: {names}")
        continue
      claim = statistics.Claim(
        id_ + suffix,
        spec.statement,
        spec.criterion,
        spec.margins,
        spec.unit,
        spec.controls,
        spec.by_construction,
      )
      rows.append(statistics.judge(claim, parts, controls, tasks))
  return rows


def table(rows: list[dict]) -> str:
  """The claims as lines of text."""
  lines = []
  for row in rows:
    note = " (by construction)" if row["by_construction"] else ""
    lines.append(
      f"{row['verdict'].upper():>12}  {row['id']}{note}: "
      f"{row['deciding_part']} {row['estimate']:.4g} "
      f"[{row['low']:.4g}, {row['high']:.4g}] {row['unit']}"
    )
  return "\n".join(lines)
