"""Which numbers each claim of the main job stands on."""

from __future__ import annotations

import dataclasses

import numpy as np

from raml_jax.config import maml_vs_cot as config_lib
from raml_jax.studies import claims
from raml_jax.studies.maml_vs_cot import evidence
from raml_jax.studies.maml_vs_cot import evidence_maml

Results = dict[str, dict[str, np.ndarray]]


def decide(config: config_lib.MamlVsCot, results: Results) -> list[dict]:
  """Every claim of the config that the results can decide."""
  specs = dict(config.claims)
  # A model that is told positions may depend on the order of examples.
  if config.model.positions and "order-invariant" in specs:
    specs["order-invariant"] = dataclasses.replace(
      specs["order-invariant"], by_construction=False
    )
  return claims.decide(specs, _FINDERS, config.measure.tasks, config, results)


_FINDERS: dict[str, claims.Finder] = {
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
