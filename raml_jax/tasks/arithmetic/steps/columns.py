"""Addition and subtraction column by column, as Lee et al. (2023) write them.

128+367, simplified and detailed:

    A->5 , C->1          [1,2,8] has 3 digits.
    A->9 , C->0          [3,6,7] has 3 digits.
    A->4 , C->0          [1,2,8] + [3,6,7] , A=[] , C=0 , 8+7+0=15 , A->5 , C->1
                         [1,2] + [3,6] , A=[5] , C=1 , 2+6+1=9 , A->9 , C->0
                         [1] + [3] , A=[9,5] , C=0 , 1+3+0=4 , A->4 , C->0
                         [] + [] , A=[4,9,5] C=0

In a subtraction the borrow is 0 or -1, the last column keeps its sign, and a
last line puts the columns together: 128-367 has A->1, A->6, A->-3 and then
`-300+61=-239`.

With `group` = g a column holds g digits: the same text in base^g, every cell
written with g digits.
"""

from __future__ import annotations

from raml_jax.tasks.arithmetic import questions
from raml_jax.tasks.arithmetic.steps import derivation


def derive(
  question: questions.Pair,
  detailed: bool,
  group: int = 1,
  slip: derivation.Slip | None = None,
) -> derivation.Derivation:
  """Writes the columns from the lowest to the highest."""
  base = question.base
  radix = base**group
  symbol = question.operator

  def cell(value: int) -> str:
    text = questions.numeral(abs(value), base).zfill(group)
    return "-" * (value < 0) + text

  x_cells, y_cells = (_cells(n, radix) for n in question.numbers)
  count = max(len(x_cells), len(y_cells))
  headers = [list(map(cell, cells)) for cells in (x_cells, y_cells)]
  lines = derivation.digit_headers(*headers) if detailed else []

  answer_cells = []  # Highest first, as they are listed.
  carry = 0
  for i in range(count):
    a = x_cells[-1 - i] if i < len(x_cells) else 0
    b = y_cells[-1 - i] if i < len(y_cells) else 0
    if symbol == "+":
      total = a + b + carry
      shown = f"{cell(a)}+{cell(b)}+{carry}={questions.numeral(total, base)}"
      next_carry, digit = divmod(total, radix)
    else:
      digit = a - b - abs(carry)
      next_carry = -1 if digit < 0 else 0
      lent = digit < 0 and i < count - 1
      digit += radix * lent
      loan = f"+{questions.numeral(radix, base)}" * lent
      shown = f"{cell(a)}-{cell(b)}-{abs(carry)}{loan}={cell(digit)}"
    written_digit, digit = derivation.slipped(digit, radix, i, slip)
    written_carry, next_carry = _slipped_carry(next_carry, symbol, i, slip)
    result = f"A->{cell(written_digit)} , C->{written_carry}"
    if detailed:
      x_list, y_list, a_list = (
        derivation.listing([cell(c) for c in cells])
        for cells in (
          x_cells[: -i or None],
          y_cells[: -i or None],
          answer_cells,
        )
      )
      result = (
        f"{x_list} {symbol} {y_list} , A={a_list} , C={carry} , {shown} ,"
        f" {result}"
      )
    lines.append(result)
    answer_cells.insert(0, digit)
    carry = next_carry

  if detailed:
    a_list = derivation.listing([cell(c) for c in answer_cells])
    last_carry = f" C={carry}" if symbol == "+" else ""
    lines.append(f"[] {symbol} [] , A={a_list}{last_carry}")
  high, low = answer_cells[0] * radix ** (count - 1), 0
  for value in answer_cells[1:]:
    low = low * radix + value
  if symbol == "+":
    return derivation.Derivation(
      tuple(lines), carry * radix**count + high + low
    )
  parts = [questions.numeral(v, base) for v in (high, low, high + low)]
  lines.append("{}+{}={}".format(*parts))
  return derivation.Derivation(tuple(lines), high + low)


def _cells(value: int, radix: int) -> list[int]:
  """The digits of a number, highest first."""
  cells = [value % radix]
  while value := value // radix:
    cells.insert(0, value % radix)
  return cells


def _slipped_carry(carry, symbol, step, slip) -> tuple[int, int]:
  if slip is None or slip.step != step or slip.what != "carry":
    return carry, carry
  wrong = 1 - carry if symbol == "+" else -1 - carry
  return wrong, wrong if slip.consistent else carry
