"""What the configs of all experiments share: parts, and checks of values."""

from __future__ import annotations

from collections.abc import Collection, Mapping
import dataclasses
from typing import Any

from raml_jax import parsing


@dataclasses.dataclass(frozen=True)
class Training:
  """Adam with warm-up and cosine decay, the global gradient norm clipped."""

  steps: int
  batch: int
  learning_rate: float
  clip: float


@dataclasses.dataclass(frozen=True)
class ClaimSpec:
  """A claim's words and margins: see `statistics.Claim`."""

  statement: str
  criterion: str
  unit: str
  controls: tuple[str, ...]
  margins: Mapping[str, tuple[float | None, float | None]]
  by_construction: bool = False


def require(condition: bool, field: str, value: Any, allowed: str) -> None:
  """Refuses the value of a field.

  Args:
    condition: whether the value is fine.
    field: its path, e.g. "task.n".
    value: what it is.
    allowed: what it must be, e.g. "at least 2".

  Raises:
    ConfigError: it is not; one line.
  """
  if not condition:
    raise parsing.ConfigError(f"config.{field} = {value!r}: must be {allowed}")


def check_numbers(
  node: Any, zero_allowed: Collection[str] = (), path: str = ""
) -> None:
  """Every number is finite and positive, wherever it stands but in `claims`.

  Args:
    node: a config, or a part of it: dataclass, mapping or tuple.
    zero_allowed: names of the fields that may also be 0.
    path: of the part within the config.

  Raises:
    ConfigError: the first that is not; one line.
  """
  if dataclasses.is_dataclass(node):
    items = [(f.name, getattr(node, f.name)) for f in dataclasses.fields(node)]
  elif isinstance(node, Mapping):
    items = list(node.items())
  elif isinstance(node, tuple):
    items = [(str(i), value) for i, value in enumerate(node)]
  else:
    return
  for name, value in items:
    field = f"{path}.{name}" if path else name
    # Margins may be negative.
    if name == "claims":
      continue
    if isinstance(value, (int, float)) and not isinstance(value, bool):
      zero = name in zero_allowed
      allowed = "at least 0" if zero else "positive"
      finite = value == value and abs(value) != float("inf")
      good = finite and (value >= 0 if zero else value > 0)
      require(good, field, value, allowed)
    else:
      check_numbers(value, zero_allowed, field)
