"""Curves against the step: errors, and cosines with the true gradient."""

from __future__ import annotations

import numpy as np

from raml_jax.config import maml_vs_cot as config_lib
from raml_jax.plotting import style
from raml_jax.plotting import updates

# Errors are clipped at this many times that of w = 0 (`theory.measure`).
DIVERGED = 10.0
_TAUGHT = (
  "imitation",
  "imitation_maml",
  "straight_path",
  "rotated",
  "preconditioned",
  "shrunk",
  "heavy_ball",
  "untrained",
)
_DESCENT = style.look("gradient_descent")
_CONJUGATE = style.Look(style.BLACK, "", ":", "conjugate gradients")


def diverged(error_SxK: np.ndarray, limit: float | None = None) -> np.ndarray:
  """Whether any seed is beyond the limit, [K] (that of its own w = 0)."""
  limit = DIVERGED * error_SxK[:, :1] if limit is None else limit
  return (error_SxK >= 0.999 * limit).any(axis=0)


def _panels(who) -> list[tuple[str, list[str]]]:
  """(title, contestants): taught, judged by the answer, MAML."""
  judged = [n for n in who if n == "direct" or n.startswith("outcome_")]
  if judged and "untrained" in who:
    judged.append("untrained")
  panels = [
    ("taught on a path, and controls", [n for n in who if n in _TAUGHT]),
    ("judged by the answer", judged),
    ("MAML", [name for name in who if name.startswith("maml_")]),
  ]
  return [(title, names) for title, names in panels if names]


@style.styled
def errors(results: updates.Results, config: config_lib.MamlVsCot, arm: str):
  """Figure 1: error against step; mean over tasks above, median below."""
  who = updates.contestants(results, arm)
  panels = _panels(who)
  if not panels:
    return None
  fig = style.new(style.WIDE, 4.8)
  axes = fig.subplots(2, len(panels), squeeze=False, sharex=True, sharey=True)
  for column, (title, names) in enumerate(panels):
    upper, lower = axes[:, column]
    style.letter(
      upper, column, "\n".join([title, style.lengths(names)]).strip()
    )
    _yardsticks(upper, lower, results, config, arm)
    for name in names:
      found, look = who[name], style.look(name)
      limit = DIVERGED * found["error_SxK"][:, 0].min()
      _error(upper, found["error_SxK"], limit, look)
      _error(lower, found["median_SxK"], limit, look)
    lower.set_xlabel("reasoning step k")
  first = axes[0, 0]
  _logarithmic(first, max(f["error_SxK"].shape[1] for f in who.values()) - 1)
  top = DIVERGED * max(f["error_SxK"][:, 0].mean() for f in who.values())
  first.set_ylim(top * 1e-5, 1.7 * top)
  first.set_ylabel("mean of " + _ERROR)
  axes[1, 0].set_ylabel("median of " + _ERROR)
  style.legend(fig, axes.ravel(), 4)
  return fig


_ERROR = r"$\|w_k - w^*\|^2$ over tasks"


def _logarithmic(ax, last: int) -> None:
  from matplotlib import ticker

  ax.set(xscale="log", yscale="log", xlim=(0.93, 1.07 * last))
  ax.set_xticks([k for k in (1, 2, 5, 10, 20, 50, 100, 200) if k <= last])
  ax.xaxis.set_major_formatter("{x:g}")
  ax.xaxis.set_minor_locator(ticker.NullLocator())


def _yardsticks(upper, lower, results, config, arm) -> None:
  found = results.get(f"{arm}/yardsticks", {})
  for label, look in (
    ("gradient_SxK", _DESCENT),
    ("conjugate_SxK", _CONJUGATE),
  ):
    if label in found:
      limit = DIVERGED * found[label][:, 0].min()
      _error(upper, found[label], limit, look)
  if "floor_SxK" in found:
    isotropic = config.arms[arm].kind == "isotropic"
    upper.axhline(
      found["floor_SxK"][:, 1].mean(),
      color=style.GREY,
      lw=0.8,
      ls="-.",
      label="one-step floor" if isotropic else "one step n/(n+d+1)",
    )
  descent = results.get(f"{arm}/gradient_descent")
  if descent is not None:
    limit = DIVERGED * descent["error_SxK"][:, 0].min()
    _error(lower, descent["median_SxK"], limit, _DESCENT)


def _error(ax, values_SxK, limit: float, look: style.Look) -> None:
  """A curve from k = 1 to where any seed diverges; a cross stands there."""
  gone_K = diverged(values_SxK, limit)
  end = int(gone_K.argmax()) if gone_K.any() else len(gone_K)
  mean, low, high = style.band(values_SxK[:, 1:end].clip(1e-12), log=True)
  k = np.arange(1, end)
  # A marker at every step would hide a long curve.
  marks = [i for i in range(end - 1) if i + 1 in (1, 2, 5, 10, 20, 50, 100)]
  ax.plot(
    k,
    mean,
    color=look.color,
    marker=look.marker,
    ls=look.line,
    markevery=marks,
    mfc="none",
    label=look.label,
  )
  ax.fill_between(k, low, high, color=look.color, alpha=0.25)
  if gone_K.any():
    last = mean[-1] if end > 1 else values_SxK[:, 0].mean()
    ax.plot(
      [max(end - 1, 1), end],
      [last, limit],
      color=look.color,
      ls=look.line,
      lw=0.6,
    )
    ax.plot(end, limit, "X", color=look.color, ms=4, mew=0, clip_on=False)


_CONTROLS = {
  "oracle": style.Look(style.BLACK, "", "-.", r"oracle $w^* - w_t$"),
  "shuffled": style.Look(style.GREY, "", "--", "shuffled steps"),
  "other_question": style.Look(style.GREY, "", "-", "another question"),
  "random": style.Look(style.BLACK, "", ":", "random direction"),
}


@style.styled
def cosines(results: updates.Results, config: config_lib.MamlVsCot, arm: str):
  """Figure 2: cosine of every update with the true gradient."""
  del config
  who = updates.contestants(results, arm)
  panels = _cosine_panels(who)
  if not panels:
    return None
  fig = style.new(style.WIDE, 4.3)
  axes = fig.subplots(2, 2, squeeze=False, sharey=True).ravel()
  for ax in axes[len(panels) :]:
    ax.set_visible(False)
  for i, (ax, (title, names)) in enumerate(zip(axes, panels)):
    notes = style.lengths(names)
    style.letter(ax, i, f"{title}; {notes}" if notes else title)
    for name in names:
      _cosine(ax, who[name]["cosine_SxK"], style.look(name))
    longest = max(names, key=lambda n: who[n]["cosine_SxK"].shape[1])
    for control, look in _CONTROLS.items():
      _cosine(ax, who[longest][f"{control}_SxK"], look)
    ax.set_xlabel("reasoning step t")
    ax.xaxis.get_major_locator().set_params(integer=True)
    if i % 2 == 0:
      ax.set_ylabel(r"cosine of update and $-\nabla L$")
  lowest = min(found["cosine_SxK"].mean(0).min() for found in who.values())
  axes[0].set_ylim(min(lowest, 0.0) - 0.15, 1.05)
  style.legend(fig, axes[: len(panels)], 4)
  return fig


def _cosine_panels(who):
  taught = [n for n in (*who,) if n in _TAUGHT or n == "gradient_descent"]
  length = {n: found["cosine_SxK"].shape[1] for n, found in who.items()}
  longest = max((length[n] for n in taught), default=0)
  panels = [
    ("taught, long paths", [n for n in taught if length[n] == longest]),
    ("taught, short paths", [n for n in taught if length[n] < longest]),
    *_panels(who)[1:],
  ]
  return [(title, names) for title, names in panels if names]


def _cosine(ax, values_SxK, look: style.Look) -> None:
  mean, low, high = style.band(values_SxK)
  t = np.arange(len(mean))
  ax.plot(
    t,
    mean,
    color=look.color,
    ls=look.line,
    marker=look.marker,
    mfc="none",
    label=look.label,
  )
  ax.fill_between(t, low, high, color=look.color, alpha=0.25)
