"""The figure of a sweep: what every job found, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from raml_jax.plotting import figures
from raml_jax.plotting import style

_COLORS = {
  "supported": style.BLUE,
  "refuted": style.VERMILLION,
  "inconclusive": style.ORANGE,
  "": style.BLACK,
}
_MARKS = {"supported": "o", "refuted": "x", "inconclusive": "s", "": "D"}


class Panel(NamedTuple):
  """One quantity of all jobs, J of them.

  Attributes:
    title: what it is.
    unit: of it.
    interval_Jx3: estimate and ends; NaN where a job does not have it.
    verdict_J: of each, or "".
    margin: its ends; None where there is none.
  """

  title: str
  unit: str
  interval_Jx3: np.ndarray
  verdict_J: Sequence[str]
  margin: Sequence[float | None]


@style.styled
def overview(labels: Sequence[str], panels: Sequence[Panel]):
  """Figure 1: a row per job, a column per quantity."""
  if not labels or not panels:
    return None
  height = 1.1 + 0.2 * len(labels)
  fig = style.new(style.WIDE, height)
  axes = fig.subplots(1, len(panels), squeeze=False, sharey=True)[0]
  rows = np.arange(len(labels))
  for i, (ax, panel) in enumerate(zip(axes, panels)):
    style.letter(ax, i, panel.title)
    for row, (mean, low, high), verdict in zip(
      rows, panel.interval_Jx3, panel.verdict_J
    ):
      ax.errorbar(
        [mean],
        [row],
        xerr=[[mean - low], [high - mean]],
        fmt=_MARKS[verdict],
        color=_COLORS[verdict],
        mfc="none",
        elinewidth=0.8,
        label=verdict or None,
      )
    for edge in panel.margin:
      if edge is not None:
        ax.axvline(edge, color=style.BLACK, lw=0.8, ls="--", label="margin")
    ax.set_xlabel(panel.unit)
    ax.tick_params("y", length=0)
  axes[0].set_yticks(rows, labels)
  axes[0].set_ylim(len(labels) - 0.5, -0.5)
  style.legend(fig, axes, 4)
  return fig


TABLE = (
  figures.Figure(
    "1_overview",
    overview,
    "Every finished job: estimates with 95 % t-intervals over seeds where a"
    " claim was decided, the mean over seeds otherwise.",
  ),
)
