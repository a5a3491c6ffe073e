"""What the last bits of a result depend on, besides the config."""

from __future__ import annotations

import functools
import json
import os
import pathlib
import sys
from typing import Any

import jax


def current() -> dict[str, Any]:
  """Version of JAX, devices, cores and XLA_FLAGS, of the whole run."""
  device = jax.devices()[0]
  return {
    "jax": jax.__version__,
    "device": device.device_kind,
    "devices": jax.device_count(),
    "cores": len(os.sched_getaffinity(0))
    if hasattr(os, "sched_getaffinity")
    else os.cpu_count(),
    "XLA_FLAGS": os.environ.get("XLA_FLAGS", ""),
  }


def compare(path: pathlib.Path, before: dict[str, Any]) -> None:
  """Says on stderr, once, if checkpoints were made in another environment.

  Args:
    path: of the working directory.
    before: what `current` gave when they were made.
  """
  now = current()
  changed = [
    f"{field}={json.dumps(before.get(field))} (now {json.dumps(now[field])})"
    for field in now
    if before.get(field) != now[field]
  ]
  if changed:
    _say_once(
      f"warning: checkpoints in {path} were made with {', '.join(changed)}:"
      " results may differ in their last bits"
    )


@functools.cache
def _say_once(line: str) -> None:
  """Prints a line on stderr, once however many phases would say it."""
  print(line, file=sys.stderr)
