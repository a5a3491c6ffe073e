"""From measurements to verdicts: which numbers each claim stands on.

Statements, criteria and margins come from the config, fixed before the run. A
claim whose regimes, or whose controls, were not asked for is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from raml_jax import config as config_lib
from raml_jax import statistics
from raml_jax.studies import evidence
from raml_jax.studies import evidence_maml

Results = dict[str, dict[str, np.ndarray]]
Found = tuple[list[statistics.Part], dict[str, np.ndarray]]


def decide(config: config_lib.MamlVsCot, results: Results) -> list[dict]:
  """Every claim of the config that the results can decide."""
  rows = []
  for id_, spec in config.claims.items():
    # A model that is told positions may depend on the order of examples.
    told = id_ == "order-invariant" and config.model.positions
    for suffix, (parts, controls) in _FINDERS[id_](config, results):
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
        spec.by_construction and not told,
      )
      rows.append(
        statistics.judge(claim, parts, controls, config.measure.tasks)
      )
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


_FINDERS: dict[str, Callable[..., Iterator[tuple[str, Found]]]] = {
  "construction-is-gd": evidence.construction_is_gd,
  "direct-floor": evidence.direct_floor,
  "direct-preconditioner": evidence.direct_preconditioner,
  "imitation-is-gd": evidence.imitation_is_gd,
  "straight-path-is-gd": evidence.straight_path_is_gd,
  "decoys-are-named": evidence.decoys_are_named,
  "untrained-is-not-gd": evidence.untrained_is_not_gd,
  "outcome-is-gd": evidence.outcome_is_gd,
  "outcome-restricted-optimum": evidence_maml.outcome_restricted_optimum,
  "maml-reaches-optimum": evidence_maml.maml_reaches_optimum,
  "maml-equals-imitation-cot": evidence_maml.maml_equals_imitation_cot,
  "maml-equals-outcome-cot": evidence_maml.maml_equals_outcome_cot,
  "end-points-do-not-decide": evidence_maml.end_points_do_not_decide,
  "order-invariant": evidence.order_invariant,
  "tracks-gd-out-of-distribution": evidence.tracks_gd_out_of_distribution,
  "longer-than-trained": evidence.longer_than_trained,
  "von-oswald-one-layer": evidence.von_oswald_one_layer,
}
IDS = tuple(_FINDERS)
