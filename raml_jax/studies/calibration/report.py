"""The report of the calibration study: claims, numbers and figures."""

from __future__ import annotations

import numpy as np

from raml_jax.config import calibration as config_lib
from raml_jax.plotting import calibration as plotting
from raml_jax.plotting import contestants
from raml_jax.studies import report
from raml_jax.studies import tables
from raml_jax.studies.calibration import finders
from raml_jax.training import workdir as workdir_lib

EXPERIMENT = "calibration"


def write(workdir: workdir_lib.Workdir) -> None:
  """Draws every figure and writes report.md; nothing is trained.

  Raises:
    WorkdirError: the run is another experiment's, or has not come to its end.
  """
  config, claims, results = report.load(workdir, EXPERIMENT, config_lib.parse)
  lines = [
    "# The parameter-space instrument where the right answer is known",
    "",
    *_setting(config),
    "",
    *tables.claims(claims),
    "",
    *_numbers(config, results),
    "## Figures",
    "",
    *report.figures(workdir, plotting.TABLE, results, config),
    "## All parts of the claims",
    "",
    *tables.parts(claims),
    "",
  ]
  workdir.write("report.md", "\n".join(lines).encode())


def _numbers(config, results) -> list[str]:
  """Of the parts that were run."""
  out = []
  if "linear" in config.parts:
    out += ["## Numbers: linear attention", *_rules(results)]
    out += [*_students(results), ""]
  if "decoder" in config.parts:
    out += [
      "## Numbers: softmax decoder",
      "",
      "All that moves in every block; explained: by one step size, on other"
      " tasks.",
      *_decoders(results),
      *_chains(results),
      "",
    ]
  if "maml" in config.parts:
    out += ["## Numbers: MAML on the same decoder"]
    out += [*_adaptation(config, results), ""]
  return out


def _setting(config: config_lib.Calibration) -> list[str]:
  c, x, a = config.linear, config.decoder, config.adaptation
  return [
    f"{config.seeds} training seeds, {config.measure.tasks} tasks for each."
    f" Linear attention: d = {c.task.d}, n = {c.task.n}, chains of {c.steps}"
    f" tokens, step size {c.teachers.eta:g}. Softmax decoder: {x.layers} blocks"
    f" of width {x.width}, {x.heads} heads, d = {x.task.d}, n = {x.task.n},"
    f" chains of {x.steps} tokens, step size {x.teachers.eta:g}, read out of a"
    " blank token, as arithmetic reads an answer out of a delimiter. MAML: all"
    f" parameters of that decoder, {x.steps} inner steps on the {x.task.n}"
    f" support pairs, one learned step size, {a.queries} query pairs.",
    "",
    "Update i is that of token i of the chain: what the question alone is"
    " answered is no token's doing. Two losses, never mixed: *answer*, |w -"
    " w\\*|²/2, and *support*, the mean squared error on the pairs shown.",
    "",
    tables.READING,
  ]


_HEAD = tuple(
  f"{loss}: {what}"
  for loss in contestants.LOSSES
  for what in ("cosine", "explained")
)


def _pair(found, prefix, suffix="", group=None) -> list[str]:
  """Cells of both losses."""
  out = []
  for loss in contestants.LOSSES:
    for what in ("cosine", "explained"):
      values = found[f"{prefix}{loss}/{what}_S{suffix}"]
      out.append(tables.cell(values if group is None else values[:, group]))
  return out


def _rules(results) -> list[str]:
  found = results["linear/rules"]
  rows = []
  for name in ("gradient", "straight_path", "shrunk", "rotated"):
    label = contestants.LOOKS[name].label
    rows.append([label, "w", *_pair(found, f"{name}/")])
    rows.append([label, "V_31", *_pair(found, f"{name}/parameters/")])
  for name in finders.CONTROLS:
    label = f"control: {contestants.LOOKS[name].label}"
    rows.append([label, "w", *_pair(found, f"{name}/")])
  return tables.table(("exact rule", "space", *_HEAD), rows)


def _students(results) -> list[str]:
  rows = []
  for key, found in results.items():
    kind, _, name = key.partition("/")
    if kind == "linear" and name != "rules":
      label, last = contestants.LOOKS[name].label, found["error_SxK"][:, -1]
      for prefix, space in (("weights/", "w"), ("parameters/", "V_31")):
        rows.append([label, space, *_pair(found, prefix), tables.cell(last)])
  head = ("student of", "space", *_HEAD, "error of its last token")
  return tables.table(head, rows)


def _decoders(results) -> list[str]:
  rows = []
  names = (*finders.TAUGHT, "untrained", "shuffled_steps")
  for form, yardsticks in finders.YARDSTICKS.items():
    for yardstick in yardsticks:
      prefix = f"{form}/{yardstick}/"
      for name in names:
        label, found = contestants.LOOKS[name].label, results[f"decoder/{name}"]
        cells = _pair(found, prefix, "xG", -1)
        rows.append([label, form, yardstick, *cells])
      for name in ("other_question", "random_direction"):
        label = contestants.LOOKS[name].label
        found = results["decoder/gradient"]
        cells = _pair(found, f"{name}/{prefix}", "xG", -1)
        rows.append([f"control: {label}", form, yardstick, *cells])
  head = ("decoder taught", "form", "yardstick", *_HEAD)
  return tables.table(head, rows)


def _chains(results) -> list[str]:
  """What the decoders write, as vectors, and how exact their paths are."""
  rows = []
  for name in (*finders.TAUGHT, "untrained"):
    found = results[f"decoder/{name}"]
    exact = np.maximum(found["rank_one/exact_S"], found["preserving/exact_S"])
    rows.append(
      [
        contestants.LOOKS[name].label,
        *_pair(found, "weights/"),
        tables.cell(found["error_SxK"][:, -1]),
        tables.cell(exact, worst=True),
        tables.cell(found["preserving/moved_S"], worst=True),
        tables.cell(found["rank_one/moved_S"], worst=True),
      ]
    )
  head = (
    "its chain, in the space of w",
    *_HEAD,
    "error of its last token",
    "read-out off by",
    "question moved, preserving",
    "question moved, rank one",
  )
  return tables.table(head, rows)


def _adaptation(config, results) -> list[str]:
  steps, rows = config.decoder.steps, []
  shown = (*range(steps + 1), config.adaptation.beyond)
  for key, found in results.items():
    if not key.startswith(("maml/", "curves/")):
      continue
    error_SxT = found["error_SxT"]
    cells = [
      tables.cell(error_SxT[:, t]) if t < error_SxT.shape[1] else ""
      for t in shown
    ]
    cosine, gone = "", ""
    if "cosine_SxK" in found:
      cosine = (
        f"{tables.cell(found['cosine_SxK'].mean(1))};"
        f" {tables.cell(found['other_SxK'].mean(1))}"
      )
      gone = f"{100 * found['diverged_S'].mean():.2g} %"
    rows.append([key, *cells, cosine, gone])
  head = (
    "mean squared error on query pairs",
    *(f"step {t}" for t in shown),
    "cosine with the chain's steps; another task's",
    f"diverged by step {config.adaptation.beyond}",
  )
  return tables.table(head, rows)
