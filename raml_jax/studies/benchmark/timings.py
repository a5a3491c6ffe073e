"""Comparisons of two contenders, and what must hold before any is made."""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses

import numpy as np

# Losses and gradients of equal weights and tasks agree to this.
TOLERANCE = 1e-4


class BenchmarkError(RuntimeError):
  """The benchmark cannot or must not run; one line."""


@dataclasses.dataclass(frozen=True)
class Row:
  """One comparison.

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
  """

  work: str
  peer: str
  mode: str
  ours_ms: float
  peer_ms: float
  ratio: float
  low: float
  high: float
  fraction_of_peak: float


def table(rows: Sequence[Row]) -> str:
  """The rows as text, columns aligned."""
  names = [field.name for field in dataclasses.fields(Row)]
  cells = [names]
  for row in rows:
    values = dataclasses.astuple(row)
    cells.append([v if isinstance(v, str) else f"{v:.3g}" for v in values])
  widths = [max(map(len, column)) for column in zip(*cells)]
  return "\n".join(
    "  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip()
    for line in cells
  )


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
