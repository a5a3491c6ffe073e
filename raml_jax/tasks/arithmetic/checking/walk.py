"""What the walks share: numbers, lists and the shape of a walk.

A walk knows a question. Its states say what has been derived so far, and
`move(state, line)` says what a line makes of a state. `value(state)` is the
answer of a state in which nothing is left to do, else None. Walks read what
the writers write and share no code with them.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

NUMBER = r"(-?[0-9a-z]+)"
LIST = r"\[([-0-9a-z,]*)\]"
HEADER = re.compile(rf"{LIST} has ([0-9]+) digits\.")


class Move(NamedTuple):
  """What a line makes of a state.

  Attributes:
    claimed: the state after it, by what it says.
    right: the state after it, had it been right.
    ok: whether it is right in every part.
  """

  claimed: Any
  right: Any
  ok: bool


class Walk:
  """A reader of one kind of trajectory."""

  def move(self, state: Any, line: str) -> Move | None:
    """None if the line cannot be read in this state."""
    try:
      return self._move(state, line)
    except ValueError:
      return None


def integer(text: str, base: int) -> int:
  """A number without spaces, underscores or capitals.

  Raises:
    ValueError: it is none.
  """
  if not re.fullmatch(NUMBER, text):
    raise ValueError(f"number = {text!r}: must be digits, with a - at most")
  return int(text, base)


def integers(text: str, base: int) -> tuple[int, ...]:
  """The items of a list, given without its brackets."""
  return tuple(integer(item, base) for item in text.split(",") if text)


def cells(number: int, radix: int) -> tuple[int, ...]:
  """Digits, lowest first."""
  count = 1
  while radix**count <= number:
    count += 1
  return tuple(number // radix**i % radix for i in range(count))
