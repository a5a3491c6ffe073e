"""Independent work on all CPU cores.

XLA runs a program of small matrix products on one core, however many there
are. Several such programs, each called from a thread of its own, run side by
side. What each computes does not depend on how many do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent import futures
import os
from typing import TypeVar

import jax

T = TypeVar("T")


def workers() -> int:
  """The cores this process may use, or 1 where an accelerator computes."""
  if jax.default_backend() != "cpu":
    return 1
  if hasattr(os, "sched_getaffinity"):  # Not on every system.
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1


def call(tasks: Sequence[Callable[[], T]]) -> list[T]:
  """Calls all of them, and returns what they return, in their order.

  As many as there are `workers` are under way at a time.

  Raises:
    What the first of them raises; those not yet begun are left out.
  """
  at_once = min(workers(), len(tasks))
  if at_once <= 1:
    return [task() for task in tasks]
  # JAX keeps this setting for each thread.
  x64 = jax.config.jax_enable_x64

  def alike(task):
    with jax.enable_x64(x64):
      return jax.block_until_ready(task())

  pool = futures.ThreadPoolExecutor(at_once)
  try:
    return [one.result() for one in [pool.submit(alike, t) for t in tasks]]
  finally:
    pool.shutdown(cancel_futures=True)
