"""What fails in an answer: the first thing that is wrong, from the left.

A column is a line `A->5 , C->1` of the scratchpad, or without one a digit of
the answer, the lowest first. Columns before the first that is wrong are right,
so it is judged by what it should have made of them.

    digit       the digit of a column; without a scratchpad it is not even right
                for the other carry
    carry       C of a column; without a scratchpad the digit that the other
                carry would give
    early       all columns so far are right, but not all of them are there
    late        all columns are there, and more
    answer      the scratchpad is right, the answer copied from it is not
    malformed   nothing of this kind can be read

Whether an answer is right is not decided here but by the parser.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from raml_jax.tasks import vocab

RIGHT = "right"
KINDS = (RIGHT, "digit", "carry", "early", "late", "answer", "malformed")
_PAIR = re.compile(r"([0-9a-z]+)\+([0-9a-z]+)")
_PROMPT = re.compile(r"Input:\n[^\n]*\nTarget:\n|\$[^=]*=")
_STEP = re.compile(r"A->([0-9a-z]) , C->([01])")
_DIGITS = re.compile(r"[0-9a-z]*")
_CLOSE, _STOP = ".\n", f"${vocab.END}"


class Reading(NamedTuple):
  """What stands in an answer.

  Attributes:
    kind: of KINDS, what is first wrong.
    columns: how many are written.
    wanted: how many there should be.
    sound: how many are right before the first that is not.
  """

  kind: str
  columns: int
  wanted: int
  sound: int


def read(text: str, radix: int) -> Reading:
  """Reads a sum in the simplified or reversed format, question included."""
  x, y = (_digits(number, radix) for number in _PAIR.search(text).groups())
  body = text[_PROMPT.match(text).end() :]
  if text.startswith("$"):
    return _read_reversed(body, x, y, radix)
  return _read_scratchpad(body, x, y, radix)


def _read_scratchpad(body: str, x: list[int], y: list[int], radix) -> Reading:
  columns, closed, at = [], body.startswith(_CLOSE), 0
  while not closed and (found := _STEP.match(body, at)):
    columns.append((int(found[1], 36), int(found[2])))
    at = found.end()
    closed = body.startswith(_CLOSE, at)
    if not closed and not body.startswith("\n", at):
      break
    at += not closed
  wanted = max(len(x), len(y))
  right = _worked(x, y, wanted, radix)
  sound = _agree(columns, right)

  def reading(kind):
    return Reading(kind, len(columns), wanted, sound)

  if sound < min(len(columns), wanted):
    return reading("digit" if columns[sound][0] != right[sound][0] else "carry")
  if len(columns) > wanted:
    return reading("late")
  if not closed:
    return reading("malformed")
  if len(columns) < wanted:
    return reading("early")
  given = body[at + len(_CLOSE) :]
  digits = _DIGITS.match(given)[0]
  if not digits or given[len(digits) :] != vocab.END:
    return reading("malformed")
  answer = "".join(vocab.DIGITS[digit] for digit, _ in reversed(right))
  top = "1" if right[-1][1] else ""
  return reading(RIGHT if digits == top + answer else "answer")


def _read_reversed(body: str, x: list[int], y: list[int], radix) -> Reading:
  written = _DIGITS.match(body)[0]
  columns = [int(digit, 36) for digit in written]
  count = max(len(x), len(y))
  worked = _worked(x, y, count, radix)
  right = [digit for digit, _ in worked] + [1] * worked[-1][1]
  sound = _agree(columns, right)

  def reading(kind):
    return Reading(kind, len(columns), len(right), sound)

  if sound < min(len(columns), len(right)):
    # With a carry in place of none, or the other way round; the top digit of a
    # sum that is longer than its operands is nothing but a carry.
    before = worked[sound - 1][1] if sound else 0
    other = (right[sound] + 1 - 2 * before) % radix
    return reading("carry" if columns[sound] == other else "digit")
  if len(columns) > len(right):
    return reading("late")
  if body[len(written) :] != _STOP:
    return reading("malformed")
  return reading(RIGHT if len(columns) == len(right) else "early")


def _worked(x, y, count: int, radix: int) -> list[tuple[int, int]]:
  """(digit, carry out) of every column, the lowest first."""
  out, carry = [], 0
  for i in range(count):
    total = sum(cells[i] for cells in (x, y) if i < len(cells)) + carry
    carry, digit = divmod(total, radix)
    out.append((digit, carry))
  return out


def _digits(number: str, radix: int) -> list[int]:
  """The lowest first."""
  return [int(digit, radix) for digit in reversed(number)]


def _agree(one: list, other: list) -> int:
  """How many entries are equal before the first that are not."""
  pairs = zip(one, other)
  return next(
    (i for i, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other))
  )
