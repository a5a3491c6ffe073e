"""The numbers of the report: chains of thought beside MAML and descent."""

from __future__ import annotations

import numpy as np

from raml_jax.config import maml_vs_cot as config_lib
from raml_jax.plotting import style
from raml_jax.plotting import updates
from raml_jax.studies import tables
from raml_jax.studies.maml_vs_cot import cells

Results = updates.Results
# Distances to descent are clipped there (`theory.measure`).
_CLIPPED = 10.0


def outcome(results, config, who, arm) -> list[str]:
  """Errors of answer-trained chains, their bounds, and what cutting costs."""
  rows = []
  optimum = results.get(f"{arm}/optimum", {})
  yardsticks = results.get(f"{arm}/yardsticks", {})
  for k in config.outcome.steps:
    chains = [f"outcome_{kind}_k{k}" for kind in ("restricted", "full")]
    rows += [
      [
        f"k = {k}",
        style.look(name).label,
        tables.cell(who[name]["error_SxK"][:, k], True),
      ]
      for name in chains
      if name in who
    ]
    if not any(name in who for name in chains):
      continue
    cut = results.get(f"{arm}/outcome_full_k{k}_ablations", {})
    for label, meaning in (
      ("clean", "full, token rows other than w and 1 cleaned"),
      ("forget", "full, earlier tokens forgotten"),
      ("both", "full, both cut"),
    ):
      if f"{label}_SxK" in cut:
        rows.append(
          [f"k = {k}", meaning, tables.cell(cut[f"{label}_SxK"][:, k], True)]
        )
    for name, meaning in (
      ("shrunk", "best (α, β), same tasks"),
      ("shared", "best gradient descent, same tasks"),
    ):
      if f"{name}_k{k}/error_S" in optimum:
        rows.append(
          [f"k = {k}", meaning, tables.cell(optimum[f"{name}_k{k}/error_S"])]
        )
    if f"per_step_k{k}" in optimum:
      bound = tables.number(optimum[f"per_step_k{k}"][-1])
      rows.append([f"k = {k}", "bound of all fixed coefficients", bound])
    if "conjugate_SxK" in yardsticks:
      error_S = yardsticks["conjugate_SxK"][:, k]
      rows.append(
        [f"k = {k}", "conjugate gradients (adaptive)", tables.cell(error_S)]
      )
  return tables.table(("", "", "error at k"), rows)


def beyond(who) -> list[str]:
  """Errors at multiples of the trained length."""
  rows = []
  for name, found in who.items():
    if name.startswith("outcome_"):
      k = found["eta_SxK"].shape[1]
      multiples = [cells.error(found["error_SxK"], m * k) for m in range(1, 6)]
      at = cells.diverged(found["diverged_at_S"])
      rows.append([style.label(name), *multiples, at])
  head = ("mean squared error", *(f"{m} k" for m in range(1, 6)), "diverged at")
  return tables.table(head, rows)


def versus(results, arm) -> list[str]:
  """Every pair of a chain of thought and a variant of MAML."""
  rows = []
  for name, found in results.items():
    pair = name.removeprefix(f"{arm}/")
    if name == pair or "_versus_" not in pair:
      continue
    one, two = pair.split("_versus_")
    rows.append(
      [
        f"{style.label(one)} / {style.label(two)}",
        "; ".join(
          tables.cell(distance_S) for distance_S in found["distance_SxK"].T
        ),
        tables.cell(found["interventions_SxT"].max(axis=1)),
        tables.cell(found["prediction_S"]),
        tables.cell(found["sensitivity_S"]),
      ]
    )
  head = (
    "relative squared distance",
    "every iterate",
    "interventions, worst scale",
    "prediction",
    "cosine of sensitivities",
  )
  return tables.table(head, rows)


def shifts(config, who) -> list[str]:
  """Distances to descent out of distribution."""
  names = sorted(config.measure.shifts)
  return tables.table(
    ("distance to descent", *(shift.replace("_", " ") for shift in names)),
    [
      [style.label(name), *map(_distance, found["tracking_SxH"].T)]
      for name, found in who.items()
    ],
  )


def _distance(values_S) -> str:
  far = int((values_S >= 0.999 * _CLIPPED).sum())
  if far:
    return f"{_CLIPPED:g} or more ({far}/{len(values_S)} seeds)"
  return tables.cell(values_S)


def rules(results: Results, config: config_lib.MamlVsCot) -> list[str]:
  """Every rival run as a reasoner, and what it is taken for."""
  rows = []
  for arm in config.arms:
    for name, array in results.get(f"{arm}/rules", {}).items():
      rule, quantity = name.split("/")
      if quantity == "named_S":
        rows.append([style.RULES.get(rule, rule), cells.names(array)])
  if not rows:
    return []
  return [
    "",
    "## Rules run as reasoners",
    *tables.table(("rule", "named"), rows),
  ]


def von_oswald(results: Results) -> list[str]:
  """One layer on the query-token prompt."""
  if "von_oswald" not in results:
    return []
  found = results["von_oswald"]
  path_SxP = found["path_loss_SxP"]
  ends_S = np.maximum(path_SxP[:, 0], path_SxP[:, -1])
  rows = [
    ["loss", tables.cell(found["loss_S"], worst=True)],
    ["loss of the construction", tables.cell(found["construction_loss_S"])],
    ["loss of the zero predictor", tables.cell(found["zero_loss_S"])],
    [
      "rise along the interpolation",
      tables.cell(path_SxP.max(axis=1) / ends_S - 1.0),
    ],
    ["cosine of sensitivities", tables.cell(found["cosine_S"])],
  ]
  return [
    "",
    "## One layer on the query-token prompt",
    *tables.table(("", ""), rows),
  ]
