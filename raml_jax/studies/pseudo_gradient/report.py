"""The report of the pseudo-gradient study: claims, numbers, figures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from raml_jax.config import pseudo_gradient as config_lib
from raml_jax.config import pseudo_gradient_rows as rows_lib
from raml_jax.plotting import pseudo_gradient as plots
from raml_jax.studies import report
from raml_jax.studies import tables
from raml_jax.studies.pseudo_gradient import report_instrument as instrument
from raml_jax.training import workdir as workdir_lib

EXPERIMENT = "pseudo_gradient"


def write(workdir: workdir_lib.Workdir) -> None:
  """Draws every figure and writes report.md; nothing is trained.

  Raises:
    WorkdirError: the run is another experiment's, or has not come to its end.
  """
  config, claims, results = report.load(workdir, EXPERIMENT, config_lib.parse)
  lines = [
    "# What one trajectory token does to a decoder, and whether that is a"
    " gradient step",
    "",
    *_setting(config, results),
    "",
    *tables.claims(claims),
    "",
    "## Whom it was measured of",
    *_models(results),
    "",
    "## The instrument",
    *instrument.calibration(claims),
    *instrument.exactness(config, results),
    *instrument.identity(config, results),
    *instrument.proposition(config, results),
    "",
    "## Updates against descent directions",
    *_directions(results),
    *_layers(results),
    *_parts(results),
    *_descent(config, results),
    *_rules(results),
    "",
    "## Figures",
    "",
    *report.figures(workdir, plots.TABLE, results, config),
    "## All parts of the claims",
    "",
    *tables.parts(claims),
    "",
  ]
  workdir.write("report.md", "\n".join(lines).encode())


def _setting(config, results) -> list[str]:
  m, described = config.measure, results["texts"]
  question, written, answer = (
    str(described[f"{name}_B"][0]).replace("\n", "⏎")
    for name in ("question", "trajectory", "answer")
  )
  return [
    f"A decoder of {config.model.layers} layers, width {config.model.width},"
    f" trained on additions with a scratchpad; {config.seeds} training seeds."
    f" Per seed {m.questions} held-out questions for the whole answer and the"
    f" correct trajectory, the first {m.controls} of them for every control"
    " and for the first token of the answer alone. For example `"
    f"{question}` `{written}` `⏎{answer}`.",
    "",
    "theta'_i are the parameters with which the model, without the trajectory,"
    " computes at the answer what it computes with the first i tokens of it in"
    " context; a token's update is theta'_i - theta'_(i-1). The descent"
    " direction is minus the gradient, at theta'_(i-1), of the answer's loss"
    " for the question alone, with respect to the matrices that the updates"
    " move. *Share*: cos² of the two, over all layers together; *explained*:"
    " what descent with one step size, common to tokens and questions, leaves"
    " of the updates' energy, taken from 1; the step is fitted on half of the"
    " questions and scored on the other, and is below 0 where it does harm.",
    "",
    tables.READING,
  ]


def _models(results) -> list[str]:
  found = results["models"]
  rows = []
  for who in ("trained", "untrained", "embeddings", "direct"):
    written = sound = ""
    if who == "trained":
      written, sound = (
        tables.cell(100 * found[f"{name}_SxB"].mean(1))
        for name in ("written", "sound")
      )
    right = [
      tables.cell(100 * found[f"{who}/{name}_SxB"].mean(1))
      for name in ("without", "with")
    ]
    rows.append([who, written, sound, *right])
  return tables.table(
    (
      "model",
      "exact match of what it writes, %",
      "with every step true, %",
      "right without the trajectory, %",
      "right with it in context, %",
    ),
    rows,
  )


def _directions(results) -> list[str]:
  table = results["summary"]
  lines = []
  for form, way, words in (
    ("preserving", "full", "whole answer, full gradient"),
    (
      "preserving",
      "constrained",
      "whole answer, gradient that spares the question",
    ),
    ("rank_one", "full", "first token of the answer, full gradient"),
  ):
    rows = []
    for name, label in rows_lib.LABELS.items():
      quantities = ("cosine", "share", "explained", "descent", "descending")
      cells = [
        tables.cell(table[f"{form}/{name}/{way}/{quantity}"])
        for quantity in quantities
      ]
      drop = ""
      if f"{form}/{name}/loss_P" in table:
        loss_SxP = table[f"{form}/{name}/loss_P"]
        drop = tables.cell(loss_SxP[:, 0] - loss_SxP[:, -1])
      rows.append([label, *cells, drop])
    lines += [
      "",
      f"**{words[0].upper()}{words[1:]}**",
      *tables.table(
        (
          "updates of",
          "mean cosine",
          "mean cos²",
          "explained",
          "first-order drop of all tokens, nats",
          "tokens that descend",
          "drop of the loss, nats",
        ),
        rows,
      ),
    ]
  return lines


def _layers(results) -> list[str]:
  table = results["summary"]
  rows = []
  for form in rows_lib.FORMS:
    for way in rows_lib.ways(form, rows_lib.CORRECT):
      for name in (rows_lib.CORRECT, "other", "random"):
        prefix = f"{form}/{name}/{way}/"
        layers = table[f"{prefix}share_K"].shape[1]
        for k in range(layers):
          rows.append(
            [
              form,
              rows_lib.WAYS[way],
              rows_lib.LABELS[name],
              str(k + 1),
              *(
                tables.cell(table[f"{prefix}{quantity}_K"][:, k])
                for quantity in ("cosine", "share", "explained")
              ),
            ]
          )
  return [
    "",
    "Layer by layer, each with a step size of its own:",
    *tables.table(
      (
        "form",
        "descent direction",
        "updates of",
        "layer",
        "mean cosine",
        "mean cos²",
        "explained",
      ),
      rows,
    ),
  ]


def _parts(results) -> list[str]:
  table = results["summary"]
  lines = []
  for axis, names, words in (
    ("R", rows_lib.PARTS, "By the part that a token plays"),
    ("F", rows_lib.PHASES, "Before and after the answer leaks"),
  ):
    rows = []
    for form, way in (
      ("preserving", "full"),
      ("preserving", "constrained"),
      ("rank_one", "full"),
    ):
      for name, label in rows_lib.LABELS.items():
        key = f"{form}/{name}/{way}/share_{axis}"
        if key in table:
          cells = (_or_none(table[key][:, r]) for r in range(len(names)))
          rows.append([form, rows_lib.WAYS[way], label, *cells])
    lines += [
      "",
      f"{words}, mean cos²:",
      *tables.table(("form", "descent direction", "updates of", *names), rows),
    ]
  return lines


def _or_none(values_S: Sequence[float]) -> str:
  return tables.cell(values_S) if np.isfinite(values_S).all() else ""


def _descent(config, results) -> list[str]:
  count = config.measure.controls
  paths = instrument.stacked(
    config,
    results,
    "preserving",
    rows_lib.CORRECT,
    "loss_BxP",
    lambda a: a[:count].mean(0),
  )
  rows = [["the path", paths]]
  for key, words in (
    ("tuned_BxP", "true descent, tuned step"),
    ("as_long_BxP", "true descent, steps as long as the path's"),
    ("random_BxP", "random directions, as long"),
  ):
    rows.append(
      [
        words,
        instrument.stacked(
          config, results, "curves", "descended", key, lambda a: a.mean(0)
        ),
      ]
    )
  last = paths.shape[1] - 1
  steps = sorted({0, 1, last // 4, last // 2, last})
  chosen = instrument.stacked(
    config, results, "curves", "descended", "step", float
  )
  return [
    "",
    "Loss of the answer for the question alone, along the path and along true"
    f" descent from the same parameters (tuned steps: {_list(chosen)}):",
    *tables.table(
      ("", *(f"after {t}" for t in steps)),
      [
        [words, *(tables.cell(values_SxP[:, t]) for t in steps)]
        for words, values_SxP in rows
      ],
    ),
  ]


def _list(values) -> str:
  return ", ".join(tables.number(value) for value in values)


def _rules(results) -> list[str]:
  table = results["summary"]
  names = sorted(
    rows_lib.RULES, key=lambda name: -table[f"rules/{name}/explained"].mean()
  )
  rows = []
  for name in names:
    tuned = sorted({str(text) for text in table[f"rules/{name}/tuned"]} - {""})
    rows.append(
      [
        rows_lib.RULES[name],
        tables.cell(table[f"rules/{name}/explained"]),
        "; ".join(tuned),
      ]
    )
  return [
    "",
    "Which optimizer explains the path, whole answer:",
    *tables.table(
      ("rule", "explained, held out", "tuned to, in some seed"), rows
    ),
  ]
