"""Figures of the learned-optimizer study: curves, tuning, distances."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from raml_jax.config import learned_optimizer as config_lib
from raml_jax.plotting import figures
from raml_jax.plotting import style

Results = Mapping[str, Mapping[str, np.ndarray]]

_PROBLEMS = {
  "quadratics": "random quadratics",
  "regression": "linear regression",
}
_CRITERIA = {
  "area": "rivals tuned for their mean loss",
  "final": "rivals tuned for their final loss",
}
_LOOKS = {
  "learned": style.Look(style.VERMILLION, "D", "-", "learned"),
  "sgd": style.Look(style.BLACK, "o", "--", "SGD"),
  "momentum": style.Look(style.BLUE, "s", "--", "momentum"),
  "nesterov": style.Look(style.SKY, "^", "-.", "Nesterov"),
  "rmsprop": style.Look(style.GREEN, "v", "-.", "RMSProp"),
  "adam": style.Look(style.PURPLE, "P", (0, (5, 1, 1, 1)), "Adam"),
  "other_problem": style.Look(
    style.ORANGE, "x", ":", "learned on the other problem"
  ),
  "untrained": style.Look(style.GREY, "+", ":", "learned rule, untrained"),
}
# Losses below this are rounding, relative to the first.
_ROUNDING = 1e-12
_CANDIDATES = {
  "learned": "learned on the answers",
  "learned_curve": "learned on whole curves",
  "sgd": "gradient descent, tuned",
  "momentum": "momentum, tuned",
  "nesterov": "Nesterov, tuned",
  "rmsprop": "RMSProp, tuned",
  "adam": "Adam, tuned",
  "conjugate": "conjugate gradients",
  "adaptive": "adaptive two-term",
  "least_squares": "least squares",
}
_QUANTITIES = {
  "path": style.Look(style.BLUE, "o", "", "updates on the chain's own path"),
  "interventions": style.Look(
    style.VERMILLION, "D", "", "updates under interventions"
  ),
  "free": style.Look(style.GREEN, "^", "", "free-running iterates"),
}
_LEAST, _MOST = 1e-7, 10.0


def candidate(name: str) -> str:
  """What a candidate of the comparison is called."""
  return _CANDIDATES.get(name, name)


def chain(name: str, config: config_lib.LearnedOptimizer) -> str:
  """What a chain of thought is called, with its length."""
  job = config.chains.job
  if name == "imitation":
    return f"imitation, K = {job.imitation.steps}"
  if name == "untrained":
    return f"untrained, K = {max(job.outcome.steps)}"
  return style.label(name)


def chains(results: Results) -> dict[str, Mapping[str, np.ndarray]]:
  """What was measured of every chain, by name, in the order of `style`."""
  found = {
    name.removeprefix("chains/"): arrays
    for name, arrays in results.items()
    if name.startswith("chains/")
  }
  return dict(sorted(found.items(), key=lambda item: style.rank(item[0])))


@style.styled
def curves(results: Results, config: config_lib.LearnedOptimizer):
  """Figure 1: loss against step, in and beyond the training length."""
  fig = style.new(style.WIDE, 5.2)
  axes = fig.subplots(2, 2, squeeze=False, sharex=True, sharey="col")
  for column, (problem, title) in enumerate(_PROBLEMS.items()):
    found = results[f"{problem}/curves"]
    for row, (criterion, words) in enumerate(_CRITERIA.items()):
      ax = axes[row, column]
      style.letter(ax, 2 * row + column, f"{title}; {words}")
      for name, look in _LOOKS.items():
        key = f"{name}/{criterion}" if name in config_lib.RIVALS else name
        _curve(ax, found[f"{key}/loss_SxT"], look)
      ax.axvline(config.length, color=style.GREY, lw=0.8, ls=(0, (6, 2)))
      ax.set(xscale="log", yscale="log")
      if row:
        ax.set_xlabel("inner step")
      if not column:
        ax.set_ylabel("loss, mean over tasks")
  axes[0, 0].annotate(
    "training length",
    (config.length, 0.02),
    xycoords=("data", "axes fraction"),
    xytext=(-2, 0),
    textcoords="offset points",
    ha="right",
    color=style.GREY,
  )
  style.legend(fig, axes.ravel(), 4)
  return fig


def _curve(ax, loss_SxT, look) -> None:
  floor = _ROUNDING * loss_SxT[:, :1]
  mean, low, high = style.band(np.maximum(loss_SxT, floor)[:, 1:], log=True)
  t = np.arange(1, len(mean) + 1)
  ax.plot(t, mean, color=look.color, ls=look.line, label=look.label)
  ax.fill_between(t, low, high, color=look.color, alpha=0.2)


@style.styled
def tuning(results: Results, config: config_lib.LearnedOptimizer):
  """Figure 2: what each rival was tuned by, against its step size."""
  fig = style.new(style.WIDE, 4.6)
  axes = fig.subplots(2, 2, squeeze=False, sharex=True)
  for column, (problem, title) in enumerate(_PROBLEMS.items()):
    found = results[f"{problem}/tuning"]
    learned_SxT = results[f"{problem}/curves"]["learned/loss_SxT"]
    levels = {
      "area": learned_SxT[:, 1 : config.length + 1].mean(),
      "final": learned_SxT[:, config.length].mean(),
    }
    for row, (criterion, words) in enumerate(_CRITERIA.items()):
      ax = axes[row, column]
      style.letter(ax, 2 * row + column, f"{title}; {words}")
      for name in config_lib.RIVALS:
        _tuned(ax, found, name, criterion)
      look = _LOOKS["learned"]
      ax.axhline(
        levels[criterion],
        color=look.color,
        lw=0.9,
        label="learned, on evaluation tasks",
      )
      ax.set(xscale="log", yscale="log")
      if row:
        ax.set_xlabel("step size")
      if not column:
        ax.set_ylabel("mean loss" if criterion == "area" else "final loss")
  style.legend(fig, axes.ravel(), 6)
  return fig


def _tuned(ax, found, name, criterion) -> None:
  look, prefix = _LOOKS[name], f"{name}/{criterion}"
  alpha_C, value_C = found[f"{prefix}/alpha_C"], found[f"{prefix}/value_C"]
  ax.plot(alpha_C, value_C, color=look.color, ls=look.line, label=look.label)
  ax.plot(
    found[f"{prefix}/alpha"],
    value_C.min(),
    marker=look.marker,
    color=look.color,
    ms=5,
    ls="",
    mec="white",
    mew=0.5,
  )


@style.styled
def distances(results: Results, config: config_lib.LearnedOptimizer):
  """Figure 3: every chain's distance from every rule."""
  found = chains(results)
  if not found:
    return None
  fig = style.new(style.WIDE, 3.9)
  axes = fig.subplots(1, len(found), squeeze=False, sharex=True, sharey=True)[0]
  for i, (ax, (name, arrays)) in enumerate(zip(axes, found.items())):
    style.letter(ax, i, chain(name, config))
    names = [str(label) for label in arrays["names_R"]]
    rows = np.arange(len(names))
    for offset, (quantity, look) in zip((-0.22, 0, 0.22), _QUANTITIES.items()):
      _dots(ax, rows + offset, arrays[f"{quantity}_SxR"], look)
    ax.set_yticks(rows, [candidate(label) for label in names])
    for row in rows[:-1]:
      ax.axhline(row + 0.5, color="#D0D0D0", lw=0.4)
    ax.set(xscale="log", xlim=(_LEAST / 2, 2 * _MOST))
    ax.set_xticks([1e-6, 1e-4, 1e-2, 1])
    ax.tick_params("y", length=0)
    ax.set_xlabel("relative squared distance")
  axes[0].set_ylim(len(names) - 0.5, -0.5)
  style.legend(fig, axes, 3)
  return fig


def _dots(ax, at, values_SxR, look) -> None:
  clipped = np.clip(values_SxR, _LEAST, _MOST)
  mean, low, high = style.band(clipped, log=True)
  ax.errorbar(
    mean,
    at,
    xerr=np.maximum(0, [mean - low, high - mean]),
    fmt=look.marker,
    color=look.color,
    mfc="none",
    elinewidth=0.8,
    label=look.label,
  )


TABLE = (
  figures.Figure(
    "1_curves",
    curves,
    "Loss of every iterate, mean over tasks (a task that diverges counts as 10"
    " times its first loss). Lines: geometric mean over seeds; bands: its 95 %"
    " t-interval. The learned rule is trained on windows of the first part, up"
    " to the dashed line; the same curve stands above and below.",
  ),
  figures.Figure(
    "2_tuning",
    tuning,
    "How the rivals were tuned, on tasks of their own: the criterion against"
    " the step size, the other numbers of each rule at the values chosen with"
    " it. Marks: the step size chosen. The line of the learned rule is what it"
    " reaches on the evaluation tasks.",
  ),
  figures.Figure(
    "3_distances",
    distances,
    "How far each chain of thought is from each rule. Updates: the share of the"
    " chain's updates that the rule's updates at the same places leave"
    " unexplained, one scale fitted on other tasks. Iterates: relative squared"
    " distance, the rule as it was tuned or learned. Geometric means over seeds"
    " with 95 % t-intervals; clipped at 1e-7 and 10.",
  ),
)
