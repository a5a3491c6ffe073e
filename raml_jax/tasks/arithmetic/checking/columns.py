"""Reads additions and subtractions in columns."""

from __future__ import annotations

import dataclasses
import re
from typing import NamedTuple

from raml_jax.tasks.arithmetic.checking import walk


class _ColumnState(NamedTuple):
  headers: int = 0
  cells: tuple[int, ...] = ()  # Lowest first.
  carry: int = 0
  closed: bool = False
  total: int | None = None


@dataclasses.dataclass(frozen=True)
class Columns(walk.Walk):
  """Column by column; a cell has `width` digits."""

  symbol: str
  x: int
  y: int
  base: int
  width: int
  detailed: bool

  start = _ColumnState()

  @property
  def _radix(self) -> int:
    return self.base**self.width

  @property
  def _count(self) -> int:
    return max(len(walk.cells(n, self._radix)) for n in (self.x, self.y))

  def value(self, state):
    if self.symbol == "-":
      return state.total
    done = state.closed if self.detailed else len(state.cells) == self._count
    return self._sum(state) if done else None

  def _sum(self, state) -> int:
    cells = (*state.cells, state.carry if self.symbol == "+" else 0)
    return sum(c * self._radix**i for i, c in enumerate(cells))

  def _move(self, state, line):
    if self.detailed and state.headers < 2:
      return self._header(state, line)
    if len(state.cells) < self._count:
      return self._column(state, line)
    if self.detailed and not state.closed:
      return self._closing(state, line)
    return self._put_together(state, line)

  def _header(self, state, line):
    found = walk.HEADER.fullmatch(line)
    cells = walk.cells((self.x, self.y)[state.headers], self._radix)[::-1]
    if not found or self._list(found[1]) != cells:
      return None
    after = state._replace(headers=state.headers + 1)
    return walk.Move(after, after, int(found[2]) == len(cells))

  def _column(self, state, line):
    i = len(state.cells)
    a, b = (n // self._radix**i % self._radix for n in (self.x, self.y))
    total = a + b + state.carry if self.symbol == "+" else a - b + state.carry
    top = i == self._count - 1
    lent = self.symbol == "-" and total < 0 and not top
    digit = total % self._radix if self.symbol == "+" or lent else total
    carry = (total - digit) // self._radix
    if self.symbol == "-":
      carry = -1 if total < 0 else 0
    if self.detailed:
      line = self._without_details(state, line, a, b, total, digit, lent)
    found = re.fullmatch(rf"A->{walk.NUMBER} , C->(-?[01])", line or "")
    if not found:
      return None
    right = state._replace(cells=(*state.cells, digit), carry=carry)
    written = self._cell(found[1]), int(found[2])
    claimed = state._replace(cells=(*state.cells, written[0]), carry=written[1])
    return walk.Move(claimed, right, claimed == right)

  def _without_details(self, state, line, a, b, total, digit, lent):
    """The line's last two parts, if all that stands before them is right."""
    i = len(state.cells)
    found = re.fullmatch(
      rf"{walk.LIST} \{self.symbol} {walk.LIST} , A={walk.LIST} , C=(-?[01])"
      rf" , ([^ ]+)={walk.NUMBER} , (A->.*)",
      line,
    )
    if not found:
      return None
    left = [walk.cells(n, self._radix)[i:][::-1] for n in (self.x, self.y)]
    shown = [self._list(text) for text in found.groups()[:3]]
    if shown != [*left, state.cells[::-1]] or int(found[4]) != state.carry:
      return None
    loan = rf"\+{walk.NUMBER}" if lent else "()"
    terms = re.fullmatch(
      rf"{walk.NUMBER}\{self.symbol}{walk.NUMBER}\{self.symbol}([01]){loan}",
      found[5],
    )
    if not terms or int(terms[3]) != abs(state.carry):
      return None
    if (self._cell(terms[1]), self._cell(terms[2])) != (a, b):
      return None
    if lent and walk.integer(terms[4], self.base) != self._radix:
      return None
    result = total if self.symbol == "+" else digit
    return found[7] if walk.integer(found[6], self.base) == result else None

  def _closing(self, state, line):
    carry = rf" C={state.carry}" if self.symbol == "+" else ""
    found = re.fullmatch(
      rf"\[\] \{self.symbol} \[\] , A={walk.LIST}{carry}", line
    )
    if not found:
      return None
    after = state._replace(closed=True)
    return walk.Move(after, after, self._list(found[1]) == state.cells[::-1])

  def _put_together(self, state, line):
    found = re.fullmatch(rf"{walk.NUMBER}\+{walk.NUMBER}={walk.NUMBER}", line)
    if not found or self.symbol == "+" or state.total is not None:
      return None
    high, low, total = (
      walk.integer(text, self.base) for text in found.groups()
    )
    parts = state.cells[-1] * self._radix ** (self._count - 1)
    if (high, high + low) != (parts, self._sum(state)):
      return None
    right = state._replace(total=high + low)
    return walk.Move(state._replace(total=total), right, total == high + low)

  def _cell(self, text) -> int:
    # The highest column of a subtraction can be -10, and so one longer.
    if not re.fullmatch(rf"-?.{{{self.width}}}|-1.{{{self.width}}}", text):
      raise ValueError(f"cell = {text!r}: must have {self.width} digits")
    return walk.integer(text, self.base)

  def _list(self, text) -> tuple[int, ...]:
    return tuple(self._cell(item) for item in text.split(",") if text)
