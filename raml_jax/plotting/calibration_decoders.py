"""Figures of the calibration study: the softmax decoder."""

from __future__ import annotations

import numpy as np

from raml_jax.config import calibration as config_lib
from raml_jax.plotting import contestants
from raml_jax.plotting import style

Results = dict[str, dict[str, np.ndarray]]

_STAND_INS = ("other_question", "random_direction")
# (form, its first yardstick, whether marks are filled)
_FORMS = {
  "rank_one": ("at_reads", False),
  "preserving": ("constrained", True),
}


def of_decoders(what: str, xlabel: str):
  """A figure of "cosine" or "explained": losses in rows, parameters across."""

  @style.styled
  def draw(results: Results, config: config_lib.Calibration):
    if "decoder" not in config.parts:
      return None
    layers = config.decoder.layers
    parts = ("space of w", *(f"W_1, block {l + 1}" for l in range(layers)))
    parts = (*parts, "all that moves")
    names = ("straight_path", "gradient", "rotated", "untrained")
    names += contestants.CONTROLS
    fig = style.new(style.WIDE, 4.2)
    axes = fig.subplots(2, len(parts), sharey=True, sharex=True)
    for row, loss in enumerate(contestants.LOSSES):
      for g, part in enumerate(parts):
        ax = axes[row, g]
        style.letter(ax, row * len(parts) + g, f"{loss}: {part}")
        for y, name in enumerate(names):
          look = contestants.LOOKS[name]
          if g == 0 and name not in _STAND_INS:
            found = results[f"decoder/{name}"][f"weights/{loss}/{what}_S"]
            contestants.dot(ax, found, y, look)
          for form, (yardstick, filled) in _FORMS.items() if g else ():
            key = f"{form}/{yardstick}/{loss}/{what}_SxG"
            found = _of_name(results, name, key)[:, g - 1]
            shift = 0.15 if filled else -0.15
            contestants.dot(ax, found, y + shift, look, filled)
        ax.axvline(0.0, color=style.GREY, lw=0.5, zorder=0)
        labels = [contestants.LOOKS[name].label for name in names]
        ax.set_yticks(range(len(names)), labels)
        ax.set_xlim(-0.35, 1.05)
    axes[0, 0].invert_yaxis()
    for ax in axes[-1]:
      ax.set_xlabel(xlabel)
    contestants.legend(
      fig,
      axes[0, 0],
      (
        ("rank one, against the read-out's gradient", False),
        ("preserving, against the gradient that spares the question", True),
      ),
    )
    return fig

  return draw


def _of_name(results, name, key):
  """A decoder's, or that of a stand-in for the one taught descent."""
  if name in _STAND_INS:
    return results["decoder/gradient"][f"{name}/{key}"]
  return results[f"decoder/{name}"][key]


_CURVES = {
  "maml/second_order": style.Look(
    style.VERMILLION, "D", "-", "MAML, second order: inner steps"
  ),
  "maml/first_order": style.Look(
    style.ORANGE, "v", "-", "MAML, first order: inner steps"
  ),
  "maml/untrained": style.Look(
    style.GREY, "+", ":", "untrained, best step size: inner steps"
  ),
  "curves/gradient": style.Look(
    style.BLUE, "o", "-", "chain taught descent: tokens"
  ),
  "curves/straight_path": style.Look(
    style.GREEN, "^", "-", "chain taught the straight path"
  ),
  "curves/rotated": style.Look(
    style.PURPLE, "x", "-", "chain taught the rotated rule"
  ),
  "curves/descent": style.Look(
    style.BLACK, "", "--", "descent on w itself, the teacher"
  ),
}


@style.styled
def adaptation(results: Results, config: config_lib.Calibration):
  """Error per step, of chains and of inner loops; where predictions move."""
  if "maml" not in config.parts:
    return None
  fig = style.new(style.WIDE, 3.4)
  left, right = fig.subplots(1, 2, width_ratios=(1.7, 1))
  style.letter(left, 0, "error on query pairs")
  for name, look in _CURVES.items():
    mean, low, high = style.band(results[name]["error_SxT"], log=True)
    t = np.arange(len(mean))
    left.plot(
      t,
      mean,
      color=look.color,
      marker=look.marker,
      ls=look.line,
      mfc="none",
      label=look.label,
    )
    left.fill_between(t, low, high, color=look.color, alpha=0.2)
  left.axhline(
    config.decoder.task.d, color=style.GREY, lw=0.6, label="answering 0"
  )
  left.axvline(config.decoder.steps, color=style.GREY, lw=0.6, ls=":")
  left.set(
    yscale="log",
    xlabel="inner steps, or tokens (dotted: as trained)",
    ylabel="mean squared error",
  )
  left.xaxis.get_major_locator().set_params(integer=True)
  style.letter(right, 1, "cosine with the chain's step")
  for name in ("maml/second_order", "maml/first_order", "maml/untrained"):
    look, k = _CURVES[name], np.arange(1, config.decoder.steps + 1)
    for key, line in (("cosine_SxK", "-"), ("other_SxK", ":")):
      mean, low, high = style.band(results[name][key])
      label = "the same, another task's chain" if line == ":" else None
      right.plot(
        k,
        mean,
        color=look.color,
        marker=look.marker,
        ls=line,
        mfc="none",
        label=label,
      )
      right.fill_between(k, low, high, color=look.color, alpha=0.2)
  right.axhline(0.0, color=style.GREY, lw=0.5, zorder=0)
  right.set(xlabel="step", ylabel="predictions on query points")
  right.set_ylim(-0.5, 1.05)
  right.xaxis.get_major_locator().set_params(integer=True)
  style.legend(fig, (left, right), 3)
  return fig
