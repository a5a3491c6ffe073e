"""What the claims about optima and MAML stand on.

Each function is `(config, results) -> iterator of (suffix of the id, (parts,
controls))`; no parts where its regimes were not asked for.
"""

from __future__ import annotations

import numpy as np

from raml_jax.studies.maml_vs_cot import evidence
from raml_jax.studies.maml_vs_cot import regimes


def outcome_restricted_optimum(config, results):
  """V_31 and W_13 alone, beside the best shrunk form."""
  parts, controls = [], {}
  for arm in evidence.isotropic_arms(config):
    for k in config.outcome.steps:
      name = f"{arm}/outcome_restricted_k{k}"
      if name not in results:
        continue
      found, best = results[name], results[f"{arm}/optimum"]
      where = f"{arm}, k = {k}"
      bound_S = best[f"shrunk_k{k}/error_S"]
      parts.append(
        evidence.Part("error", where, found["error_SxK"][:, k] / bound_S)
      )
      if k == 2:
        alpha, beta, _ = best["shrunk_k2"]
        beta_S = found["ratio_S"] + 1.0
        parts.append(evidence.Part("alpha", where, found["b_S"] / alpha))
        parts.append(evidence.Part("beta", where, beta_S / beta))
        gd_S = best["shared_k2/error_S"]
        controls["best gradient descent"] = gd_S / bound_S
        untrained_S = results[f"{arm}/untrained"]["error_SxK"][:, k]
        controls["untrained"] = untrained_S / bound_S
  yield "", (parts, controls)


def maml_reaches_optimum(config, results):
  """Step sizes and errors beside recomputed optima."""
  parts, controls = [], {}
  for arm, found in evidence.arms_with(config, results, "optimum"):
    for name in found:
      if not name.startswith("maml_") or not name.endswith("/error_S"):
        continue
      variant, _, k = name.removesuffix("/error_S")[5:].rpartition("_k")
      best = found[f"{variant}_k{k}"]
      where = f"{arm}, k = {k}"
      ratio_S = found[name] / best[-1]
      parts.append(evidence.Part(f"{variant}_error", where, ratio_S))
      if variant == "shared":
        alpha_S = found[f"maml_shared_k{k}/alpha_SxK"][:, 0]
        parts.append(evidence.Part("shared_alpha", where, alpha_S / best[0]))
    k = 2
    gd_S = results[f"{arm}/yardsticks"]["gradient_SxK"][:, k]
    controls.setdefault(
      f"gradient descent, eta = {config.imitation.eta}, k = {k}",
      gd_S / found[f"shared_k{k}"][-1],
    )
  if not any(p.quantity == "shared_error" for p in parts):
    parts = []
  yield "", (parts, controls)


def _same_steps(where, found):
  return [
    evidence.Part("iterates", where, found["distance_SxK"].max(axis=1)),
    evidence.Part(
      "interventions", where, found["interventions_SxT"].max(axis=1)
    ),
    evidence.Part("prediction", where, found["prediction_S"]),
    evidence.Part("sensitivity", where, 1.0 - found["sensitivity_S"]),
  ]


def _worst_distance(config, results, label, name):
  for _, found in evidence.arms_with(config, results, name):
    return {label: found["distance_SxK"].max(axis=1)}
  return {}


def maml_equals_imitation_cot(config, results):
  """The imitation teacher has the shared alpha of MAML."""
  parts, controls = [], {}
  shared = f"maml_shared_k{config.decoys.steps}"
  for arm, found in evidence.arms_with(
    config, results, f"imitation_maml_versus_{shared}"
  ):
    parts += _same_steps(arm, found)
  for name in ("rotated", "untrained"):
    controls |= _worst_distance(
      config, results, f"{name} against MAML", f"{name}_versus_{shared}"
    )
  yield "", (parts, controls)


def maml_equals_outcome_cot(config, results):
  """The closest variant of each seed decides; every variant has its own row."""
  k = min(config.outcome.steps)
  controls = {
    **_worst_distance(
      config,
      results,
      "restricted chain against shrunk MAML",
      f"outcome_restricted_k{k}_versus_maml_shrunk_k{k}",
    ),
    **_worst_distance(
      config,
      results,
      "untrained against MAML",
      f"untrained_versus_maml_shared_k{config.decoys.steps}",
    ),
  }
  closest, by_variant = [], {v: [] for v in regimes.VARIANTS}
  for k in config.outcome.steps:
    for arm in config.arms:
      found = {}
      for variant in regimes.VARIANTS:
        name = f"{arm}/outcome_full_k{k}_versus_maml_{variant}_k{k}"
        if name in results:
          found[variant] = results[name]["distance_SxK"].max(axis=1)
          where = f"{arm}, k = {k}"
          by_variant[variant].append(
            evidence.Part("iterates", f"{where}, {variant}", found[variant])
          )
      if found:
        least_S = np.min(list(found.values()), axis=0)
        closest.append(
          evidence.Part("iterates", f"{where}, closest variant", least_S)
        )
  yield "", (closest, controls)
  for variant, parts in by_variant.items():
    yield f"/{variant}", (parts, controls)


def end_points_do_not_decide(config, results):
  """The false-equivalence control."""
  parts, controls = [], {}
  for arm in evidence.isotropic_arms(config):
    name = f"{arm}/outcome_restricted_k2_versus_maml_"
    if f"{name}per_step_k2" in results:
      distance_SxK = results[f"{name}per_step_k2"]["distance_SxK"]
      parts.append(
        evidence.Part("end_point", f"{arm}, w_2", distance_SxK[:, 1])
      )
      parts.append(
        evidence.Part("first_step", f"{arm}, w_1", distance_SxK[:, 0])
      )
      same_SxK = results[f"{name}shrunk_k2"]["distance_SxK"]
      controls["shrunk MAML, w_1"] = same_SxK[:, 0]
  yield "", (parts, controls)
