"""Reads the opening of brackets."""

from __future__ import annotations

import dataclasses
import re

import numpy as np

from raml_jax.tasks.arithmetic.checking import walk


@dataclasses.dataclass(frozen=True)
class Expression(walk.Walk):
  """Brackets opened in any order.

  A state is (texts that may be left, closed): which of two equal brackets a
  line has opened is known only from the lines after it.
  """

  text: str
  base: int
  detailed: bool

  @property
  def start(self):
    return frozenset([self.text]), False

  def value(self, state):
    texts, closed = state
    done = (closed or not self.detailed) and "(" not in min(texts)
    return walk.integer(min(texts), self.base) if done else None

  def _move(self, state, line):
    texts, _ = state
    equations = line.split(" , ")
    if self.detailed:
      if equations[0] not in texts:
        return None
      texts = frozenset([equations.pop(0)])
      if not equations:
        return walk.Move((texts, True), (texts, True), "(" not in line)
    claimed = right = texts
    for equation in equations:
      found = re.fullmatch(
        rf"{walk.NUMBER}([-+*]){walk.NUMBER}={walk.NUMBER}", equation
      )
      if not found:
        return None
      a, b, c = (walk.integer(found[i], self.base) for i in (1, 3, 4))
      value = {"+": a + b, "-": a - b, "*": a * b}[found[2]]
      bracket = f"({equation.rpartition('=')[0]})"
      claimed = self._opened(claimed, bracket, c)
      right = self._opened(right, bracket, value)
    if not claimed or not right:
      return None
    return walk.Move((claimed, False), (right, False), claimed == right)

  def _opened(self, texts, bracket, value) -> frozenset[str]:
    numeral = np.base_repr(value, self.base).lower()
    return frozenset(
      text[: at.start()] + numeral + text[at.end() :]
      for text in texts
      for at in re.finditer(re.escape(bracket), text)
    )
