"""Tables in Markdown, and the claims of a report as such."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from raml_jax import statistics

# How a report is read; stands above its claims.
READING = (
  "Numbers are the median over seeds, [95 % t-interval of the mean over"
  " seeds], and where it matters the worst seed. A claim is supported if the"
  " interval of every part lies inside its margin, refuted if one lies wholly"
  " outside, else inconclusive. `python -m experiments.report"
  " --workdir=DIR` draws and writes all of this again."
)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
  """Lines of a Markdown table, empty without rows."""
  rows = list(rows)
  if not rows:
    return []
  lines = [head, ["---"] * len(head), *rows]
  return ["", *(f"| {' | '.join(line)} |" for line in lines)]


def cell(values_S, worst: bool = False) -> str:
  """Median over seeds, 95 % t-interval of the mean and, if asked, the worst.

  The worst is the largest: for errors and distances alone.
  """
  values_S = np.asarray(values_S, np.float64)
  if not np.isfinite(values_S).all():
    return "not finite"
  _, low, high = statistics.t_interval(values_S)
  text = f"{number(np.median(values_S))} [{number(low)}, {number(high)}]"
  return f"{text}, worst {number(values_S.max())}" if worst else text


def number(value: float) -> str:
  """Four digits."""
  return f"{value:.4g}"


def claims(rows: list[dict]) -> list[str]:
  """The verdicts, each as bold as the others."""
  counts = {
    verdict: sum(row["verdict"] == verdict for row in rows)
    for verdict in (
      statistics.SUPPORTED,
      statistics.REFUTED,
      statistics.INCONCLUSIVE,
    )
  }
  summary = ", ".join(f"{n} {verdict}" for verdict, n in counts.items())
  return [
    "## Claims",
    "",
    f"{summary}.",
    *table(
      (
        "Verdict",
        "Claim",
        "Estimate",
        "Margin",
        "Decided by",
        "Controls",
        "Seeds",
      ),
      map(_claim, rows),
    ),
  ]


def _claim(row: dict) -> list[str]:
  deciding = next(
    part
    for part in row["parts"]
    if row["deciding_part"] == f"{part['quantity']} ({part['where']})"
  )
  note = " *Holds by construction.*" if row["by_construction"] else ""
  controls = "<br>".join(
    f"{name}: {_interval(found)}" for name, found in row["controls"].items()
  )
  return [
    f"**{row['verdict'].upper()}**",
    f"`{row['id']}`<br>{_text(row['statement'])}{note}<br>Criterion:"
    f" {_text(row['criterion'])}.",
    f"{_interval(row)}<br>{row['unit']}",
    _margin(deciding["margin"]),
    row["deciding_part"],
    controls or "none",
    str(row["seeds"]),
  ]


def _text(sentence: str) -> str:
  """Without what Markdown would take for its own."""
  return sentence.replace("|", "\\|").replace("*", "\\*")


def _interval(found: dict) -> str:
  low, high = number(found["low"]), number(found["high"])
  return f"{number(found['estimate'])} [{low}, {high}]"


def _margin(margin) -> str:
  low, high = margin
  if low is None:
    return f"at most {number(high)}"
  return (
    f"at least {number(low)}"
    if high is None
    else f"{number(low)} to {number(high)}"
  )


def parts(rows: list[dict]) -> list[str]:
  """Every part of every claim."""
  return table(
    ("Claim", "Part", "Estimate", "Worst seed", "Margin", "Verdict"),
    [
      [
        f"`{row['id']}`",
        f"{part['quantity']} ({part['where']})",
        _interval(part),
        number(part["worst_seed"]),
        _margin(part["margin"]),
        f"**{part['verdict']}**",
      ]
      for row in rows
      for part in row["parts"]
    ],
  )
