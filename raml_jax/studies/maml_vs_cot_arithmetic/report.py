"""The report: claims, numbers, settings and figures."""

from __future__ import annotations

import numpy as np

from raml_jax.config import maml_vs_cot_arithmetic as config_lib
from raml_jax.plotting import crossings
from raml_jax.plotting import likeness
from raml_jax.plotting import modes
from raml_jax.studies import report
from raml_jax.studies import tables
from raml_jax.training import workdir as workdir_lib

EXPERIMENT = "maml_vs_cot_arithmetic"
_COLUMNS = 6  # of either number
_MODES = {"context": "in context", "inner": "by inner steps"}


def write(workdir: workdir_lib.Workdir) -> None:
  """Draws every figure and writes report.md; nothing is trained.

  Raises:
    WorkdirError: the run is another experiment's, or has not come to its end.
  """
  config, claims, results = report.load(workdir, EXPERIMENT, config_lib.parse)
  lines = [
    "# MAML on trajectories beside the chain of thought",
    "",
    *_setting(config),
    "",
    *tables.claims(claims),
    "",
    "## Numbers",
    *_curves(config, results),
    *_written(results),
    *_trajectories(config, results),
    *_probes(config, results),
    *_changes(results),
    "",
    "## Settings",
    *_costs(config, results),
    *_tuned(config, results),
    "",
    "## Figures",
    "",
    *report.figures(
      workdir, (*crossings.TABLE, *likeness.TABLE), results, config
    ),
    "## All parts of the claims",
    "",
    *tables.parts(claims),
    "",
  ]
  workdir.write("report.md", "\n".join(lines).encode())


def _setting(config: config_lib.Arithmetic) -> list[str]:
  m, fit, unit = config.measure, config.fit, config.inner.unit
  return [
    f"Task: {config.task.family} {dict(config.task.options)}, format"
    f" {config.task.format}. Every arm makes {fit.steps} updates on"
    f" {fit.batch} fresh questions each, {config.seeds} training seeds."
    " The chain of thought learns to write its lines and its answer. MAML's"
    f" inner loop descends the teacher-forced loss of each {unit}, given the"
    f" question and the {unit}s before; its outer loss is that of the answer to"
    " the question alone, the trajectory hidden and positions kept. `direct`"
    " is MAML without inner steps.",
    "",
    f"Measured on {m.questions} held-out questions ({dict(m.options)}), the"
    f" first {m.control_questions} of them for trajectories that are not their"
    f" own, the first {m.update_questions} for changes of parameters. An answer"
    " is right if greedy decoding writes it and then ends. Losses are nats per"
    " token of the answer, the sign that ends it included. States are those of"
    f" the first {m.reads} places where the answer is read out.",
    "",
    "Raw cosines compare two modes of one model in its own basis; two models"
    " share none, so between them CKA alone is given.",
    "",
    tables.READING,
  ]


def _curves(config, results) -> list[str]:
  """Loss and accuracy of every arm and mode after each line."""
  rows = []
  lines = modes.some(modes.loss(results, "cot", "context").shape[1], _COLUMNS)
  for name in crossings.ARMS:
    if f"numbers/{name}" not in results:
      continue
    for mode in config_lib.MODES:
      loss_SxP = modes.loss(results, name, mode)
      right_SxP = 100 * modes.right(results, name, mode)
      rows.append(
        [
          f"{crossings.ARMS[name]}, {_MODES[mode]}",
          *map(tables.cell, loss_SxP.T[lines]),
          *map(tables.cell, right_SxP.T[lines]),
        ]
      )
  words = [f"{k} {config.inner.unit}s" for k in lines]
  head = ("arm and mode", *(f"loss, {after}" for after in words))
  return tables.table((*head, *(f"right %, {after}" for after in words)), rows)


def _written(results) -> list[str]:
  """The chain of thought left to itself."""
  found = results["written"]
  right, sound = (
    tables.cell(100 * found[f"{name}_SxB"].mean(1))
    for name in ("right", "sound")
  )
  return [
    "",
    "Given the question alone, and left to write its own lines, the chain of"
    f" thought answers {right} % of the same questions right, with every line"
    f" true in {sound} %.",
  ]


def _trajectories(config, results) -> list[str]:
  """After all lines of every kind of trajectory."""
  rows = []
  for name in ("cot", *modes.trained(config), "untrained"):
    for mode in config_lib.MODES:
      found = [
        modes.loss(results, name, mode, kind)[:, -1]
        for kind in config_lib.KINDS
      ]
      label = f"{crossings.ARMS[name]}, {_MODES[mode]}"
      rows.append([label, *map(tables.cell, found)])
  labels = [look.label for look in crossings.KINDS.values()]
  return tables.table(("loss of the answer after all lines", *labels), rows)


def _probes(config, results) -> list[str]:
  """Accuracy of probes of the last block, in percent."""
  found = results["probes"]
  places = ("no trajectory", "in context", "by inner steps")
  pairs = [(i, j) for i in range(3) for j in range(3)]
  rows = [
    [
      crossings.ARMS[name],
      *(
        tables.cell(100 * found[f"{name}/right_SxKx3x3"][:, -1, i, j])
        for i, j in pairs
      ),
    ]
    for name in crossings.ARMS
    if f"{name}/right_SxKx3x3" in found
  ]
  chance = 100 * found["chance_R"].mean()
  return [
    "",
    "Linear probes for the answer's tokens in the last block, percent right on"
    f" other questions; naming the commonest token gives {chance:.3g}. Fitted"
    " in one mode, tried in another: what a read-out learned there finds here.",
    *tables.table(
      ("fitted → tried", *(f"{places[i]} → {places[j]}" for i, j in pairs)),
      rows,
    ),
  ]


def _changes(results) -> list[str]:
  """How well the implied changes serve, and how large the others are."""
  rows = []
  for name in crossings.ARMS:
    found = results.get(f"changes/{name}")
    if found is None:
      continue
    cosine, size = found["cosine_SxJxKxN"], found["size_SxJxKxN"]
    rows.append(
      [
        crossings.ARMS[name],
        f"{found['off_SxB'].max():.1e}",
        *(tables.cell(cosine[:, 0, -1, n]) for n in range(cosine.shape[-1])),
        *(tables.cell(size[:, 0, -1, n]) for n in range(cosine.shape[-1])),
      ]
    )
  if not rows:
    return []
  blocks = range(1, 1 + (len(rows[0]) - 2) // 2)
  return tables.table(
    (
      "changes of parameters, own trajectory, all lines",
      "implied change: worst relative error of the logits",
      *(f"cosine with inner steps, block {n}" for n in blocks),
      *(f"size of inner steps over implied, block {n}" for n in blocks),
    ),
    rows,
  )


def _costs(config, results) -> list[str]:
  """Equal updates are not equal work."""
  found = results["costs"]
  least = float(found["cot/flops"])
  rates, inner = config.learning_rates, config.inner
  rows = [
    [
      crossings.ARMS[name],
      f"{int(found[f'{name}/numbers'])}",
      f"{float(found[f'{name}/flops']) / 1e9:.3g}",
      f"{float(found[f'{name}/flops']) / least:.3g}",
      f"{rates.get(name, config.fit.learning_rate):g}",
      f"{inner.alphas.get(name, inner.alpha):g}"
      if name in config_lib.MAML
      else "",
    ]
    for name in config.arms
  ]
  head = (
    "arm",
    "numbers learned",
    "GFLOP per update",
    "over the chain of thought",
    "learning rate",
    "inner steps, at first",
  )
  return tables.table(head, rows)


def _tuned(config, results) -> list[str]:
  """What those without step sizes of their own were given."""
  rows = []
  for name in crossings.ARMS:
    found = results.get(f"tuned/{name}")
    if found is None:
      continue
    mean_NxG = np.nan_to_num(found["loss_SxNxG"], nan=np.inf).mean(0)
    rows.append(
      [
        crossings.ARMS[name],
        tables.number(float(found["alpha"])),
        str(int(found["repeats"])),
        tables.number(float(mean_NxG.min())),
      ]
    )
  return [
    "",
    "Inner steps of those that were trained without any: one step size for all"
    " lines and tensors and a number of steps on each line, chosen on"
    f" {config.tune.questions} questions of the validation split, among"
    f" {config.tune.points} step sizes from {config.tune.low:g} to"
    f" {config.tune.high:g} and {config.tune.repeats} steps.",
    *tables.table(
      ("arm", "step size", "steps on each line", "loss there"), rows
    ),
  ]
