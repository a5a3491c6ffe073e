"""Figures of the study of formats: curves, what is needed, the sign in front.

`draw` of every figure takes `(summary, config)`; see `studies.formats.summary`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from raml_jax.config import formats as config_lib
from raml_jax.plotting import figures
from raml_jax.plotting import style

Arrays = Mapping[str, np.ndarray]
LOOKS = {
  "plain": style.Look(style.VERMILLION, "s", "-", "plain"),
  "reversed": style.Look(style.BLUE, "o", "--", "reversed"),
  "simplified": style.Look(style.GREEN, "^", "-.", "simplified scratchpad"),
  "detailed": style.Look(
    style.PURPLE, "D", (0, (5, 1, 1, 1)), "detailed scratchpad"
  ),
}
_UNTRAINED = style.Look(style.GREY, "", ":", "untrained (plain)")
_SHUFFLED = style.Look(style.BLACK, "X", "", "plain, answers shuffled")
PROTOCOLS = {"bare": "prompt alone", "led": "END sign in front"}
UNITS = {
  "examples": "distinct training examples",
  "tokens": "tokens of the distinct training examples",
}
# Lee et al. (2023), 3 digits, 6 layers of width 384.
PUBLISHED = {"reversed": 2500, "simplified": 2000, "detailed": 1000}


@style.styled
def curves(summary: Arrays, config: config_lib.Formats):
  """Exact match over the number of examples, and over their tokens."""
  protocols = _protocols(summary, config)
  fig = style.new(style.WIDE, 0.9 + 2.2 * len(protocols))
  axes = fig.subplots(len(protocols), len(UNITS), squeeze=False, sharey=True)
  threshold = config.measure.threshold
  for i, ax in enumerate(axes.ravel()):
    protocol = protocols[i // len(UNITS)]
    unit, words = list(UNITS.items())[i % len(UNITS)]
    style.letter(ax, i, PROTOCOLS[protocol])
    ax.axhline(
      threshold,
      color=style.GREY,
      lw=0.7,
      ls="--",
      label=f"threshold, {_percent(threshold)}",
    )
    for format in config.sizes:
      amount_N = summary[f"{format}/{unit}_SxN"].mean(axis=0)
      right_SxN = summary[f"{format}/{protocol}/right_SxN"]
      _curve(ax, amount_N, right_SxN, LOOKS[format])
    if "plain" in config.sizes:
      _controls(ax, summary, unit, protocol)
    ax.set(xscale="log", xlabel=words, ylim=(-0.03, 1.04))
    _few_ticks(ax)
    if i % len(UNITS) == 0:
      ax.set_ylabel("exact match, held-out questions")
  style.legend(fig, axes.ravel(), 4)
  return fig


def _protocols(summary, config) -> list[str]:
  """In which the runs of the comparison were asked."""
  first = next(iter(config.sizes))
  return [p for p in PROTOCOLS if f"{first}/{p}/right_SxN" in summary]


def _curve(ax, amount_N, right_SxN, look) -> None:
  mean, low, high = style.band(right_SxN)
  ax.errorbar(
    amount_N,
    mean,
    yerr=[mean - low, high - mean],
    color=look.color,
    marker=look.marker,
    ls=look.line,
    mfc="none",
    elinewidth=0.8,
    capsize=2,
    label=look.label,
  )


def _controls(ax, summary, unit, protocol) -> None:
  """Untrained as a line, shuffled answers at their size."""
  mean = summary[f"plain/untrained/{protocol}/right_S"].mean()
  ax.axhline(
    mean, color=_UNTRAINED.color, ls=_UNTRAINED.line, label=_UNTRAINED.label
  )
  right_S = summary[f"plain/shuffled/{protocol}/right_S"]
  at = summary[f"plain/{unit}_SxN"][:, -1:].mean(axis=0)
  _curve(ax, at, right_S[:, None], _SHUFFLED)


@style.styled
def needed(summary: Arrays, config: config_lib.Formats):
  """What each seed needs to reach the threshold."""
  protocols = _protocols(summary, config)
  fig = style.new(style.WIDE, 2.7)
  axes = fig.subplots(1, len(UNITS), squeeze=False, sharey=True)[0]
  for i, (ax, (unit, words)) in enumerate(zip(axes, UNITS.items())):
    style.letter(ax, i, f"{unit} to {_percent(config.measure.threshold)}")
    for row, format in enumerate(config.sizes):
      for protocol in protocols:
        shift = 0.17 * (len(protocols) - 1) * (1 if protocol == "led" else -1)
        _needed(ax, summary, format, protocol, unit, row + shift)
    ax.set(xscale="log", xlabel=words)
    _few_ticks(ax)
  for row, format in enumerate(config.sizes):
    if format in PUBLISHED:
      axes[0].plot(PUBLISHED[format], row, "x", color=style.GREY, ms=5)
  _key(axes[0], protocols)
  axes[0].set_yticks(
    range(len(config.sizes)), [LOOKS[name].label for name in config.sizes]
  )
  axes[0].set_ylim(len(config.sizes) - 0.5, -0.5)
  style.legend(fig, axes, 3)
  return fig


# Of a mark: whether it is a value or a bound, and in which protocol.
_KINDS = {"o": "", ">": ", more than", "<": ", at most"}


def _needed(ax, summary, format, protocol, unit, at) -> None:
  """One dot a seed, or an arrow's head where only a bound is known."""
  prefix = f"{format}/{protocol}/{unit}"
  low_S, high_S = summary[f"{prefix}/low_S"], summary[f"{prefix}/high_S"]
  look = LOOKS[format]
  spread_S = at + np.linspace(-0.1, 0.1, len(low_S))
  for marker, chosen_S, value_S in (
    ("o", low_S == high_S, low_S),
    (">", np.isinf(high_S), low_S),
    ("<", np.isinf(low_S), high_S),
  ):
    ax.plot(
      2.0 ** value_S[chosen_S],
      spread_S[chosen_S],
      marker,
      color=look.color,
      mfc=look.color if protocol == "led" else "none",
    )


def _key(ax, protocols) -> None:
  """Entries of the legend, without a format's colour."""
  for marker, ending in _KINDS.items():
    for protocol in protocols:
      face = style.BLACK if protocol == "led" else "none"
      text = f"{PROTOCOLS[protocol]}{ending}"
      ax.plot([], [], marker, color=style.BLACK, mfc=face, label=text)
  ax.plot(
    [],
    [],
    "x",
    color=style.GREY,
    ms=5,
    label="published, 3 digits, 6 layers of 384",
  )


def _few_ticks(ax) -> None:
  from matplotlib import ticker

  ax.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
  ax.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,.0f}"))
  ax.xaxis.set_minor_formatter(ticker.NullFormatter())
  ax.tick_params(axis="x", labelrotation=45)


def _percent(share: float) -> str:
  return f"{100 * share:g} %"


@style.styled
def artefact(summary: Arrays, config: config_lib.Formats):
  """What the sign in front of the prompt does."""
  bars = [
    (f"{LOOKS[name].label}, windows begin anywhere", f"{name}/cut/{{}}/right_S")
    for name in config.sizes
    if f"{name}/cut/bare/right_S" in summary
  ]
  if "plain" in config.sizes:
    bars.append((_SHUFFLED.label, "plain/shuffled/{}/right_S"))
    bars.append((_UNTRAINED.label, "plain/untrained/{}/right_S"))
  if not bars:
    return None
  fig = style.new(style.WIDE, 2.2)
  ax = fig.subplots()
  for j, (protocol, words) in enumerate(PROTOCOLS.items()):
    values = [summary[key.format(protocol)] for _, key in bars]
    mean, low, high = style.band(np.stack(values, axis=1))
    ax.barh(
      np.arange(len(bars)) + 0.4 * j - 0.2,
      mean,
      0.38,
      xerr=[mean - low, high - mean],
      color=(style.SKY, style.ORANGE)[j],
      error_kw={"elinewidth": 0.8, "capsize": 2},
      label=words,
    )
  ax.set_yticks(range(len(bars)), [text for text, _ in bars])
  ax.set_ylim(len(bars) - 0.5, -0.5)
  ax.set(xlim=(0, 1.02), xlabel="exact match, held-out questions")
  style.legend(fig, [ax], 2)
  return fig


TABLE = (
  figures.Figure(
    "1_curves",
    curves,
    "Share of held-out questions answered exactly, over the number of distinct"
    " training examples and, of the same runs, over the tokens that these have."
    " Bars are 95 % t-intervals over seeds.",
  ),
  figures.Figure(
    "2_needed",
    needed,
    "What each seed needs to reach the threshold, by interpolation between"
    " sizes: one mark a seed. An arrow's head says that only a bound is known.",
  ),
  figures.Figure(
    "3_artefact",
    artefact,
    "Exact match without and with the sign in front of the prompt, at the"
    " largest size, where windows of the training stream begin anywhere; and of"
    " the controls. Bars are 95 % t-intervals over seeds.",
  ),
)
