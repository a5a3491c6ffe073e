"""The report of the learned-optimizer study: claims, numbers and figures."""

from __future__ import annotations

import numpy as np

from raml_jax import statistics
from raml_jax.config import learned_optimizer as config_lib
from raml_jax.plotting import learning
from raml_jax.plotting import style
from raml_jax.studies import report
from raml_jax.studies import tables
from raml_jax.studies.learned_optimizer import finders
from raml_jax.studies.learned_optimizer import summaries
from raml_jax.training import workdir as workdir_lib

EXPERIMENT = "learned_optimizer"
_PROBLEMS = {
  "quadratics": "Random quadratics",
  "regression": "Linear regression",
}
_OWN = {
  "learned": "learned",
  "other_problem": "learned on the other problem",
  "untrained": "learned rule, untrained",
}


def write(workdir: workdir_lib.Workdir) -> None:
  """Draws every figure and writes report.md; nothing is trained.

  Raises:
    WorkdirError: the run is another experiment's, or has not come to its end.
  """
  config, claims, results = report.load(workdir, EXPERIMENT, config_lib.parse)
  lines = [
    "# Learned optimizers, tuned ones, and chains of thought",
    "",
    *_setting(config),
    "",
    *tables.claims(claims),
  ]
  for problem, title in _PROBLEMS.items():
    curves = results[f"{problem}/curves"]
    lines += ["", f"## {title}", *_losses(config, curves)]
    lines += _chosen(results[f"{problem}/tuning"])
  lines += [
    "",
    "## Chains of thought beside rules",
    *_errors(config, results),
    *_distances(config, results),
    *_ratios(config, results),
    *_fitted(config, results),
    "",
    "## Figures",
    "",
    *report.figures(workdir, learning.TABLE, results, config),
    "",
    "## All parts of the claims",
    "",
    *tables.parts(claims),
    "",
  ]
  workdir.write("report.md", "\n".join(lines).encode())


def _setting(config: config_lib.LearnedOptimizer) -> list[str]:
  """What was run, in a few lines."""
  r, job, m = config.rule, config.chains.job, config.measure
  features = f"p = {r.preprocess:g}" if r.preprocess else "no preprocessing"
  second = "kept" if r.second_derivatives else "dropped"
  return [
    f"Learned rule: coordinatewise LSTM, {r.layers} layers of {r.width},"
    f" {features}, update times {r.scale:g}. Trained for {config.train.steps}"
    f" steps of {config.train.batch} tasks on the mean loss of windows of"
    f" {config.unroll} steps in problems of {config.length}, second derivatives"
    f" {second}. Quadratics: d = {config.quadratics.d}. Linear regression: d ="
    f" {job.task.d}, n = {job.task.n}, from w = 0. Rivals: every number on a"
    f" grid, on {config.tune.tasks} tasks of their own, anew for every"
    f" criterion. {config.seeds} training seeds; per seed {m.tasks} evaluation"
    f" tasks for curves and {m.chain_tasks} for chains of thought. A task whose"
    " loss exceeds 10 times its first counts as 10 times, for every rule.",
    "",
    "Chains of thought are those of the main job. Beside each stand the same"
    " LSTM, trained through all K steps on the chain's own criterion, the error"
    " of the last iterate, second derivatives kept, and rules tuned"
    " for that criterion. The imitating chain, taught on gradient descent, is"
    " the control that must come out as gradient descent.",
    "",
    tables.READING,
  ]


def _losses(config, curves) -> list[str]:
  length = config.length
  steps = sorted({length, 2 * length, config.measure.beyond * length})
  rows = []
  for name, label in _OWN.items():
    rows.append([label, *_row(curves, name, length, steps)])
  for name in config_lib.RIVALS:
    for criterion, words in (("area", "mean"), ("final", "final")):
      cells = _row(curves, f"{name}/{criterion}", length, steps)
      rows.append([f"{learning.candidate(name)} for {words} loss", *cells])
  head = (
    "loss, mean over tasks",
    f"mean of steps 1 to {length}",
    *(f"step {t}" for t in steps),
    f"median over tasks, step {length}",
    f"tasks diverged, step {length}",
  )
  note = ["", "Losses: geometric means over seeds, with 95 % t-intervals."]
  return note + tables.table(head, rows)


def _row(curves, name, length, steps):
  loss_SxT = summaries.loss(curves, name)
  return [
    _geometric(summaries.area(loss_SxT, length)),
    *(_geometric(loss_SxT[:, t]) for t in steps),
    _geometric(curves[f"{name}/median_SxT"][:, length]),
    f"{100 * curves[f'{name}/gone_SxT'][:, length].mean():.2g} %",
  ]


def _chosen(tuning) -> list[str]:
  """The numbers that tuning chose."""
  settings = {}
  for key, value in tuning.items():
    if np.ndim(value) == 0:
      name, criterion, number = key.split("/")
      settings.setdefault((name, criterion), []).append(
        f"{number} = {tables.number(float(value))}"
      )
  rows = [
    [learning.candidate(name), criterion.replace("_k", ", k = "), ", ".join(x)]
    for (name, criterion), x in settings.items()
  ]
  return tables.table(("rule", "tuned for", "numbers chosen"), rows)


def _errors(config, results) -> list[str]:
  rows = []
  for name, found in learning.chains(results).items():
    labels = [learning.candidate(str(label)) for label in found["names_R"]]
    rows.append(
      [
        f"**{learning.chain(name, config)}**",
        tables.cell(found["error_S"]),
        "; ".join(
          f"{label} {tables.number(np.median(values_S))}"
          for label, values_S in zip(labels, found["own_error_SxR"].T)
        ),
      ]
    )
  head = ("squared error of w_K", "the chain", "the rules (medians over seeds)")
  return tables.table(head, rows)


def _distances(config, results) -> list[str]:
  rows = []
  for name, found in learning.chains(results).items():
    nearest = {
      quantity: int(np.argmin(np.median(found[f"{quantity}_SxR"], axis=0)))
      for quantity in ("path", "interventions", "free")
    }
    for r, label in enumerate(found["names_R"]):
      cells = []
      for quantity, best in nearest.items():
        text = tables.cell(found[f"{quantity}_SxR"][:, r])
        cells.append(f"**{text}**" if r == best else text)
      scale = tables.cell(found["scale_SxR"][:, r])
      rows.append(
        [
          learning.chain(name, config),
          learning.candidate(str(label)),
          *cells,
          scale,
        ]
      )
  head = (
    "chain",
    "rule",
    "updates, own path",
    "updates, interventions",
    "free-running iterates",
    "best scale on the path",
  )
  note = [
    "",
    "Share of the chain's updates that the rule's, at the same places and times"
    " one best scale, leave unexplained; and relative squared distance of the"
    " iterates. Bold: the nearest rule. Near is not equal: by the main job's"
    " measure a rule explains a chain if it leaves less than 5 %.",
  ]
  return note + tables.table(head, rows)


def _ratios(config, results) -> list[str]:
  rows = []
  for name, found in learning.chains(results).items():
    cells = [
      _power(finders.nearer(found, quantity))
      for quantity in ("path", "interventions", "free", "other", "shuffled")
    ]
    rows.append([learning.chain(name, config), *cells])
  head = (
    "distance from the learned rule / from gradient descent",
    "own path",
    "interventions",
    "free-running",
    "control: another question's data",
    "control: shuffled steps",
  )
  note = ["", "Below 1 the learned rule is nearer. Geometric means over seeds."]
  return note + tables.table(head, rows)


def _geometric(values_S) -> str:
  """Geometric mean over seeds of numbers that may be 0, and its interval."""
  return _power(np.log10(np.maximum(values_S, 1e-30)))


def _power(log_S) -> str:
  estimate, low, high = (10.0**x for x in statistics.t_interval(log_S))
  ends = f"[{tables.number(low)}, {tables.number(high)}]"
  return f"{tables.number(estimate)} {ends}"


def _fitted(config, results) -> list[str]:
  """Rules with their own numbers fitted to each chain."""
  found = learning.chains(results)
  names = list(style.RULES)
  rows = [
    [
      learning.chain(name, config),
      *(
        tables.number(np.median(values_S))
        for values_S in arrays["rivals_SxR"].T
      ),
      ", ".join(sorted(set(map(str, arrays["named_S"])))),
    ]
    for name, arrays in found.items()
  ]
  note = [
    "",
    "Rules whose own numbers are fitted to the chain's updates, all places"
    " together: share left unexplained on other tasks, and the simplest rule"
    " within 1 % of the best.",
  ]
  head = ("chain", *(style.RULES[name] for name in names), "named")
  return note + tables.table(head, rows)
