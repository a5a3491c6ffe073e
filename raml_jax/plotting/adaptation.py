"""How methods adapt to new tasks: errors, fitted functions, inner paths.

`draw` of every figure takes `(results, config)`.
"""

from __future__ import annotations

import numpy as np

from raml_jax.config import sinusoid as config_lib
from raml_jax.plotting import figures
from raml_jax.plotting import style

Results = dict[str, dict[str, np.ndarray]]
LOOKS = {
  "maml": style.Look(style.BLUE, "o", "-", "MAML"),
  "first_order": style.Look(style.SKY, "s", "--", "first-order MAML"),
  "anil": style.Look(style.GREEN, "^", "-.", "ANIL (head only)"),
  "meta_sgd": style.Look(style.VERMILLION, "D", "-", "Meta-SGD"),
  "reptile": style.Look(style.PURPLE, "p", "--", "Reptile"),
  "imaml": style.Look(style.ORANGE, "v", "-", "iMAML"),
  "pretrained": style.Look(style.BLACK, "x", "-", "pretrained, tuned step"),
  "oracle": style.Look(style.BLACK, "*", ":", "oracle (told A, phase)"),
  "untrained": style.Look(style.GREY, "+", ":", "untrained, tuned step"),
}
_FLOORS = {
  "zero": (":", "answering 0"),
  "agnostic": ("-.", "best without the support set"),
}
_FITTED = {"maml": style.BLUE, "pretrained": style.VERMILLION}
_TOP = 30.0  # of errors drawn; a curve that leaves the frame says so


def _present(results: Results, shots: int) -> list[str]:
  return [name for name in LOOKS if f"k{shots}/{name}" in results]


def _floors(draw_line, results: Results, shots: int) -> None:
  """Both floors, by `ax.axhline` or `ax.axvline`."""
  for name, (line, label) in _FLOORS.items():
    value = float(results[f"k{shots}/floors"][name])
    draw_line(value, color=style.GREY, ls=line, lw=0.9, label=label, zorder=0)


@style.styled
def errors(results: Results, config: config_lib.Sinusoid):
  """Error against the inner step, one panel for each K."""
  fig = style.new(style.WIDE, 3.6)
  axes = fig.subplots(1, len(config.shots), squeeze=False, sharey=True)[0]
  lowest = []
  for i, (ax, shots) in enumerate(zip(axes, config.shots)):
    style.letter(ax, i, f"K = {shots} support points")
    _floors(ax.axhline, results, shots)
    for name in _present(results, shots):
      mean, low, high = style.band(
        results[f"k{shots}/{name}"]["error_SxT"], log=True
      )
      look, t = LOOKS[name], np.arange(len(mean))
      ax.plot(
        t,
        mean,
        color=look.color,
        marker=look.marker,
        ls=look.line,
        mfc="none",
        label=look.label,
      )
      ax.fill_between(t, low, high, color=look.color, alpha=0.25)
      lowest.append(mean.min())
    ax.set(yscale="log", xlabel="inner steps on the support set")
    ax.xaxis.get_major_locator().set_params(integer=True)
  axes[0].set_ylim(0.7 * min(lowest), _TOP)
  axes[0].set_ylabel("mean squared error on query points")
  style.legend(fig, axes, 4)
  return fig


@style.styled
def fitted(results: Results, config: config_lib.Sinusoid):
  """The functions fitted to a few tasks."""
  names = [name for name in _FITTED if name in config.methods]
  if not names:
    return None
  columns = [(shots, name) for shots in config.shots for name in names]
  rows = config.measure.shown
  fig = style.new(style.WIDE, 0.8 + 1.3 * rows)
  axes = fig.subplots(rows, len(columns), squeeze=False, sharex=True)
  last = config.measure.steps
  steps = {0: (":", "before"), 1: ("--", "after 1 step"), last: ("-", None)}
  for i, (shots, name) in enumerate(columns):
    found = results[f"k{shots}/fits"]
    title = f"{LOOKS[name].label.split(',')[0]}, K = {shots}"
    style.letter(axes[0, i], i, title)
    for p in range(rows):
      ax = axes[p, i]
      ax.plot(
        found["x_G"],
        found["true_PxG"][p],
        color=style.GREY,
        lw=2.2,
        alpha=0.5,
        label="true function",
      )
      for t, (line, label) in steps.items():
        ax.plot(
          found["x_G"],
          found[f"{name}/fit_PxTxG"][p, t],
          color=_FITTED[name],
          ls=line,
          lw=0.9,
          label=f"{LOOKS[name].label.split(',')[0]} "
          + (label or f"after {t} steps"),
        )
      ax.plot(
        found["x_PxK"][p],
        found["y_PxK"][p],
        "o",
        color=style.BLACK,
        ms=3,
        mew=0,
        label="support points",
      )
      ax.set_ylim(-6.5, 6.5)
      if i == 0:
        ax.set_ylabel(f"task {p + 1}: y")
      else:
        ax.set_yticklabels([])
    axes[-1, i].set_xlabel("x")
  style.legend(fig, axes.ravel(), 4)
  return fig


@style.styled
def summary(results: Results, config: config_lib.Sinusoid):
  """Errors after one step and after all, every method side by side."""
  fig = style.new(style.WIDE, 3.2)
  axes = fig.subplots(1, len(config.shots), squeeze=False, sharey=True)[0]
  last = config.measure.steps
  for i, (ax, shots) in enumerate(zip(axes, config.shots)):
    style.letter(ax, i, f"K = {shots} support points")
    _floors(ax.axvline, results, shots)
    names = _present(results, shots)
    for y, name in enumerate(names):
      error_SxT = results[f"k{shots}/{name}"]["error_SxT"]
      for t, shift, marker, filled in (
        (0, -0.25, "|", False),
        (1, 0.0, "o", False),
        (last, 0.25, "D", True),
      ):
        mean, low, high = style.band(error_SxT[:, [t]], log=True)[:, 0]
        ax.errorbar(
          mean,
          y + shift,
          xerr=[[mean - low], [high - mean]],
          color=LOOKS[name].color,
          marker=marker,
          mfc=None if filled else "none",
          capsize=1.5,
          lw=0.9,
        )
    ax.set(xscale="log", xlabel="mean squared error on query points")
    ax.set_yticks(range(len(names)), [LOOKS[n].label for n in names])
  axes[0].invert_yaxis()
  _step_legend(axes[0], last)
  style.legend(fig, axes, 5)
  return fig


def _step_legend(ax, last: int) -> None:
  """Marks without data, that the legend explains."""
  for marker, filled, label in (
    ("|", False, "before adaptation"),
    ("o", False, "after 1 step"),
    ("D", True, f"after {last} steps"),
  ):
    ax.plot(
      [],
      [],
      marker,
      color=style.BLACK,
      mfc=None if filled else "none",
      label=label,
    )


_KINDS = {
  "implicit": style.Look(style.BLUE, "o", "", "implicit, settled tasks"),
  "implicit_every": style.Look(style.SKY, "s", "", "implicit, every task"),
  "proximal_every": style.Look(
    style.GREEN, "^", "", "unrolled, same inner problem"
  ),
  "unrolled_every": style.Look(
    style.VERMILLION, "D", "", "unrolled, support loss alone (MAML)"
  ),
}
_PROBLEMS = {"paths_strong": "strong", "paths_as_trained": "as_trained"}
_LEAST = 1e-6  # of distances drawn


@style.styled
def paths(results: Results, config: config_lib.Sinusoid):
  """How far each way down leads from the first, by kind of meta-gradient."""
  shots = config.shots[0]
  present = [name for name in _PROBLEMS if f"k{shots}/{name}" in results]
  if not present:
    return None
  fig = style.new(style.WIDE, 2.5)
  axes = fig.subplots(1, len(present), squeeze=False, sharex=True)[0]
  for i, (ax, name) in enumerate(zip(axes, present)):
    found = results[f"k{shots}/{name}"]
    problem = getattr(config.paths, _PROBLEMS[name])
    share = 100 * found["settled_SxB"].mean()
    held = f"$\\lambda$ = {problem.strength:g}"
    style.letter(ax, i, f"K = {shots}, {held}; {share:.0f} % of tasks settle")
    kinds = [kind for kind in _KINDS if f"{kind}_WxS" in found]
    names = list(found["names_W"][1:])
    for j, kind in enumerate(kinds):
      look = _KINDS[kind]
      values_SxW = found[f"{kind}_WxS"][1:].T.clip(_LEAST)
      mean, low, high = style.band(values_SxW, log=True)
      ax.errorbar(
        mean,
        np.arange(len(names)) + 0.18 * (j - (len(kinds) - 1) / 2),
        xerr=[mean - low.clip(_LEAST), high - mean],
        color=look.color,
        marker=look.marker,
        ls="",
        mfc="none",
        capsize=1.5,
        lw=0.9,
        label=look.label,
      )
    _margin(ax, config)
    reference = problem.reference
    ax.set(xscale="log", xlabel=f"relative distance from {reference}'s")
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
  style.legend(fig, axes, 3)
  return fig


def _margin(ax, config: config_lib.Sinusoid) -> None:
  """Where the claim on the implicit meta-gradient draws its line."""
  claim = config.claims.get("imaml-path-independent")
  if claim is not None:
    ax.axvline(
      claim.margins["implicit"][1],
      color=style.GREY,
      lw=0.8,
      ls="--",
      label="margin of the claim",
    )


TABLE = (
  figures.Figure(
    "1_errors",
    errors,
    "Error on query points against the number of inner steps. Lines: geometric"
    " mean over seeds of the mean over tasks; bands: its 95 % t-interval."
    " Reptile, iMAML, the pretrained network, the oracle and the untrained"
    " network are given, for each number of steps, the step size that is best"
    " on other tasks; the others keep that of training. A curve that leaves the"
    " frame diverges.",
  ),
  figures.Figure(
    "2_fitted_functions",
    fitted,
    "Functions fitted to the first tasks of the first seed, before adaptation,"
    " after one step and after all.",
  ),
  figures.Figure(
    "3_summary",
    summary,
    "The same errors, every method side by side, with 95 % t-intervals over"
    " seeds. Vertical lines: what costs nothing to know.",
  ),
  figures.Figure(
    "4_paths",
    paths,
    "iMAML's meta-gradient from the same trained start on the same tasks, by"
    " several ways down its inner problem: relative distance from that of plain"
    " gradient descent. Settled: every way has come to its end; the others rest"
    " on a kink of ReLU. Left: an inner problem strongly held to the start;"
    " right: as in training. Geometric mean over seeds with its 95 %"
    " t-interval; below 1e-6 drawn there; 100: that or further, overflow"
    " included.",
  ),
)
