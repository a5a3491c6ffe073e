"""What the writers of steps share: routes, slips and what they return."""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses


@dataclasses.dataclass(frozen=True)
class Route:
  """One of the correct ways from a question to its answer.

  Attributes:
    method: the order of operations or the decomposition; the first of a
      question's `formats.methods` when empty.
    group: operations per step, the granularity. Columns of an addition are
      then blocks of so many digits.
  """

  method: str = ""
  group: int = 1

  def __post_init__(self):
    if self.group < 1:
      raise ValueError(f"group = {self.group}: must be at least 1")


USUAL = Route()


@dataclasses.dataclass(frozen=True)
class Slip:
  """One error in a derivation.

  Attributes:
    step: which computation it happens in, from 0.
    what: "digit" (of the result) or "carry" (columns only).
    offset: added to the digit, modulo the base: 1 to base - 1.
    consistent: whether later steps go on from the wrong value. If not, the
      error is in what is written of this step and nowhere else.
  """

  step: int
  what: str = "digit"
  offset: int = 1
  consistent: bool = True

  def __post_init__(self):
    if self.what not in ("digit", "carry"):
      raise ValueError(f"what = {self.what!r}: must be 'digit' or 'carry'")


@dataclasses.dataclass(frozen=True)
class Derivation:
  """The lines of a trajectory and the value they end in."""

  lines: tuple[str, ...]
  value: int


def slipped(
  value: int, base: int, step: int, slip: Slip | None
) -> tuple[int, int]:
  """(what is written, what later steps use) of a result of computation `step`.

  A wrong digit is a wrong last digit: slipped(-39, 10, 0, Slip(0)) has -30.
  """
  if slip is None or slip.step != step or slip.what != "digit":
    return value, value
  high, low = divmod(abs(value), base)
  wrong = high * base + (low + slip.offset) % base
  wrong = -wrong if value < 0 else wrong
  return wrong, wrong if slip.consistent else value


def listing(items: Sequence[str]) -> str:
  """["1", "2"] -> "[1,2]"."""
  return f"[{','.join(items)}]"


def digit_headers(x: Sequence[str], y: Sequence[str]) -> list[str]:
  """The two lines that open a detailed scratchpad of Lee et al."""
  return [f"{listing(cells)} has {len(cells)} digits." for cells in (x, y)]
