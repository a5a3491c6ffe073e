"""How everything looks: one colour, marker and line for each contestant.

Colours are those of Okabe and Ito, told apart by all common forms of colour
vision; markers and lines say the same again without colour.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
import functools
import io
import logging
import re
from typing import NamedTuple

import numpy as np

from raml_jax import statistics

WIDE, NARROW = 6.9, 3.3  # Inches: two columns of a paper, or one.
BLACK, GREY = "#000000", "#8C8C8C"
BLUE, SKY, GREEN = "#0072B2", "#56B4E9", "#009E73"
ORANGE, VERMILLION, PURPLE = "#E69F00", "#D55E00", "#CC79A7"

_RC = {
  "font.size": 7,
  "axes.titlesize": 7,
  "axes.labelsize": 7,
  "xtick.labelsize": 7,
  "ytick.labelsize": 7,
  "legend.fontsize": 7,
  "legend.frameon": False,
  "legend.handlelength": 2.4,
  "axes.linewidth": 0.6,
  "axes.spines.top": False,
  "axes.spines.right": False,
  "xtick.major.width": 0.6,
  "ytick.major.width": 0.6,
  "xtick.minor.width": 0.4,
  "ytick.minor.width": 0.4,
  "lines.linewidth": 1.1,
  "lines.markersize": 3.2,
  "patch.linewidth": 0.0,
  "pdf.fonttype": 42,
  "savefig.dpi": 200,
}


class Look(NamedTuple):
  """Of one contestant."""

  color: str
  marker: str
  line: str
  label: str


_LOOKS = {
  "gradient_descent": Look(BLACK, "", "--", "gradient descent"),
  "imitation": Look(BLUE, "o", "-", "imitation"),
  "imitation_maml": Look(SKY, "s", "-", "imitation of MAML"),
  "straight_path": Look(GREEN, "^", "-", "straight path"),
  "rotated": Look(PURPLE, "x", "--", "student of rotated"),
  "preconditioned": Look(GREEN, "P", "--", "student of precond."),
  "shrunk": Look(ORANGE, "v", "--", "student of shrunk"),
  "heavy_ball": Look(BLACK, "d", "-.", "student of heavy ball"),
  "untrained": Look(GREY, "+", ":", "untrained"),
  "direct": Look(PURPLE, "*", "-", "direct"),
  "outcome_full": Look(VERMILLION, "D", "-", "outcome, full"),
  "outcome_restricted": Look(BLUE, "h", "-", "outcome, restr."),
  "maml_shared": Look(BLUE, "o", "-", "MAML, shared"),
  "maml_per_step": Look(VERMILLION, "D", "-", "MAML, per step"),
  "maml_per_coordinate": Look(GREEN, "^", "-", "MAML, per coord."),
  "maml_preconditioner": Look(PURPLE, "p", "-", "MAML, precond."),
  "maml_shrunk": Look(ORANGE, "v", "-", "MAML, shrunk"),
}
_LENGTH = re.compile(r"(.*)_k(\d+)")
# Of the rivals, in the order of `theory.rules.TABLE`.
RULES = {
  "least_squares": "least sq.",
  "conjugate": "conj. grad.",
  "gradient": "gradient",
  "ridge": "ridge",
  "newton": "Newton",
  "shrunk": "shrunk",
  "momentum": "momentum",
  "gd_plus_plus": "GD++",
  "per_step": "per step",
  "rotated": "rotated",
  "preconditioned": "precond.",
  "adaptive": "adaptive",
}


def look(name: str) -> Look:
  """Of a contestant; its length K shows in its line (`lengths`)."""
  stem, k = _split(name)
  found = _LOOKS.get(stem, Look(BLACK, ".", "-", stem.replace("_", " ")))
  return found._replace(line=_LINES[_class(k)]) if k else found


def lengths(names: Iterable[str], marks: bool = False) -> str:
  """Which line, or mark, is which K, e.g. "k = 2 dashed, 5 solid"."""
  known = sorted({k for _, k in map(_split, names) if k})
  words = ("open", "filled", "filled") if marks else _WORDS
  if len(known) < 2:
    return ""
  return "k = " + ", ".join(f"{k} {words[_class(k)]}" for k in known)


def is_filled(name: str) -> bool:
  """Whether the marks of a contestant are filled: at the longer K."""
  return _class(_split(name)[1]) > 0


_LINES = ((0, (3, 1.2)), "-", (0, (5, 1, 1, 1)))
_WORDS = ("dashed", "solid", "dash-dotted")


def _class(k: int) -> int:
  return 0 if k <= 2 else 1 if k <= 5 else 2


def _split(name: str) -> tuple[str, int]:
  """("outcome_full", 5) of "outcome_full_k5"; 0 where there is no length."""
  found = _LENGTH.fullmatch(name)
  return (found[1], int(found[2])) if found else (name, 0)


def label(name: str) -> str:
  """Of a contestant, with its length."""
  _, k = _split(name)
  return look(name).label + (f", k = {k}" if k else "")


def rank(name: str) -> tuple:
  """Sorts contestants as they are listed above, shorter K first."""
  stem, k = _split(name)
  order = list(_LOOKS)
  return order.index(stem) if stem in order else len(order), stem, k


def styled(draw: Callable) -> Callable:
  """Decorates a function that makes a figure: fonts, lines, frames."""

  @functools.wraps(draw)
  def inner(*args, **kwargs):
    import matplotlib

    with matplotlib.rc_context(_RC):
      return draw(*args, **kwargs)

  return inner


def new(width: float, height: float):
  """An empty figure, without pyplot and its state."""
  from matplotlib import figure
  from matplotlib.backends import backend_agg

  fig = figure.Figure(figsize=(width, height), layout="constrained")
  backend_agg.FigureCanvasAgg(fig)
  fig.get_layout_engine().set(w_pad=0.03, h_pad=0.03)
  return fig


@styled
def rendered(fig) -> dict[str, bytes]:
  """The figure as {"png": bytes, "pdf": bytes}, the same bytes every time."""
  # It warns of the dates inside the fonts themselves.
  logging.getLogger("fontTools").setLevel(logging.ERROR)
  out = {}
  for kind, metadata in (
    ("png", {"Software": None}),
    ("pdf", {"CreationDate": None}),
  ):
    buffer = io.BytesIO()
    fig.savefig(buffer, format=kind, metadata=metadata)
    out[kind] = buffer.getvalue()
    # The layout is found: the second kind need not look for it again.
    fig.set_layout_engine("none")
  return out


def legend(fig, axes: Iterable, columns: int) -> None:
  """One legend for several axes, below them; each label once, its last line."""
  seen = {}
  for ax in axes:
    for handle, text in zip(*ax.get_legend_handles_labels()):
      seen[text] = handle
  if seen:
    fig.legend(seen.values(), seen, loc="outside lower center", ncols=columns)


def letter(ax, index: int, title: str) -> None:
  """Titles a panel "(a) ..."."""
  ax.set_title(f"({chr(ord('a') + index)}) {title}", loc="left")


def band(values_SxK, log: bool = False) -> np.ndarray:
  """Mean over seeds and the ends of its 95 % t-interval, [3, K].

  On a logarithmic scale all three are those of the logarithm. NaN where a value
  is not finite: a gap in the curve.
  """
  values_SxK = np.asarray(values_SxK, np.float64)
  if log:
    values_SxK = np.log10(values_SxK)
  columns = [
    statistics.t_interval(column_S)
    if np.isfinite(column_S).all()
    else (np.nan,) * 3
    for column_S in values_SxK.T
  ]
  out_3xK = np.array(columns).reshape(-1, 3).T
  return 10.0**out_3xK if log else out_3xK


def number(value: float) -> str:
  """Two or three digits, in at most five characters."""
  size = abs(value)
  if size != 0 and (size < 0.01 or size >= 1000):
    mantissa, exponent = f"{value:.0e}".split("e")
    return f"{mantissa}e{int(exponent)}"
  return f"{value:.3g}" if size >= 0.1 else f"{value:.2g}"
