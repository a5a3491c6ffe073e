"""How exact match falls with the number of digits, and what fails.

`draw` of every figure takes `(results, config)`.
"""

from __future__ import annotations

import numpy as np

from raml_jax.config import lengths as config_lib
from raml_jax.plotting import figures
from raml_jax.plotting import style

Results = dict[str, dict[str, np.ndarray]]
LOOKS = {
  "learned": style.Look(style.BLUE, "o", "-", "learned positions"),
  "rotary": style.Look(style.VERMILLION, "D", "--", "rotary positions"),
  "none": style.Look(style.GREEN, "^", "-.", "no positions"),
  "abacus": style.Look(style.ORANGE, "v", "-", "abacus positions"),
}
# What fails: colour, hatch, words.
KINDS = {
  "right": (style.GREEN, "", "right"),
  "early": (style.BLUE, "", "stops too early"),
  "late": (style.SKY, "///", "goes on too long"),
  "digit": (style.VERMILLION, "", "wrong digit in a step"),
  "carry": (style.ORANGE, "\\\\\\", "wrong carry in a step"),
  "answer": (style.PURPLE, "...", "steps right, answer wrong"),
  "malformed": (style.GREY, "xxx", "malformed"),
}
FORMATS = {
  "simplified": "scratchpad (simplified)",
  "reversed": "answer alone (reversed)",
  "mirrored": "answer alone (mirrored)",
}


def _axes(config: config_lib.Lengths, height: float, rows: int = 1):
  """(figure, axes_RxF): a column for each format."""
  fig = style.new(style.WIDE, height)
  columns = len(config.formats)
  return fig, fig.subplots(rows, columns, squeeze=False, sharey="row")


def _limit(ax, arm: config_lib.Arm) -> None:
  """Marks where training ends, and whole numbers of digits."""
  ax.axvspan(0.5, arm.digits + 0.5, color=style.GREY, alpha=0.12, lw=0)
  ax.axvline(
    arm.digits + 0.5, color=style.GREY, lw=0.9, label="longest in training"
  )
  ax.set_xlim(0.5, arm.tested + 0.5)
  ax.xaxis.get_major_locator().set_params(integer=True)


def _curves(ax, results, config, format, field) -> None:
  """One field by length, of every scheme, trained and untrained."""
  for i, scheme in enumerate(config.schemes):
    look = LOOKS[scheme]
    # Side by side, where they would hide each other.
    shift = 0.07 * (i - (len(config.schemes) - 1) / 2)
    found = results[f"{format}/{scheme}"]
    at_N = found["digits_N"] + shift
    mean, low, high = style.band(found[field])
    ax.errorbar(
      at_N,
      mean,
      yerr=[mean - low, high - mean],
      color=look.color,
      marker=look.marker,
      ls=look.line,
      mfc="none",
      capsize=1.5,
      lw=0.9,
      label=look.label,
    )
    untrained = results[f"{format}/{scheme}_untrained"]
    ax.plot(
      at_N,
      untrained[field].mean(axis=0),
      color=style.GREY,
      marker=look.marker,
      ms=2.2,
      ls=":",
      mfc="none",
      lw=0.8,
      label="untrained (same marks)",
      zorder=0,
    )


@style.styled
def accuracy(results: Results, config: config_lib.Lengths):
  """Exact match against the number of digits."""
  fig, axes = _axes(config, 2.6)
  for i, (ax, (format, arm)) in enumerate(zip(axes[0], config.formats.items())):
    style.letter(ax, i, FORMATS[format])
    _limit(ax, arm)
    _curves(ax, results, config, format, "accuracy_SxN")
    ax.set_xlabel("digits of the longer operand")
  axes[0, 0].set(ylabel="exact match", ylim=(-0.04, 1.04))
  style.legend(fig, axes[0], 3)
  return fig


@style.styled
def failures(results: Results, config: config_lib.Lengths):
  """Shares of what goes wrong first, stacked, by scheme and length."""
  rows, columns = len(config.formats), len(config.schemes)
  fig = style.new(style.WIDE, 0.6 + 1.5 * rows)
  axes = fig.subplots(rows, columns, squeeze=False, sharey=True)
  for r, (format, arm) in enumerate(config.formats.items()):
    for c, scheme in enumerate(config.schemes):
      ax, found = axes[r, c], results[f"{format}/{scheme}"]
      title = f"{format}, {scheme}"
      style.letter(ax, r * columns + c, title)
      _stacked(ax, found)
      ax.axvline(arm.digits + 0.5, color=style.BLACK, lw=0.9, ls="--")
      ax.set_xticks(found["digits_N"])
      if r == rows - 1:
        ax.set_xlabel("digits")
    axes[r, 0].set(ylabel="share of answers", ylim=(0, 1))
  style.legend(fig, axes.ravel(), 4)
  return fig


def _stacked(ax, found) -> None:
  share_KxN = dict(
    zip(found["names_K"], found["kind_SxNxK"].mean(axis=0).T, strict=True)
  )
  bottom_N = np.zeros(len(found["digits_N"]))
  for kind, (color, hatch, words) in KINDS.items():
    ax.bar(
      found["digits_N"],
      share_KxN[kind],
      bottom=bottom_N,
      width=0.8,
      color=color,
      hatch=hatch,
      edgecolor="white",
      label=words,
    )
    bottom_N = bottom_N + share_KxN[kind]


@style.styled
def counts(results: Results, config: config_lib.Lengths):
  """How many steps are written, and whether the first L of them are right."""
  fig, axes = _axes(config, 4.2, rows=2)
  for i, (format, arm) in enumerate(config.formats.items()):
    for row, field in enumerate(("columns_SxN", "begun_SxN")):
      ax = axes[row, i]
      style.letter(ax, len(config.formats) * row + i, FORMATS[format])
      _limit(ax, arm)
      _curves(ax, results, config, format, field)
    at_N = np.arange(arm.digits, arm.tested + 1)
    axes[0, i].plot(
      at_N,
      arm.digits - at_N,
      color=style.BLACK,
      ls=":",
      lw=0.9,
      label="as many as in training, no more",
    )
    axes[1, i].set_xlabel("digits of the longer operand")
  top = max(arm.digits for arm in config.formats.values())
  axes[0, 0].set(
    ylabel="columns written less columns due", ylim=(-2 * top - 0.5, 2.5)
  )
  axes[1, 0].set(ylabel="first L columns all right", ylim=(-0.04, 1.04))
  style.legend(fig, axes.ravel(), 3)
  return fig


TABLE = (
  figures.Figure(
    "1_exact_match",
    accuracy,
    "Exact match on held-out sums against the number of digits, greedy answers."
    " Shaded: lengths that training has. Marks: mean over seeds with its 95 %"
    " t-interval, shifted sideways to be told apart. Dotted grey: the same"
    " networks before training, mean over seeds.",
  ),
  figures.Figure(
    "2_what_fails",
    failures,
    "What is first wrong in an answer, reading from the left, as a share of all"
    " answers to questions of that length; mean over seeds. Dashed line: the"
    " longest in training. A step is a line of the scratchpad, or without one a"
    " digit of the answer, the lowest first.",
  ),
  figures.Figure(
    "3_counts",
    counts,
    "Top: columns written (lines of the scratchpad, or digits of the answer),"
    " less those due, mean over answers. Bottom: share of answers whose first L"
    " columns are right, L the longest in training, whatever follows. Marks:"
    " mean over seeds with its 95 % t-interval. Dotted grey: before training;"
    " where it leaves the frame, it writes to the limit.",
  ),
)
