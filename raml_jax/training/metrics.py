"""Lines of metrics.jsonl: one per chunk of training steps."""

import json
from typing import Any

import numpy as np


def line(phase: str, step: int, metrics: dict[str, np.ndarray]) -> bytes:
  """Writes one line, with its end.

  Args:
    phase: that was trained.
    step: number of its steps done.
    metrics: values per seed, shape [seeds]; NaN and infinity become null.

  Returns:
    {"phase", "step", "metrics": {name: {"mean", "per_seed"}}} as JSON, where
    the mean is over seeds.
  """
  record = {
    "phase": phase,
    "step": step,
    "metrics": {
      name: {
        "mean": _finite(np.mean(value_S)),
        "per_seed": [_finite(value) for value in value_S],
      }
      for name, value_S in metrics.items()
    },
  }
  return (json.dumps(record, allow_nan=False) + "\n").encode()


def parsed(line: bytes) -> dict[str, Any] | None:
  """Reads one line, or returns None if it is torn."""
  if not line.endswith(b"\n"):
    return None
  try:
    record = json.loads(line)
  except ValueError:
    return None
  return record if isinstance(record, dict) else None


def _finite(value: float) -> float | None:
  return float(value) if np.isfinite(value) else None
