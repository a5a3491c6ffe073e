"""Intervals, and the rule by which a claim is decided.

*Supported*: the 95 % interval lies inside the margin; *refuted*: wholly
outside; else *inconclusive*. A claim with several parts is supported when all
of them are, and refuted when one of them is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import dataclasses
import math
from typing import NamedTuple

import numpy as np
from scipy import stats

SUPPORTED = "supported"
REFUTED = "refuted"
INCONCLUSIVE = "inconclusive"


class Interval(NamedTuple):
  """An estimate and the ends of its 95 % interval."""

  estimate: float
  low: float
  high: float


def t_interval(values_S: Sequence[float], level: float = 0.95) -> Interval:
  """Student's interval for the mean of independent training seeds.

  A percentile bootstrap over 5 seeds covers 84 % where it promises 95 %; the
  t interval keeps its promise for near-normal seed means.

  Raises:
    ValueError: fewer than two values, or a value that is not finite.
  """
  values = np.asarray(values_S, np.float64)
  if values.size < 2 or not np.all(np.isfinite(values)):
    raise ValueError(f"an interval needs two finite values, got {values}")
  mean = float(values.mean())
  error = float(values.std(ddof=1)) / math.sqrt(values.size)
  half = float(stats.t.ppf(0.5 + level / 2, values.size - 1)) * error
  return Interval(mean, mean - half, mean + half)


def bootstrap_interval(
  values_B: Sequence[float], level: float = 0.95, draws: int = 1000, seed=0
) -> Interval:
  """Percentile bootstrap of the mean over tasks, within one seed."""
  values = np.asarray(values_B, np.float64)
  rng = np.random.default_rng(seed)
  means = values[rng.integers(values.size, size=(draws, values.size))].mean(1)
  tail = 50 * (1 - level)
  low, high = np.percentile(means, [tail, 100 - tail])
  return Interval(float(values.mean()), float(low), float(high))


def share_interval(right: int, asked: int, level: float = 0.95) -> Interval:
  """Wilson's interval for a share, of one trained model over questions."""
  found = stats.binomtest(int(right), int(asked))
  low, high = found.proportion_ci(level, method="wilson")
  return Interval(right / asked, float(low), float(high))


def pass_at_k(correct_B: Sequence[int], samples: int, k: int) -> float:
  """Chance that one of k answers is right: E[1 - C(n - c, k) / C(n, k)].

  Chen et al. 2021, eq. 1.

  Args:
    correct_B: c, right answers to each question.
    samples: n, answers sampled to each, at least k.
    k: at least 1.
  """
  _check_k(samples, k)
  none_B = stats.hypergeom.pmf(0, samples, np.asarray(correct_B), k)
  return float(np.mean(1 - none_B))


def mg_pass_at_k(correct_B: Sequence[int], samples: int, k: int) -> float:
  """How surely more than half of k answers are right.

  (2 / k) sum_{i > ceil(k / 2)}^k P(at least i of k are right), the mG-Pass@k of
  RaML (arXiv 2505.19815). A perfect model scores 1 for even k only.

  Args:
    correct_B: c, right answers to each question.
    samples: n, answers sampled to each, at least k.
    k: at least 1.
  """
  _check_k(samples, k)
  least_I = np.arange(math.ceil(k / 2) + 1, k + 1)
  correct_Bx1 = np.asarray(correct_B)[:, None]
  some_BxI = stats.hypergeom.sf(least_I - 1, samples, correct_Bx1, k)
  return float(2 / k * some_BxI.sum(axis=1).mean())


def _check_k(samples: int, k: int) -> None:
  if not 1 <= k <= samples:
    raise ValueError(f"k = {k}: must be 1 to samples = {samples}")


@dataclasses.dataclass(frozen=True)
class Claim:
  """What is asserted, fixed in the config before the run.

  Attributes:
    id: its name in `results/claims.json`.
    statement: one sentence.
    criterion: the margins in words.
    margins: quantity -> (low, high); None where that side is open.
    unit: of the estimate.
    controls: names of the controls that must stand beside it.
    by_construction: true of the model whatever the data say.
  """

  id: str
  statement: str
  criterion: str
  margins: Mapping[str, tuple[float | None, float | None]]
  unit: str
  controls: tuple[str, ...]
  by_construction: bool = False


@dataclasses.dataclass(frozen=True)
class Part:
  """One measured quantity of a claim.

  Attributes:
    quantity: the key of its margin.
    where: the arm, the step or whatever tells it from its siblings.
    values_S: one value per training seed.
  """

  quantity: str
  where: str
  values_S: Sequence[float]


def decide(interval: Interval, margin) -> str:
  """The verdict on one interval."""
  low, high = _ends(margin)
  if low <= interval.low and interval.high <= high:
    return SUPPORTED
  if interval.high < low or interval.low > high:
    return REFUTED
  return INCONCLUSIVE


def slack(interval: Interval, margin) -> float:
  """Distance from the interval to the nearest edge, in margin widths.

  Negative when the interval sticks out. An open side never binds; the width is
  then that of the other edge from 0, or 1 where that edge is 0.
  """
  low, high = _ends(margin)
  finite = [abs(edge) for edge in (low, high) if math.isfinite(edge)]
  width = high - low if len(finite) == 2 else max(finite) or 1.0
  return min(interval.low - low, high - interval.high) / width


def judge(
  claim: Claim,
  parts: Sequence[Part],
  controls: Mapping[str, Sequence[float]],
  tasks: int,
) -> dict:
  """Decides a claim; a row of `claims.json`, every number in it finite.

  The row's estimate is that of the part that decides: of those with the claim's
  verdict, the one nearest to (or furthest beyond) its margin. All are listed.

  Args:
    claim: the claim.
    parts: its measured quantities.
    controls: name -> values per seed, in the unit of the deciding part.
    tasks: evaluation tasks per seed.

  Raises:
    ValueError: no parts, or a declared control is missing.
  """
  missing = set(claim.controls) - set(controls)
  if missing or not parts:
    raise ValueError(f"claim {claim.id}: missing {missing or 'parts'}")
  rows = []
  for part in parts:
    margin = claim.margins[part.quantity]
    interval = t_interval(part.values_S)
    rows.append(
      {
        "quantity": part.quantity,
        "where": part.where,
        **interval._asdict(),
        "worst_seed": max(
          (float(v) for v in part.values_S),
          key=lambda v: -slack(Interval(v, v, v), margin),
        ),
        "margin": list(margin),
        "verdict": decide(interval, margin),
        "slack": slack(interval, margin),
      }
    )
  verdicts = {row["verdict"] for row in rows}
  if REFUTED in verdicts:
    verdict = REFUTED
  else:
    verdict = INCONCLUSIVE if INCONCLUSIVE in verdicts else SUPPORTED
  # Among the parts that decide: a refuted one, not merely a wide one.
  deciding = [row for row in rows if row["verdict"] == verdict]
  nearest = min(deciding, key=lambda row: row["slack"])
  return {
    "id": claim.id,
    "statement": claim.statement,
    "criterion": claim.criterion,
    "verdict": verdict,
    **{name: nearest[name] for name in Interval._fields},
    "unit": claim.unit,
    "deciding_part": f"{nearest['quantity']} ({nearest['where']})",
    "seeds": len(parts[0].values_S),
    "tasks": tasks,
    "by_construction": claim.by_construction,
    "controls": {
      name: t_interval(values)._asdict() for name, values in controls.items()
    },
    "parts": rows,
  }


def _ends(margin):
  low, high = margin
  return (
    -math.inf if low is None else low,
    math.inf if high is None else high,
  )
