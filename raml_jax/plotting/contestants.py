"""Contestants of the calibration study, and how one of them is drawn."""

from __future__ import annotations

import numpy as np

from raml_jax.plotting import style

LOSSES = {"answer": "loss of the answer", "support": "support loss"}
LOOKS = {
  "straight_path": style.Look(style.GREEN, "^", "-", "straight path"),
  "gradient": style.Look(style.BLUE, "o", "-", "gradient descent"),
  "gradient_of_straight": style.Look(
    style.SKY, "s", "-", "descent, the straight path's student's step"
  ),
  "shrunk": style.Look(style.ORANGE, "v", "-", "shrunk iterate"),
  "rotated": style.Look(style.PURPLE, "x", "-", "rotated by 60 degrees"),
  "outcome": style.Look(style.VERMILLION, "D", "-", "trained on its answer"),
  "untrained": style.Look(style.GREY, "+", ":", "untrained"),
  "shuffled_steps": style.Look(style.BLACK, "P", ":", "steps shuffled"),
  "other_question": style.Look(style.BLACK, "*", ":", "another question's"),
  "random_direction": style.Look(style.GREY, "d", ":", "random direction"),
}
CONTROLS = ("shuffled_steps", "other_question", "random_direction")


def _seen(values_S):
  """Mean over seeds and its interval, as `errorbar` takes it."""
  mean, low, high = style.band(np.asarray(values_S)[:, None])[:, 0]
  return mean, [[mean - low], [high - mean]]


def dot(ax, values_S, y, look, filled=True) -> None:
  """Mean over seeds and its 95 % t-interval, at height y."""
  mean, error = _seen(values_S)
  ax.errorbar(
    mean,
    y,
    xerr=error,
    color=look.color,
    marker=look.marker,
    mfc=None if filled else "none",
    ls="",
    capsize=1.5,
    lw=0.9,
  )


def legend(fig, ax, kinds) -> None:
  """Marks without data, that the legend explains."""
  for label, filled in kinds:
    ax.plot(
      [],
      [],
      "o",
      color=style.BLACK,
      mfc=None if filled else "none",
      label=label,
    )
  style.legend(fig, [ax], len(kinds))
