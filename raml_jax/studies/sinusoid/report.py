"""The report of the sinusoid study: claims, numbers, settings and figures."""

from __future__ import annotations

import numpy as np

from raml_jax import statistics
from raml_jax.config import sinusoid as config_lib
from raml_jax.plotting import adaptation
from raml_jax.studies import report
from raml_jax.studies import tables
from raml_jax.studies.sinusoid import settings
from raml_jax.training import workdir as workdir_lib

EXPERIMENT = "sinusoid"


def write(workdir: workdir_lib.Workdir) -> None:
  """Draws every figure and writes report.md; nothing is trained.

  Raises:
    WorkdirError: the run is another experiment's, or has not come to its end.
  """
  config, claims, results = report.load(workdir, EXPERIMENT, config_lib.parse)
  lines = [
    "# Meta-learning on sinusoids",
    "",
    *_setting(config, results),
    "",
    *tables.claims(claims),
  ]
  for shots in config.shots:
    lines += [
      "",
      f"## Numbers: K = {shots}",
      *_errors(config, results, shots),
      *_within(config, results, shots),
      *_ways(results, shots, "paths_strong", "strongly held"),
      *_ways(results, shots, "paths_as_trained", "lambda as in training"),
    ]
  lines += [
    *settings.section(config),
    *_solver(workdir),
    "",
    "## Figures",
    "",
    *report.figures(workdir, adaptation.TABLE, results, config),
    "## All parts of the claims",
    "",
    *tables.parts(claims),
    "",
  ]
  workdir.write("report.md", "\n".join(lines).encode())


def _setting(config, results) -> list[str]:
  m = config.measure
  floors = results[f"k{config.shots[0]}/floors"]
  zero, agnostic = (tables.number(float(floors[n])) for n in _FLOORS)
  return [
    "y = A sin(x - phase), A ~ U[0.1, 5], phase ~ U[0, π], x ~ U[-5, 5]; K"
    f" support points. {config.iterations} updates of {config.batch} tasks"
    f" for every method, {config.seeds} training seeds; per seed"
    f" {m.tasks} evaluation tasks, errors on {m.queries} further points of"
    f" each. Answering 0 costs {zero}; the best that does not see the support"
    f" set costs {agnostic}.",
    "",
    tables.READING,
  ]


_FLOORS = ("zero", "agnostic")


def _errors(config, results, shots) -> list[str]:
  """Mean squared errors, floors included."""
  last = config.measure.steps
  steps = sorted({0, 1, 2, 5, last - 1, last} & set(range(last + 1)))
  rows = []
  for name, look in adaptation.LOOKS.items():
    found = results.get(f"k{shots}/{name}")
    if found is None:
      continue
    error_SxT, gone_SxT = found["error_SxT"], found["diverged_SxT"]
    rows.append(
      [
        look.label,
        *(tables.cell(error_SxT[:, t]) for t in steps),
        f"{100 * gone_SxT[:, last].mean():.2g} %",
        _alphas(found, (1, last)),
      ]
    )
  floors = results[f"k{shots}/floors"]
  for name, label in zip(_FLOORS, ("answering 0", "best without support")):
    text = tables.cell(floors[f"{name}_SxB"].mean(axis=1))
    rows.append([label, text, *[""] * (len(steps) + 1)])
  head = (
    "mean squared error",
    *(f"step {t}" for t in steps),
    f"tasks diverged by step {last}",
    f"tuned step size for 1, {last} steps",
  )
  return tables.table(head, rows)


def _alphas(found, steps) -> str:
  if "alpha_T" not in found:
    return ""
  return ", ".join(tables.number(float(found["alpha_T"][t])) for t in steps)


def _within(config, results, shots) -> list[str]:
  """How far one seed's mean is certain, given its tasks."""
  last = config.measure.steps
  rows = []
  for name, look in adaptation.LOOKS.items():
    found = results.get(f"k{shots}/{name}")
    if found is None:
      continue
    rows.append([look.label, *(_bootstrap(found, t) for t in (1, last))])
  head = (
    "first seed, 95 % bootstrap over tasks",
    "step 1",
    f"step {last}",
  )
  return tables.table(head, rows)


def _bootstrap(found, t: int) -> str:
  held_B = np.nan_to_num(found["query_SxBxT"][0, :, t], nan=np.inf)
  held_B = held_B.clip(max=float(found["held"]))
  estimate, low, high = statistics.bootstrap_interval(held_B)
  return (
    f"{tables.number(estimate)} [{tables.number(low)}, {tables.number(high)}]"
  )


def _solver(workdir: workdir_lib.Workdir) -> list[str]:
  """How far the linear solver of iMAML came in training, at its end."""
  last = {
    line["phase"]: line["metrics"]
    for line in workdir.read_metrics()
    if line["phase"].endswith("/imaml")
  }
  rows = [
    [
      phase,
      *(
        tables.cell(metrics[name]["per_seed"])
        for name in ("cg_iterations", "cg_residual")
      ),
    ]
    for phase, metrics in last.items()
  ]
  head = ("last fifth of training", "CG iterations", "relative CG residual")
  return tables.table(head, rows)


def _ways(results, shots, field, title) -> list[str]:
  """Meta-gradients of iMAML along several ways down one problem."""
  found = results.get(f"k{shots}/{field}")
  if found is None:
    return []
  kinds = {
    label: f"{kind}_WxS"
    for kind, label in (
      ("implicit", "implicit, settled tasks"),
      ("implicit_every", "implicit, every task"),
      ("proximal_every", "unrolled, same problem"),
      ("unrolled_every", "unrolled, support loss"),
    )
    if f"{kind}_WxS" in found
  }
  medians = {
    "end point, median": "end_WxSxB",
    "inner gradient left, median": "slope_WxSxB",
    "CG iterations, median": "cg_iterations_WxSxB",
    "CG residual, median": "cg_residual_WxSxB",
  }
  share = 100 * found["settled_SxB"].mean()
  rows = [
    [
      str(name),
      *(tables.cell(found[key][w]) for key in kinds.values()),
      *(tables.number(np.median(found[key][w])) for key in medians.values()),
    ]
    for w, name in enumerate(found["names_W"])
  ]
  return [
    "",
    f"Ways down the inner problem of iMAML, {title}, beside the first of them;"
    f" {share:.0f} % of the tasks settle.",
    *tables.table(("way", *kinds, *medians), rows),
  ]
