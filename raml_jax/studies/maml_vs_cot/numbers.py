"""The numbers of the report: what was measured, arm by arm."""

from __future__ import annotations

import numpy as np

from raml_jax.config import maml_vs_cot as config_lib
from raml_jax.plotting import curves
from raml_jax.plotting import style
from raml_jax.plotting import updates
from raml_jax.studies import tables
from raml_jax.studies.maml_vs_cot import cells
from raml_jax.studies.maml_vs_cot import comparisons

Results = updates.Results
_STEPS = (1, 2, 3, 5, 10, 20, 50, 100)


def of_arm(
  results: Results, config: config_lib.MamlVsCot, arm: str
) -> list[str]:
  """All tables of one arm."""
  who = updates.contestants(results, arm)
  sections = (
    ("Error against step", _errors(results, who, arm)),
    ("Imitation beside descent", _imitation(results, config, who, arm)),
    ("Direct answers", _direct(results, config, who, arm)),
    ("Interventions, and the rule that is named", _interventions(who)),
    ("MAML beside its optimum", _maml(results, arm)),
    (
      "Trained on the answer alone",
      comparisons.outcome(results, config, who, arm),
    ),
    ("The same, past the trained length", comparisons.beyond(who)),
    ("Chains of thought beside MAML", comparisons.versus(results, arm)),
    ("Out of distribution", comparisons.shifts(config, who)),
  )
  lines = []
  for title, rows in sections:
    if rows:
      lines += ["", f"### {title}", *rows]
  return lines


def _errors(results, who, arm) -> list[str]:
  found = results.get(f"{arm}/yardsticks", {})
  rows = {
    "gradient descent": (found.get("gradient_SxK"), None),
    "conjugate gradients": (found.get("conjugate_SxK"), None),
    **{
      style.label(name): (f["error_SxK"], f["diverged_at_S"])
      for name, f in who.items()
      if name != "gradient_descent"
    },
  }
  return tables.table(
    ("mean squared error", *(f"k = {k}" for k in _STEPS), "diverged at"),
    [
      [label, *(cells.error(e_SxK, k) for k in _STEPS), cells.diverged(at_S)]
      for label, (e_SxK, at_S) in rows.items()
      if e_SxK is not None
    ],
  )


def _imitation(results, config, who, arm) -> list[str]:
  gd_SxK = results.get(f"{arm}/yardsticks", {}).get("gradient_SxK")
  if "imitation" not in who or gd_SxK is None:
    return []
  error_SxK = who["imitation"]["error_SxK"]
  rows = [
    [f"error at k = {k} over descent's", _ratio(error_SxK, gd_SxK, k)]
    for k in _STEPS
    if k < error_SxK.shape[1]
  ]
  weights = results.get(f"{arm}/weights", {})
  if "imitation/V" in weights and config.model.layers == 1:
    d, eta = config.task.d, config.imitation.eta
    w_rows = slice(d + 1, 2 * d + 1)
    v31_SxDxD = weights["imitation/V"][:, w_rows, :d]
    w13_SxDxD = weights["imitation/W"][:, :d, w_rows]
    gap_SxDxD = v31_SxDxD @ w13_SxDxD + eta * np.eye(d)
    gap_S = np.linalg.norm(gap_SxDxD, axis=(1, 2)) / (eta * np.sqrt(d))
    rows.append(
      [
        "relative distance of V_31 W_13 from -ηI",
        tables.cell(gap_S, worst=True),
      ]
    )
  return tables.table(("imitation", "measured"), rows)


def _ratio(error_SxK, gd_SxK, k: int) -> str:
  """Median, interval, and the seed furthest from 1."""
  for who, values_SxK in (("descent", gd_SxK), ("imitation", error_SxK)):
    if curves.diverged(values_SxK)[k]:
      return f"{who} has diverged"
  ratio_S = error_SxK[:, k] / gd_SxK[:, k]
  worst = ratio_S[np.argmax(np.abs(ratio_S - 1.0))]
  return f"{tables.cell(ratio_S)}, worst {tables.number(worst)}"


def _direct(results, config, who, arm) -> list[str]:
  if "direct" not in who:
    return []
  direct = who["direct"]
  error_S = direct["error_SxK"][:, 1]
  rows = [["error at k = 1", tables.cell(error_S, worst=True), ""]]
  d, n = config.task.d, config.task.n
  if config.arms[arm].kind == "isotropic":
    floor_S = results[f"{arm}/yardsticks"]["floor_SxK"][:, 1]
    step = n / (n + d + 1)
    rows += [
      [
        "ratio to the floor on the same tasks",
        tables.cell(error_S / floor_S, worst=True),
        f"d(d+1)/(n+d+1) = {d * (d + 1) / (n + d + 1):.4g} in expectation",
      ],
      [
        "step size",
        tables.cell(direct["eta_SxK"][:, 0]),
        f"n/(n+d+1) = {step:.4g}",
      ],
    ]
  target_DxD = results.get(f"{arm}/optimum", {}).get("preconditioner_DxD")
  if target_DxD is not None:
    gap_S = np.linalg.norm(
      direct["P_SxKxDxD"][:, 0] - target_DxD, axis=(1, 2)
    ) / np.linalg.norm(target_DxD)
    rows.append(
      ["relative distance of P from Γ⁻¹", tables.cell(gap_S, worst=True), ""]
    )
  return tables.table(("direct", "measured", "theory"), rows)


def _interventions(who) -> list[str]:
  return tables.table(
    ("", "η", "a/b - 1", "unexplained", "history", "swapped labels", "named"),
    [
      [
        style.label(name),
        tables.cell(found["eta_S"]),
        tables.cell(found["ratio_S"]),
        tables.cell(found["unexplained_S"], worst=True),
        tables.cell(found["history_S"], worst=True),
        tables.cell(found["swapped_S"], worst=True),
        cells.names(found["named_S"]),
      ]
      for name, found in who.items()
    ],
  )


def _maml(results, arm) -> list[str]:
  found = results.get(f"{arm}/optimum", {})
  rows = []
  for name, learned_SxK in found.items():
    run, _, quantity = name.partition("/")
    if quantity != "alpha_SxK":
      continue
    best = found[run.removeprefix("maml_")]
    error_S = found[f"{run}/error_S"]
    rows.append(
      [
        style.label(run),
        "; ".join(tables.cell(alpha_S) for alpha_S in learned_SxK.T),
        ", ".join(map(tables.number, best[:-1])),
        tables.cell(error_S, worst=True),
        tables.number(best[-1]),
        tables.cell(error_S / best[-1], worst=True),
      ]
    )
  head = (
    "",
    "learned steps, by size",
    "best steps",
    "error",
    "least error",
    "ratio",
  )
  return tables.table(head, rows)
