"""MAML on trajectories: what each mode of each arm makes of the lines.

`draw` of every figure takes `(results, config)`.
"""

from __future__ import annotations

import numpy as np

from raml_jax.config import maml_vs_cot_arithmetic as config_lib
from raml_jax.plotting import figures
from raml_jax.plotting import modes
from raml_jax.plotting import style

ARMS = {
  "cot": "chain of thought",
  "second_order": "MAML, second order",
  "head": "MAML, head only",
  "low_rank": "MAML, low rank",
  "first_order": "MAML, first order",
  "head_first_order": "MAML, head only, first order",
  "low_rank_first_order": "MAML, low rank, first order",
  "direct": "direct",
  "untrained": "untrained",
  "embeddings": "embeddings only",
}
KINDS = {
  "own": style.Look(style.BLACK, "o", "-", "own trajectory"),
  "other": style.Look(style.BLUE, "s", "--", "another question's"),
  "false": style.Look(style.VERMILLION, "v", "-.", "false: a wrong digit"),
  "shuffled": style.Look(style.GREEN, "^", "--", "shuffled lines"),
  "filler": style.Look(style.ORANGE, "D", ":", "filler"),
  "random": style.Look(style.PURPLE, "x", ":", "random tokens"),
}
_CURVES = {
  ("cot", "context"): style.Look(style.BLUE, "o", "-", "CoT, in context"),
  ("maml", "inner"): style.Look(
    style.VERMILLION, "D", "-", "MAML, inner steps"
  ),
  ("cot", "inner"): style.Look(
    style.BLUE, "o", "--", "crossing: CoT, inner steps"
  ),
  ("maml", "context"): style.Look(
    style.VERMILLION, "D", "--", "crossing: MAML, in context"
  ),
}
_FLOOR = 1e-4  # of losses drawn
_ACROSS = 3  # panels


def _line(ax, values_SxP, look, log, label=None):
  mean, low, high = style.band(
    values_SxP.clip(_FLOOR) if log else values_SxP, log=log
  )
  line = np.arange(len(mean))
  ax.plot(
    line,
    mean,
    color=look.color,
    marker=look.marker,
    ls=look.line,
    mfc="none" if look.line != "-" else None,
    label=label or look.label,
  )
  ax.fill_between(line, low, high, color=look.color, alpha=0.2, lw=0)


def _level(ax, results, name, read, line):
  """Of an arm that is given no line at all."""
  if f"numbers/{name}" in results:
    value = read(results, name, "context")[:, 0].mean()
    label = f"{ARMS[name]}, no trajectory"
    ax.axhline(value, color=style.GREY, ls=line, lw=0.9, label=label, zorder=0)


@style.styled
def curves(results: modes.Results, config: config_lib.Arithmetic):
  """The four curves of every MAML beside the chain of thought."""
  names = modes.trained(config)
  if not names:
    return None
  across = min(len(names), _ACROSS)
  rows = -(-len(names) // across)
  fig = style.new(style.WIDE, 0.7 + 3.5 * rows)
  axes = fig.subplots(
    2 * rows, across, squeeze=False, sharex=True, sharey="row"
  )
  for ax in axes.ravel():
    ax.set_visible(False)
  for i, name in enumerate(names):
    row, column = divmod(i, across)
    above, below = axes[2 * row : 2 * row + 2, column]
    style.letter(above, i, ARMS[name])
    for ax, read, log in (
      (above, modes.loss, True),
      (below, modes.right, False),
    ):
      ax.set_visible(True)
      for (arm, mode), look in _CURVES.items():
        values_SxP = read(results, "cot" if arm == "cot" else name, mode)
        _line(ax, values_SxP, look, log)
      _level(ax, results, "direct", read, ":")
      _level(ax, results, "untrained", read, "-.")
      ax.xaxis.get_major_locator().set_params(integer=True)
    above.set_yscale("log")
    below.set_xlabel(f"{config.inner.unit}s of the trajectory")
    below.set_ylim(-0.03, 1.03)
    if column == 0:
      above.set_ylabel("loss of the answer, nats per token")
      below.set_ylabel("answers exactly right")
  style.legend(fig, axes[0], 3)
  return fig


@style.styled
def trajectories(results: modes.Results, config: config_lib.Arithmetic):
  """Wrong trajectories in both modes of the chain of thought and of MAML."""
  names = ["cot", *modes.trained(config)[:1]]
  fig = style.new(style.WIDE, 2.6)
  axes = fig.subplots(1, 2 * len(names), squeeze=False, sharey=True)[0]
  panels = [
    (name, mode)
    for name in names
    for mode in config_lib.MODES[:: 1 if name == "cot" else -1]
  ]
  words = {"context": "in context", "inner": "inner steps"}
  for i, (ax, (name, mode)) in enumerate(zip(axes, panels)):
    short = ARMS[name].replace("chain of thought", "CoT").partition(",")[0]
    style.letter(ax, i, f"{short}, {words[mode]}")
    for kind, look in KINDS.items():
      _line(ax, modes.loss(results, name, mode, kind), look, True)
    _level(ax, results, "direct", modes.loss, ":")
    _level(ax, results, "untrained", modes.loss, "-.")
    ax.set(yscale="log", xlabel=f"{config.inner.unit}s")
    ax.xaxis.get_major_locator().set_params(integer=True)
  axes[0].set_ylabel("loss of the answer, nats per token")
  style.legend(fig, axes, 4)
  return fig


TABLE = (
  figures.Figure(
    "1_four_curves",
    curves,
    "The answer's loss and accuracy after each line of the trajectory, for the"
    " chain of thought and each MAML: in the mode that each was trained in"
    " (solid), and in the other's (dashed). In context: the lines are read and"
    " no step is taken. Inner steps: each line is descended, and none is there"
    " when the answer is read out. Lines: geometric mean of the losses, mean of"
    " the accuracies over seeds; bands: 95 % t-intervals.",
  ),
  figures.Figure(
    "2_trajectories",
    trajectories,
    "The same with trajectories that are not the question's own, in both modes"
    " of the chain of thought and of the first MAML.",
  ),
)
