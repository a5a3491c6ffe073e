"""Progress of a whole run on the terminal, with the time left."""

from collections.abc import Mapping
import math
import os
import sys
import time


class Progress:
  """One bar for all phases of a run, or lines where there is no bar.

  The bar needs tqdm and a terminal; elsewhere a line is printed at most every
  `interval` seconds. All output goes to stderr. An instance may be given to
  `loop.train` as `on_chunk`.

  Attributes:
    total: number of units of work; a training phase is one unit.
    interval: seconds from one printed line to the next.
    weights: how many units those count for that are more than one, by name;
      `total` counts them so too.
  """

  def __init__(
    self,
    total: int,
    *,
    interval: float = 10.0,
    weights: Mapping[str, int] | None = None,
  ):
    self.total = total
    self.interval = interval
    self.weights = weights or {}
    self._done = 0.0
    self._restored = 0.0
    self._fractions: dict[str, float] = {}
    self._started = self._printed = time.monotonic()
    self._bar = _bar(total)

  def __enter__(self) -> "Progress":
    return self

  def __exit__(self, *unused_exception) -> None:
    self.close()

  def __call__(
    self, name: str, step: int, steps: int, metrics: dict[str, float]
  ) -> None:
    """Records that `step` of `steps` steps of the unit `name` are done.

    Args:
      name: of the unit, a phase.
      step: number of its steps that are done.
      steps: number of its steps in all.
      metrics: empty where the steps were restored and took no time.
    """
    self.advance(name, step / steps, restored=not metrics)

  def advance(
    self, name: str, fraction: float = 1.0, *, restored: bool = False
  ) -> None:
    """Records that `fraction` of the unit `name` is done, in [0, 1].

    Args:
      name: of the unit, a phase or a measurement.
      fraction: how much of it is done in all.
      restored: whether it was found done, so that the time left is estimated
        without it.
    """
    self._fractions[name] = fraction * self.weights.get(name, 1)
    # A sum anew, as rounded gains would add up to more than all.
    done = min(math.fsum(self._fractions.values()), self.total)
    gain, self._done = done - self._done, done
    if restored:
      self._restored += gain
    if self._bar is not None:
      self._bar.set_description_str(name, refresh=False)
      if restored:
        self._bar.initial += gain
      self._bar.update(done - self._bar.n)
      return
    now = time.monotonic()
    if now - self._printed >= self.interval or self._done >= self.total:
      self._printed = now
      print(self.line(name), file=sys.stderr, flush=True)

  def line(self, name: str) -> str:
    """The state of the run as one line, e.g. "42 % a/b, 1:05 left"."""
    worked = self._done - self._restored
    left = "unknown time"
    if worked > 0:
      elapsed = time.monotonic() - self._started
      seconds = round(elapsed / worked * max(self.total - self._done, 0.0))
      left = f"{seconds // 60}:{seconds % 60:02d}"
    percent = min(100.0, 100.0 * self._done / self.total)
    return f"{percent:3.0f} % {name}, {left} left"

  def close(self) -> None:
    """Ends the bar's line."""
    if self._bar is not None:
      self._bar.close()


def _bar(total: int):
  """A tqdm bar, or None where there is no tqdm or no terminal."""
  # A terminal that does not tell its size gets lines: tqdm would show nothing.
  if not sys.stderr.isatty() or 0 in os.get_terminal_size(sys.stderr.fileno()):
    return None
  try:
    import tqdm  # Optional: training works on machines that lack it.
  except ImportError:
    return None
  return tqdm.tqdm(
    total=total,
    bar_format="{percentage:3.0f}%|{bar}| {desc} [{elapsed}<{remaining}]",
    dynamic_ncols=True,
  )
