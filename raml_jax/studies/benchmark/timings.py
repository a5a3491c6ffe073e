"""Comparisons of two contenders, and what must hold before any is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import dataclasses
import math
import time
from typing import Any

import numpy as np

# Between turns, for the threads of the one before to fall asleep.
PAUSE = 0.05
# (worker, what it runs).
Contender = tuple[str, str]
# Losses and gradients of equal weights and tasks agree to this.
TOLERANCE = 1e-4


class BenchmarkError(RuntimeError):
  """The benchmark cannot or must not run; one line."""


@dataclasses.dataclass(frozen=True)
class Row:
  """One comparison, or why there is none: then all numbers are None.

  Attributes:
    work: what is timed.
    peer: with whom.
    mode: how ours was run.
    ours_ms: median milliseconds of ours.
    peer_ms: of the peer.
    ratio: median of peer over ours, in pairs.
    low: 10th percentile of these.
    high: 90th.
    fraction_of_peak: useful operations per second of ours over those of the
      machine's own fastest matrix product; 0 where none are counted.
    note: the error of a peer that cannot run.
  """

  work: str
  peer: str
  mode: str
  ours_ms: float | None = None
  peer_ms: float | None = None
  ratio: float | None = None
  low: float | None = None
  high: float | None = None
  fraction_of_peak: float | None = None
  note: str = ""


def table(rows: Sequence[Row]) -> str:
  """The rows as text, columns aligned."""
  names = [field.name for field in dataclasses.fields(Row)]
  cells = [names]
  for row in rows:
    cells.append(list(map(_cell, dataclasses.astuple(row))))
  widths = [max(map(len, column)) for column in zip(*cells)]
  return "\n".join(
    "  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip()
    for line in cells
  )


def say(text: str) -> None:
  """Tells the user what is under way."""
  print(f"{text} ...", flush=True)


def turns(
  workers: Mapping[str, Any], chunks: Mapping[Contender, int], sizes: Any
) -> dict[Contender, list[float]]:
  """Seconds per step of every contender, round by round.

  Args:
    workers: `worker.Worker` by name.
    chunks: contenders, and the steps of which a turn is a multiple.
    sizes: `problem.Sizes`, for `rounds` and `turn`.
  """
  steps = {}
  for (name, work), chunk in chunks.items():
    workers[name].ask("start", work, 0)
    workers[name].ask("run", work, 2 * chunk)
    once = workers[name].ask("run", work, chunk)
    steps[name, work] = max(1, math.ceil(sizes.turn / once)) * chunk
  contenders = list(chunks)
  say(f"{sizes.rounds} rounds of {len(contenders)} contenders")
  seconds = {contender: [] for contender in contenders}
  for turn in range(sizes.rounds):
    shift = turn % len(contenders)
    # Each round begins with another, so that none always follows the same.
    for name, work in [*contenders[shift:], *contenders[:shift]]:
      count = steps[name, work]
      time.sleep(PAUSE)
      # Not timed: caches still hold what the one before left in them.
      workers[name].ask("run", work, chunks[name, work])
      taken = workers[name].ask("run", work, count)
      seconds[name, work].append(taken / count)
  return seconds


def paired(
  work: str,
  peer: str,
  mode: str,
  ours: Sequence[float],
  peers: Sequence[float],
  peak_seconds: float = 0.0,
) -> Row:
  """A row from seconds of the same rounds.

  Args:
    work: what is timed.
    peer: with whom.
    mode: how ours was run.
    ours: seconds, one a round.
    peers: the same of the peer.
    peak_seconds: what the useful operations would take at the machine's peak.
  """
  ours, peers = np.asarray(ours), np.asarray(peers)
  low, ratio, high = np.quantile(peers / ours, (0.1, 0.5, 0.9))
  numbers = (np.median(ours) * 1e3, np.median(peers) * 1e3, ratio, low, high)
  fraction = peak_seconds / np.median(ours)
  return Row(work, peer, mode, *map(float, (*numbers, fraction)))


def _cell(value) -> str:
  if value is None:
    return "-"
  return value if isinstance(value, str) else f"{value:.3g}"


def compare(name: str, got: Sequence[float], expected: Sequence[float]) -> None:
  """Refuses a loss or a gradient that differs.

  Raises:
    BenchmarkError: by more than `TOLERANCE`, relative.
  """
  for what, a, b in (
    ("loss", got[:1], expected[:1]),
    ("gradient", got[1:], expected[1:]),
  ):
    size = np.linalg.norm(b)
    error = np.linalg.norm(np.subtract(a, b))
    if not error <= TOLERANCE * size:
      raise BenchmarkError(
        f"{name}: equal weights and tasks give another {what}, by"
        f" {error / max(size, 1e-30):.1e} of its size; {TOLERANCE} is allowed"
      )
