"""Several terms put together, a few at a time.

(3+8-5+9)%11 from the left, simplified and detailed:

    3+8->0         [3,8,-5,9] , 3+8=11 , 11%11=0 , A->0
    0-5->6         [0,-5,9] , 0-5=-5 , -5%11=6 , A->6
    6+9->4         [6,9] , 6+9=15 , 15%11=4 , A->4
                   [4]

Methods: "left", "right", and "tree" (neighbours in pairs, then pairs of those).
With `group` = g a step does g operations: `3+8-5->6`.

The same lines without the remainder are a second way to add and subtract, by
parts of the second operand: 128+367 as 128+300+60+7 ("parts") or 128+7+60+300
("parts_low").
"""

from __future__ import annotations

import dataclasses

from raml_jax.tasks.arithmetic import questions
from raml_jax.tasks.arithmetic.steps import derivation

METHODS = ("left", "right", "tree")
PARTS = ("parts", "parts_low")


def derive(
  question: questions.Chain,
  detailed: bool,
  method: str = "left",
  group: int = 1,
  slip: derivation.Slip | None = None,
) -> derivation.Derivation:
  """Writes a modular chain."""
  values = list(question.terms)
  for i, symbol in enumerate(question.operators):
    values[i + 1] *= -1 if symbol == "-" else 1
  writer = _Writer(
    question.base, "*" in question.operators, question.modulus, detailed
  )
  return writer.derive(values, method, group, slip)


def derive_parts(
  question: questions.Pair,
  detailed: bool,
  method: str = "parts",
  group: int = 1,
  slip: derivation.Slip | None = None,
) -> derivation.Derivation:
  """Writes an addition or subtraction by the parts of y."""
  digits = questions.numeral(question.y, question.base)
  powers = range(len(digits) - 1, -1, -1)
  parts = [int(d, 36) * question.base**p for d, p in zip(digits, powers)]
  parts = [part for part in parts if part] or [0]
  if method == "parts_low":
    parts.reverse()
  sign = 1 if question.operator == "+" else -1
  values = [question.x, *(sign * part for part in parts)]
  writer = _Writer(question.base, False, None, detailed)
  return writer.derive(values, "left", group, slip)


@dataclasses.dataclass(frozen=True)
class _Writer:
  """How lines are written.

  Attributes:
    base: of the numerals.
    product: whether terms are multiplied; else they are added, with signs.
    modulus: of every intermediate result, or None.
    detailed: the format.
  """

  base: int
  product: bool
  modulus: int | None
  detailed: bool

  def derive(self, values, method, group, slip) -> derivation.Derivation:
    lines = []
    start = 0
    while len(values) > 1:
      if method == "right":
        start = max(0, len(values) - group - 1)
      elif method == "left" or start >= len(values) - 1:
        start = 0
      chosen = values[start : start + group + 1]
      line, result = self._step(values, chosen, len(lines), slip)
      lines.append(line)
      values = values[:start] + [result] + values[start + group + 1 :]
      start += 1
    if self.detailed:
      lines.append(self._list(values))
    return derivation.Derivation(tuple(lines), values[0])

  def _step(self, values, chosen, step, slip) -> tuple[str, int]:
    """One line, and the value that later lines use."""
    number = lambda value: questions.numeral(value, self.base)
    equation, total = number(chosen[0]), chosen[0]
    for value in chosen[1:]:
      if self.product:
        equation, total = f"{equation}*{number(value)}", total * value
      else:
        sign = "" if value < 0 else "+"
        equation, total = f"{equation}{sign}{number(value)}", total + value
    result = total % self.modulus if self.modulus else total
    written, used = derivation.slipped(result, self.base, step, slip)
    if not self.detailed:
      return f"{equation}->{number(written)}", used
    remainder = ""
    if self.modulus:
      modulus = number(self.modulus)
      remainder = f"{number(total)}%{modulus}={number(result)} , "
    line = (
      f"{self._list(values)} , {equation}={number(total)} , {remainder}"
      f"A->{number(written)}"
    )
    return line, used

  def _list(self, values) -> str:
    return derivation.listing([questions.numeral(v, self.base) for v in values])
