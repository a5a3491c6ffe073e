"""How studies train and measure: what is finished is never done again."""

from __future__ import annotations

from collections.abc import Callable
import functools
import threading
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax

from raml_jax import base
from raml_jax.config import common
from raml_jax.training import progress as progress_lib
from raml_jax.training import workdir as workdir_lib

CHUNKS = 5  # per phase: as often as that, metrics and a checkpoint


class Clock:
  """Seconds per phase, for the terminal only: never in results."""

  def __init__(self):
    self.seconds: dict[str, float] = {}
    self._start = self._last = time.monotonic()

  def lap(self, name: str) -> None:
    """Ascribes the time since the last lap to `name`."""
    now = time.monotonic()
    self.add(name, now - self._last)
    self._last = now

  def add(self, name: str, seconds: float) -> None:
    """Ascribes seconds to `name`, of phases that run side by side."""
    self.seconds[name] = self.seconds.get(name, 0.0) + seconds

  def table(self) -> str:
    """One line per phase, and how long all of them took together."""
    rows = [f"  {s:7.1f} s  {name}" for name, s in self.seconds.items()]
    rows.append(f"  {time.monotonic() - self._start:7.1f} s  in all")
    return "\n".join(rows)


def saved(
  workdir: workdir_lib.Workdir,
  name: str,
  compute: Callable[[], dict[str, np.ndarray]],
) -> dict[str, np.ndarray]:
  """A result from its file, or computed and written there."""
  if workdir.has_result(name):
    return workdir.load_result(name)[0]
  arrays = compute()
  workdir.save_result(name, arrays, {"name": name})
  return workdir.load_result(name)[0]


@functools.cache
def optimizer(train: common.Training) -> optax.GradientTransformation:
  """Adam, warm-up over a tenth of the steps, cosine decay to zero."""
  schedule = optax.warmup_cosine_decay_schedule(
    0.0, train.learning_rate, train.steps // 10, train.steps
  )
  return optax.chain(
    optax.clip_by_global_norm(train.clip), optax.adam(schedule)
  )


class Keeper:
  """Keeps results by name: found on disk, or computed and written there.

  May be called from several threads at once, for different results.

  Attributes:
    results: by name.
  """

  def __init__(
    self,
    workdir: workdir_lib.Workdir,
    progress: progress_lib.Progress,
    clock: Clock,
  ):
    self.results: dict[str, dict[str, np.ndarray]] = {}
    self._workdir, self._progress, self._clock = workdir, progress, clock
    self._lock = threading.Lock()

  def __call__(
    self,
    name: str,
    compute: Callable[[], dict[str, np.ndarray]],
    phase: str | None = None,
  ) -> None:
    """Keeps one result; its time counts for `phase`, or for itself."""
    restored, start = self._workdir.has_result(name), time.monotonic()
    found = saved(self._workdir, name, compute)
    with self._lock:
      self.results[name] = found
      self._progress.advance(f"results of {name}", restored=restored)
      seconds = time.monotonic() - start
      self._clock.add(f"measure {phase or name}", seconds)


def chunk(train_steps: int) -> int:
  """Steps per compiled call."""
  return max(1, -(-train_steps // CHUNKS))


def stacked(tree: base.PyTree, seeds: int) -> base.PyTree:
  """The same numbers for every seed."""
  return jax.tree.map(
    lambda leaf: jnp.broadcast_to(leaf, (seeds, *jnp.shape(leaf))), tree
  )
