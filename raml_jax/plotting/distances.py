"""Distances from descent out of distribution, and from MAML's own steps."""

from __future__ import annotations

import numpy as np

from raml_jax.config import maml_vs_cot as config_lib
from raml_jax.plotting import style
from raml_jax.plotting import updates

# Distances are clipped to this range: exact rules leave rounding only.
_LOW, _HIGH = 1e-8, 10.0
_CONTROLS = ("rotated", "untrained")


@style.styled
def tracking(results: updates.Results, config: config_lib.MamlVsCot, arm: str):
  """Figure 6: distance to descent under every shift of the task."""
  who = updates.contestants(results, arm)
  shifts = sorted(config.measure.shifts)
  judged = [n for n in who if n == "direct" or n.startswith("outcome_")]
  maml = [n for n in who if n.startswith("maml_")]
  taught = [n for n in who if n not in judged and n not in maml]
  controls = [name for name in _CONTROLS if name in who]
  panels = [
    ("taught on a path, and controls", taught),
    ("judged by the answer, and controls", [*judged, *controls]),
    ("MAML, and controls", [*maml, *controls]),
  ]
  panels = [(t, names) for t, names in panels if set(names) - set(controls)]
  if not panels or not shifts:
    return None
  fig = style.new(style.WIDE, 1.5 * len(panels) + 1.3)
  axes = fig.subplots(len(panels), 1, squeeze=False, sharex=True)[:, 0]
  for i, (ax, (title, names)) in enumerate(zip(axes, panels)):
    notes = style.lengths(names, marks=True)
    style.letter(ax, i, f"{title}; {notes}" if notes else title)
    offsets = np.linspace(-0.36, 0.36, len(names))
    for offset, name in zip(offsets, names):
      _dots(ax, offset, who[name]["tracking_SxH"], name)
    _margin_line(ax, config, "tracks-gd-out-of-distribution", "tracking")
    for h in range(len(shifts) - 1):
      ax.axvline(h + 0.5, color="#D0D0D0", lw=0.4)
    least = min(who[name]["tracking_SxH"].min() for name in names)
    ax.set(yscale="log", ylim=(np.clip(least, _LOW, 1e-2) / 4, 2 * _HIGH))
    ax.tick_params("x", length=0)
  fig.supylabel("relative squared distance to gradient descent", size=7)
  axes[-1].set_xlim(-0.5, len(shifts) - 0.5)
  labels = [_shift_label(shift) for shift in shifts]
  axes[-1].set_xticks(range(len(shifts)), labels)
  style.legend(fig, axes, 4)
  return fig


def _shift_label(shift: str) -> str:
  if shift.startswith("n_"):
    return shift.replace("_", " = ")
  return shift.replace("_", "\n", 1)


def _dots(ax, offset, values_SxH, name) -> None:
  """One mark per shift with its interval; a triangle where it is clipped."""
  look = style.look(name)
  mean, low, high = style.band(values_SxH.clip(_LOW, _HIGH), log=True)
  x = np.arange(len(mean)) + offset
  gone = (values_SxH >= 0.999 * _HIGH).any(axis=0)
  low, high = low.clip(_LOW), high.clip(max=_HIGH)
  ax.errorbar(
    x,
    np.where(gone, np.nan, mean),
    yerr=np.maximum(0, [mean - low, high - mean]),
    fmt=look.marker or "_",
    color=look.color,
    mfc=look.color if style.is_filled(name) else "none",
    elinewidth=0.8,
    label=look.label,
  )
  for x_ in x[gone]:
    ax.plot(x_, 1.4 * _HIGH, "^", color=look.color, ms=2.8, clip_on=False)


def _margin_line(ax, config, claim: str, quantity: str) -> None:
  spec = config.claims.get(claim)
  if spec is not None:
    ax.axhline(
      spec.margins[quantity][1],
      color=style.BLACK,
      lw=0.8,
      ls=(0, (6, 2)),
      label="margin of the claim",
    )


@style.styled
def steps(results: updates.Results, config: config_lib.MamlVsCot, arm: str):
  """Figure 7: step sizes beside their optima; distances of all iterates."""
  who = updates.contestants(results, arm)
  optimum = results.get(f"{arm}/optimum", {})
  lengths = config.outcome.steps
  panels = [
    ("MAML, shared step", lambda ax: _shared(ax, optimum)),
    ("MAML, per step", lambda ax: _per_step(ax, optimum)),
    ("chains, best-fitting step", lambda ax: _effective(ax, who, optimum)),
    *(
      (
        f"k = {k}: full solid, restr. dotted",
        lambda ax, k=k: _versus_outcome(ax, results, config, arm, k),
      )
      for k in lengths
    ),
    (
      "taught on a path, and controls",
      lambda ax: _versus_taught(ax, results, config, arm),
    ),
  ]
  rows = -(-len(panels) // 3)
  fig = style.new(style.WIDE, 1.9 * rows + 0.9)
  shown = []
  for ax, (title, draw) in zip(fig.subplots(rows, 3).ravel(), panels):
    if draw(ax):
      style.letter(ax, len(shown), title)
      ax.xaxis.get_major_locator().set_params(integer=True)
      shown.append(ax)
  for ax in set(fig.axes) - set(shown):
    ax.set_visible(False)
  style.legend(fig, [ax for ax in shown if ax.get_legend() is None], 5)
  return fig if shown else None


def _shared(ax, optimum) -> bool:
  ks = [k for k in range(1, 100) if f"maml_shared_k{k}/alpha_SxK" in optimum]
  if not ks:
    return False
  learned = [optimum[f"maml_shared_k{k}/alpha_SxK"][:, 0] for k in ks]
  best = [optimum[f"shared_k{k}"][0] for k in ks]
  _sizes(ax, ks, np.stack(learned, axis=1), best, style.BLUE)
  ax.set(xlabel="trained length k", ylabel=r"step size $\alpha$")
  return True


_BY_LENGTH = (style.SKY, style.GREEN, style.BLUE, style.PURPLE, style.ORANGE)


def _per_step(ax, optimum) -> bool:
  ks = [k for k in range(1, 100) if f"maml_per_step_k{k}/alpha_SxK" in optimum]
  for i, k in enumerate(ks):
    color = _BY_LENGTH[i % len(_BY_LENGTH)]
    learned_SxK = optimum[f"maml_per_step_k{k}/alpha_SxK"]
    best_K = optimum[f"per_step_k{k}"][:-1]
    _sizes(ax, np.arange(1, k + 1), learned_SxK, best_K, color)
    ax.annotate(
      f"k = {k}",
      (k, best_K[-1]),
      (-2, 2),
      textcoords="offset points",
      ha="right",
      color=color,
    )
  ax.set(xlabel="step, by size", ylabel=r"step size $\alpha_t$")
  _size_axis(ax)
  return bool(ks)


def _size_axis(ax) -> None:
  ax.set_yscale("log")
  ax.set_yticks([0.2, 0.5, 1, 2, 5])
  ax.yaxis.set_major_formatter("{x:g}")
  ax.yaxis.set_minor_formatter("")


def _sizes(ax, x, learned_SxK, best_K, color) -> None:
  ax.plot(x, best_K, color=style.BLACK, ls="--", lw=0.8, label="optimum")
  mean, low, high = style.band(learned_SxK)
  ax.errorbar(
    x,
    mean,
    yerr=np.maximum(0, [mean - low, high - mean]),
    fmt="o",
    color=color,
    mfc="none",
    elinewidth=0.8,
    label="MAML, learned" if color == style.BLUE else None,
  )


def _effective(ax, who, optimum) -> bool:
  names = [
    name
    for name in who
    if name.startswith("outcome_") or name == "imitation_maml"
  ]
  for name in names:
    look = style.look(name)
    mean, low, high = style.band(who[name]["eta_SxK"])
    t = np.arange(1, len(mean) + 1)
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
  for k in {who[name]["eta_SxK"].shape[1] for name in names}:
    if f"per_step_k{k}" in optimum:
      best_K = optimum[f"per_step_k{k}"][:-1]
      ax.plot(
        np.arange(1, k + 1),
        best_K,
        color=style.BLACK,
        ls="--",
        lw=0.8,
        label="best per step",
      )
  ax.set(xlabel="step", ylabel=r"step size $\eta_t$")
  _size_axis(ax)
  if names:
    seen = dict(zip(*reversed(ax.get_legend_handles_labels())))
    ax.legend(seen.values(), seen, loc="upper left", borderpad=0)
    ax.set_ylim(top=4 * ax.get_ylim()[1])  # Room for the legend.
  return bool(names)


def _versus_outcome(ax, results, config, arm, k) -> bool:
  drawn = False
  for kind, line in (("restricted", ":"), ("full", "-")):
    for variant in (
      "shared",
      "per_step",
      "per_coordinate",
      "preconditioner",
      "shrunk",
    ):
      maml = f"maml_{variant}_k{k}"
      found = results.get(f"{arm}/outcome_{kind}_k{k}_versus_{maml}")
      if found is not None:
        look = style.look(maml)._replace(line=line)
        drawn |= _distance(ax, found, look)
  return drawn and _finish(ax, config)


def _versus_taught(ax, results, config, arm) -> bool:
  drawn = False
  maml = f"maml_shared_k{config.decoys.steps}"
  for name in ("imitation_maml", *_CONTROLS):
    found = results.get(f"{arm}/{name}_versus_{maml}")
    if found is not None:
      drawn |= _distance(ax, found, style.look(name))
  return drawn and _finish(ax, config)


def _distance(ax, found, look) -> bool:
  values_SxK = found["distance_SxK"].clip(_LOW, 10 * _HIGH)
  mean, low, high = style.band(values_SxK, log=True)
  t = np.arange(1, len(mean) + 1)
  ax.plot(
    t,
    mean,
    color=look.color,
    ls=look.line,
    marker=look.marker,
    mfc="none",
    label=look.label,
  )
  ax.fill_between(t, low, high, color=look.color, alpha=0.2)
  return True


def _finish(ax, config) -> bool:
  _margin_line(ax, config, "maml-equals-imitation-cot", "iterates")
  ax.set(xlabel="step", ylabel="rel. sq. distance of iterates", yscale="log")
  return True
