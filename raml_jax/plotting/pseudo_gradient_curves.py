"""Curves of the pseudo-gradient study, and how its contestants look."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from raml_jax.config import pseudo_gradient as config_lib
from raml_jax.config import pseudo_gradient_rows as rows_lib
from raml_jax.plotting import style

Results = Mapping[str, Mapping[str, np.ndarray]]

CORRECT = style.Look(style.BLUE, "o", "-", "correct trajectory")
LOOKS = {
  "correct": CORRECT,
  "wordy": style.Look(style.SKY, "s", "--", "wordier, correct"),
  "other_trajectory": style.Look(
    style.ORANGE, "^", "-", "another question's text"
  ),
  "wrong_digit": style.Look(style.VERMILLION, "v", "-", "wrong digit"),
  "shuffled": style.Look(style.PURPLE, "D", "-", "lines shuffled"),
  "filler": style.Look(style.GREEN, "P", "-", "filler"),
  "untrained": style.Look(style.GREY, "+", ":", "untrained model"),
  "direct": style.Look(style.BLACK, "x", ":", "direct model"),
  "other": style.Look(style.ORANGE, "s", "", "another question's update"),
  "random": style.Look(style.SKY, "d", "", "random direction"),
}
_SIGNS = {"\n": "⏎", " ": "␣"}
_PLACES = {
  "copy": "n",
  "digit": "d",
  "carry": "c",
}


def tokens(text: str) -> list[str]:
  """Its characters, each of which can be seen."""
  return [_SIGNS.get(character, character) for character in text]


def pattern(found) -> list[str]:
  """The tokens of any trajectory: digits and carries have letters."""
  names = [rows_lib.PARTS[part] for part in found["parts_T"]]
  text = tokens(str(found["trajectory_B"][0]))
  return [_PLACES.get(name, character) for name, character in zip(names, text)]


@style.styled
def losses(results: Results, config: config_lib.PseudoGradient):
  """Figure 2: the loss along the path and along true descent."""
  table = results["summary"]
  fig = style.new(style.WIDE, 3.6)
  left, right = fig.subplots(1, 2, sharey=True)
  for name in (
    "correct",
    "other_trajectory",
    "wrong_digit",
    "shuffled",
    "filler",
    "untrained",
    "direct",
  ):
    _curve(left, table[f"preserving/{name}/loss_P"], LOOKS[name])
  style.letter(left, 0, "along the path, by what is read")
  descended = [
    results[rows_lib.name("curves", "descended", s)]
    for s in range(config.seeds)
  ]

  def mean(key):
    return np.stack([one[key].mean(0) for one in descended])

  count = config.measure.controls
  path_SxP = np.stack(
    [
      results[rows_lib.name("preserving", "correct", s)]["loss_BxP"][
        :count
      ].mean(0)
      for s in range(config.seeds)
    ]
  )
  _curve(right, path_SxP, CORRECT._replace(label="the path, correct"))
  for key, look in (
    ("tuned_BxP", style.Look(style.BLACK, "d", "--", "descent, tuned step")),
    (
      "as_long_BxP",
      style.Look(style.GREEN, "P", "--", "descent, the path's lengths"),
    ),
    (
      "random_BxP",
      style.Look(style.GREY, "x", ":", "random directions, its lengths"),
    ),
  ):
    _curve(right, mean(key), look)
  style.letter(right, 1, "true gradient descent from the same parameters")
  places = ["", *pattern(results["texts"])]
  for ax in (left, right):
    ax.set_xticks(range(len(places)), places, family="DejaVu Sans Mono")
    ax.set_xlabel("tokens read, or steps taken")
    ax.set_ylim(bottom=0)
    _legend_below(ax, 2)
  left.set_ylabel("loss of the answer, question alone")
  return fig


def _curve(ax, values_SxP, look) -> None:
  mean, low, high = style.band(values_SxP)
  t = np.arange(len(mean))
  ax.plot(
    t,
    mean,
    color=look.color,
    ls=look.line,
    marker=look.marker,
    markevery=4,
    label=look.label,
  )
  ax.fill_between(t, low, high, color=look.color, alpha=0.2, lw=0)


def _legend_below(ax, columns: int) -> None:
  """Each panel has curves of its own, and they are everywhere."""
  ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=columns)


@style.styled
def constructions(results: Results, config: config_lib.PseudoGradient):
  """Figure 5: errors of the constructions against length over width."""
  published = [
    results[rows_lib.name("probes", "published", s)]
    for s in range(config.seeds)
  ]
  width = config.model.width
  fig = style.new(style.WIDE, 3.6)
  left, right = fig.subplots(1, 2)
  for name, look in (
    ("unchanged", style.Look(style.GREY, "", ":", "nothing done")),
    ("literal", style.Look(style.VERMILLION, "v", "-", "as published")),
    ("repaired", style.Look(style.ORANGE, "s", "-", "repaired")),
    ("residual", style.Look(style.PURPLE, "", "--", "t outside the span")),
    ("exact", style.Look(style.BLUE, "o", "-", "exact rank-one value form")),
  ):
    x, values = _by_length(published, name)
    _curve_at(left, x / width, np.maximum(values, 1e-9), look)
  left.axvline(1, color=style.BLACK, lw=0.5)
  left.set_xlabel("tokens before t over width, |l| / d")
  left.set_ylabel("relative error, median")
  style.letter(left, 0, "RaML's proposition 2.1, outputs of attention")
  exact = [
    results[rows_lib.name("exact", "trained/float32", s)]
    for s in range(config.seeds)
  ]
  question = float(published[0]["length_BxTxK"][:, 0].mean())
  for form, look in (
    ("preserving", style.Look(style.BLUE, "o", "-", "question-preserving")),
    ("rank_one", style.Look(style.GREEN, "^", "-", "rank-one MLP")),
    ("value", style.Look(style.SKY, "s", "-", "rank-one value, per head")),
  ):
    values_SxP = np.stack([one[f"{form}/logits_BxP"].max(0) for one in exact])
    x = (question + np.arange(values_SxP.shape[1])) / width
    _curve_at(right, x[1:], values_SxP[:, 1:], look)
  moved_SxP = np.stack([one["rank_one/question_BxP"].max(0) for one in exact])
  look = style.Look(
    style.GREEN, "", ":", "rank-one MLP: how far the question is moved"
  )
  _curve_at(right, x[1:], moved_SxP[:, 1:], look)
  right.axhline(1e-5, color=style.BLACK, lw=0.5, ls="--")
  right.set_xlabel("question and tokens shown over width")
  right.set_ylabel("relative error of logits, worst")
  style.letter(right, 1, "whole decoder, float32")
  for ax in (left, right):
    ax.set_yscale("log")
    _legend_below(ax, 1)
  return fig


def _by_length(found, name):
  """(lengths, median over questions and blocks SxX)."""
  # All seeds are asked the same questions.
  lengths = np.unique(found[0]["length_BxTxK"])
  lengths = lengths[np.isfinite(lengths)]
  values = np.array(
    [
      [
        np.nanmedian(f[f"{name}_BxTxK"][f["length_BxTxK"] == length])
        for length in lengths
      ]
      for f in found
    ]
  )
  return lengths, values


def _curve_at(ax, x, values_SxX, look) -> None:
  mean, low, high = style.band(np.maximum(values_SxX, 1e-12), log=True)
  ax.plot(
    x,
    mean,
    color=look.color,
    ls=look.line,
    marker=look.marker,
    markevery=4,
    label=look.label,
  )
  ax.fill_between(x, low, high, color=look.color, alpha=0.2, lw=0)


@style.styled
def optimizers(results: Results, config: config_lib.PseudoGradient):
  """Figure 6: which update rule explains the path."""
  table = results["summary"]
  names = sorted(
    rows_lib.RULES,
    key=lambda name: -table[f"rules/{name}/explained"].mean(),
  )
  values_SxN = np.stack(
    [table[f"rules/{name}/explained"] for name in names], axis=1
  )
  mean, low, high = style.band(values_SxN)
  fig = style.new(style.WIDE, 2.2)
  ax = fig.subplots()
  at = np.arange(len(names))
  ax.errorbar(
    mean,
    at,
    xerr=np.maximum(0, [mean - low, high - mean]),
    fmt="o",
    color=style.BLUE,
    elinewidth=0.8,
  )
  for values_N in values_SxN:
    ax.plot(values_N, at, ".", color=style.GREY, ms=2)
  ax.axvline(0, color=style.BLACK, lw=0.6)
  ax.set_yticks(at, [rows_lib.RULES[name] for name in names])
  ax.invert_yaxis()
  ax.set_xlabel("share of the updates' energy explained, held out")
  return fig
