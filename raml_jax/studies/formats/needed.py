"""How many examples, or tokens, it takes to learn, and what bounds say of it.

A model has learned at the first size at which its share of right answers
reaches a threshold. Between that size and the one before it, accuracy is taken
as linear in the logarithm of the size. Where the first size is enough, or the
last is not, only a bound is known: that is what `Needed` holds.

Two formats are compared by the logarithm of their ratio, seed by seed. Where
bounds allow several values, the one nearest to 0 is taken. So the sign is never
one that the runs do not show, and the difference never larger than they show.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Needed(NamedTuple):
  """Bounds on log2 of what each seed needs; equal where it is known.

  Attributes:
    low_S: at least this; -inf where the first size was enough.
    high_S: at most this; inf where the last size was not enough.
  """

  low_S: np.ndarray
  high_S: np.ndarray


def needed(
  right_SxN: np.ndarray, amount_SxN: np.ndarray, threshold: float
) -> Needed:
  """What it takes to reach a share of right answers.

  Args:
    right_SxN: share of right answers at each of N sizes.
    amount_SxN: these sizes, in examples or tokens, ascending.
    threshold: the share.
  """
  rows = [
    _crossing(right_N, np.log2(amount_N), threshold)
    for right_N, amount_N in zip(right_SxN, amount_SxN, strict=True)
  ]
  return Needed(*np.array(rows).T)


def _crossing(right_N, log_N, threshold) -> tuple[float, float]:
  reached_N = right_N >= threshold
  if not reached_N.any():
    return log_N[-1], np.inf
  k = int(np.argmax(reached_N))
  if k == 0:
    return -np.inf, log_N[0]
  share = (threshold - right_N[k - 1]) / (right_N[k] - right_N[k - 1])
  at = log_N[k - 1] + share * (log_N[k] - log_N[k - 1])
  return at, at


def log_ratio(slow: Needed, fast: Needed) -> tuple[np.ndarray, np.ndarray]:
  """log2 of what `slow` needs over what `fast` needs.

  Returns:
    (value_S, told_S): the value nearest to 0 that the bounds allow, and whether
    they tell the sign at all.
  """
  low_S = slow.low_S - fast.high_S
  high_S = slow.high_S - fast.low_S
  return np.clip(0.0, low_S, high_S), ~((low_S < 0) & (high_S > 0))


def advantage(
  slow: tuple[np.ndarray, np.ndarray], fast: tuple[np.ndarray, np.ndarray]
) -> np.ndarray | None:
  """How far the curve of `fast` is above that of `slow`, on the average.

  Over the logarithm of the size, where both were measured. Nothing in it hangs
  on a threshold or a bound.

  Args:
    slow: (right_SxN, amount_SxN) of one format.
    fast: of the other.

  Returns:
    fast - slow, per seed; None where the sizes have no range in common.
  """
  amounts = [amount_SxN for _, amount_SxN in (slow, fast)]
  low = max(amount_SxN[:, 0].max() for amount_SxN in amounts)
  high = min(amount_SxN[:, -1].min() for amount_SxN in amounts)
  if low >= high:
    return None
  return _mean(*fast, low, high) - _mean(*slow, low, high)


def _mean(right_SxN, amount_SxN, low, high) -> np.ndarray:
  """The mean of a piecewise linear curve between two sizes."""
  out = []
  for right_N, amount_N in zip(right_SxN, np.log2(amount_SxN)):
    ends = np.log2([low, high])
    inside_N = (amount_N > ends[0]) & (amount_N < ends[1])
    at = np.sort(np.concatenate([ends, amount_N[inside_N]]))
    values = np.interp(at, amount_N, right_N)
    out.append(np.trapezoid(values, at) / (ends[1] - ends[0]))
  return np.array(out)
