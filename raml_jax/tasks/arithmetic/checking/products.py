"""Reads multiplications by parts of the second operand."""

from __future__ import annotations

import dataclasses
import re

from raml_jax.tasks.arithmetic.checking import walk


@dataclasses.dataclass(frozen=True)
class Product(walk.Walk):
  """x times parts of y; a state is (headers, parts left, total)."""

  x: int
  y: int
  base: int
  width: int
  detailed: bool

  @property
  def start(self):
    cells = walk.cells(self.y, self.base**self.width)
    parts = ((d, self.base ** (self.width * i)) for i, d in enumerate(cells))
    return 0, frozenset(parts), 0

  def value(self, state):
    return None if state[1] else state[2]

  def _move(self, state, line):
    headers, parts, total = state
    if self.detailed and headers < 2:
      found = walk.HEADER.fullmatch(line)
      cells = walk.cells((self.x, self.y)[headers], self.base)[::-1]
      if not found or walk.integers(found[1], self.base) != cells:
        return None
      after = headers + 1, parts, total
      return walk.Move(after, after, int(found[2]) == len(cells))
    if self.detailed:
      return self._detailed(state, line)
    found = re.fullmatch(
      rf"{walk.NUMBER}\*{walk.NUMBER}={walk.NUMBER} , C->{walk.NUMBER}", line
    )
    if not found:
      return None
    x, factor, product, after = (
      walk.integer(t, self.base) for t in found.groups()
    )
    part = min((p for p in parts if p[0] * p[1] == factor), default=None)
    if x != self.x or part is None:
      return None
    return self._add(state, part, after, product == x * factor)

  def _detailed(self, state, line):
    found = re.fullmatch(
      rf"{walk.LIST} \* {walk.NUMBER} , A={walk.LIST} , k={walk.NUMBER}"
      rf" , B={walk.LIST} , C={walk.NUMBER}\+{walk.NUMBER}={walk.NUMBER}",
      line,
    )
    if not found:
      return None
    x, a, b = (
      walk.integer(found[i].replace(",", ""), self.base) for i in (1, 3, 5)
    )
    digit, k, before, part, after = (
      walk.integer(found[i], self.base) for i in (2, 4, 6, 7, 8)
    )
    if x != self.x or (digit, k) not in state[1] or before != state[2]:
      return None
    product = self.x * digit
    ok = a == product and b == part == product * k
    return self._add(state, (digit, k), after, ok)

  def _add(self, state, part, after, ok):
    headers, parts, total = state
    right = total + self.x * part[0] * part[1]
    rest = parts - {part}
    return walk.Move(
      (headers, rest, after), (headers, rest, right), ok and after == right
    )
