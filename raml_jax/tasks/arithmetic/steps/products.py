"""Multiplication by one digit of the second operand at a time.

12*36, simplified (this project's) and detailed (Lee et al. 2023):

    12*6=72 , C->72      [1,2] has 2 digits.
    12*30=360 , C->432   [3,6] has 2 digits.
                         [1,2] * 6 , A=[7,2] , k=1 , B=[7,2] , C=0+72=72
                         [1,2] * 3 , A=[3,6] , k=10 , B=[3,6,0] , C=72+360=432

Methods: "low" takes the lowest digit first, "high" the highest. With `group` =
g it takes g digits at a time.
"""

from __future__ import annotations

from raml_jax.tasks.arithmetic import questions
from raml_jax.tasks.arithmetic.steps import derivation

METHODS = ("low", "high")


def derive(
  question: questions.Pair,
  detailed: bool,
  method: str = "low",
  group: int = 1,
  slip: derivation.Slip | None = None,
) -> derivation.Derivation:
  """Writes one line per digit, or group of digits, of y."""
  base = question.base

  def number(value: int) -> str:
    return questions.numeral(value, base)

  x, y = map(number, question.numbers)
  factors = []  # (digits of y, their power of the base), lowest first.
  for end in range(len(y), 0, -group):
    digits = y[max(0, end - group) : end]
    factors.append((int(digits, base), base ** (len(y) - end)))
  if method == "high":
    factors.reverse()

  lines = derivation.digit_headers(x, y) if detailed else []
  total = 0
  for i, (digit, power) in enumerate(factors):
    product = question.x * digit
    written, product = derivation.slipped(product, base, i, slip)
    part = product * power
    before, total = total, total + part
    if detailed:
      line = (
        f"{derivation.listing(x)} * {number(digit)} ,"
        f" A={derivation.listing(number(written))} , k={number(power)} ,"
        f" B={derivation.listing(number(part))} ,"
        f" C={number(before)}+{number(part)}={number(total)}"
      )
    else:
      line = (
        f"{x}*{number(digit * power)}={number(written * power)} ,"
        f" C->{number(total)}"
      )
    lines.append(line)
  return derivation.Derivation(tuple(lines), total)
