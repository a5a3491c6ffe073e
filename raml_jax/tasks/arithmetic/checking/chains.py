"""Reads sums and products of several terms."""

from __future__ import annotations

import collections
import dataclasses
import math
import re

from raml_jax.tasks.arithmetic.checking import walk


@dataclasses.dataclass(frozen=True)
class Chain(walk.Walk):
  """Terms put together in any order; a state is (terms left, closed)."""

  values: tuple[int, ...]
  product: bool
  modulus: int | None
  base: int
  detailed: bool

  @property
  def start(self):
    return tuple(sorted(self.values)), False

  def value(self, state):
    values, closed = state
    done = len(values) == 1 and (closed or not self.detailed)
    return values[0] if done else None

  def _move(self, state, line):
    values, _ = state
    if not self.detailed:
      found = re.fullmatch(rf"([^ ]+)->{walk.NUMBER}", line)
      return found and self._put(values, found[1], found[2], True)
    final = re.fullmatch(walk.LIST, line)
    if final and len(values) == 1:
      after = values, True
      return walk.Move(
        after, after, walk.integers(final[1], self.base) == values
      )
    remainder = (
      rf"{walk.NUMBER}%{walk.NUMBER}={walk.NUMBER} , "
      if self.modulus
      else "()()()"
    )
    found = re.fullmatch(
      rf"{walk.LIST} , ([^ ]+)={walk.NUMBER} , {remainder}A->{walk.NUMBER}",
      line,
    )
    if not found:
      return None
    shown = tuple(sorted(walk.integers(found[1], self.base)))
    total = walk.integer(found[3], self.base)
    ok = total == self._total(self._operands(found[2]))
    if self.modulus:
      again, modulus, rest = (
        walk.integer(found[i], self.base) for i in (4, 5, 6)
      )
      ok &= again == total and modulus == self.modulus
      ok &= rest == total % modulus
    if not ok or shown != values:
      return None
    return self._put(values, found[2], found[7], ok)

  def _operands(self, equation) -> list[int]:
    pattern = r"[0-9a-z]+" if self.product else r"[+-]?[0-9a-z]+"
    parts = re.findall(pattern, equation)
    if ("*" if self.product else "").join(parts) != equation:
      raise ValueError(f"equation = {equation!r}: cannot be read")
    return [walk.integer(part.removeprefix("+"), self.base) for part in parts]

  def _total(self, operands) -> int:
    return math.prod(operands) if self.product else sum(operands)

  def _put(self, values, equation, result, ok):
    operands = collections.Counter(self._operands(equation))
    left = collections.Counter(values)
    if operands - left or operands.total() < 2:
      return None
    right = self._total(list(operands.elements()))
    right = right % self.modulus if self.modulus else right
    claimed = walk.integer(result, self.base)
    rest = list((left - operands).elements())
    return walk.Move(
      (tuple(sorted([*rest, claimed])), False),
      (tuple(sorted([*rest, right])), False),
      ok and claimed == right,
    )
