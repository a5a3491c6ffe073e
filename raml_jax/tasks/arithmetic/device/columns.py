"""Writes additions and subtractions in all formats, B at a time.

Token for token what `formats.write` gives by its usual route.
"""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import numpy as np

from raml_jax import base
from raml_jax.tasks import vocab
from raml_jax.tasks.arithmetic.device import slots
from raml_jax.tasks.arithmetic.device import wrapping


@dataclasses.dataclass(frozen=True)
class _Columns:
  """The written arithmetic of each column; N columns, the lowest first.

  Attributes:
    total_NxB: a + b + carry, or a - b - |carry| before anything is lent.
    digit_NxB: what the column leaves.
    carry_NxB: into the column.
    next_NxB: out of it.
    lent_NxB: whether the base was added (subtraction).
  """

  total_NxB: base.Array
  digit_NxB: base.Array
  carry_NxB: base.Array
  next_NxB: base.Array
  lent_NxB: base.Array


def write(
  x_NxB: base.Array, y_NxB: base.Array, symbol: str, radix: int
) -> wrapping.Content:
  """The content of B questions x + y or x - y.

  Args:
    x_NxB: digits of x, the lowest first, zeros above its last.
    y_NxB: digits of y.
    symbol: "+" or "-".
    radix: the base.
  """
  x_length_B, y_length_B = _length(x_NxB), _length(y_NxB)
  count_B = jnp.maximum(x_length_B, y_length_B)
  worked = _work(x_NxB, y_NxB, count_B, symbol, radix)
  if symbol == "+":
    negative_1xB = None
    # A column above both operands leaves the carry that comes into it.
    answer_JxB = jnp.concatenate([worked.digit_NxB, worked.next_NxB[-1:]])
  else:
    answer_JxB, negative_1xB = _difference(x_NxB, y_NxB, radix)
  question = [
    slots.numeral(x_NxB[None]),
    slots.text(symbol),
    slots.numeral(y_NxB[None]),
  ]

  def scratchpad(detailed: bool) -> wrapping.Steps:
    result = negative_1xB, answer_JxB
    page = _Page(symbol, radix, x_NxB, y_NxB, count_B, worked, result)
    return page.steps(detailed, x_length_B, y_length_B)

  return wrapping.Content(question, answer_JxB[None], negative_1xB, scratchpad)


@dataclasses.dataclass(frozen=True)
class _Page:
  """One scratchpad and all that is written on it."""

  symbol: str
  radix: int
  x_NxB: base.Array
  y_NxB: base.Array
  count_B: base.Array
  worked: _Columns
  result: tuple[base.Array | None, base.Array]

  def steps(self, detailed, x_length_B, y_length_B) -> wrapping.Steps:
    lines, batch = self.x_NxB.shape
    i_Nx1 = np.arange(lines)[:, None]
    more_NxB = i_Nx1 < self.count_B[None] - 1
    first = 1
    blocks = []
    parts = self._results()
    if detailed:
      lengths = x_length_B, y_length_B
      for digits_NxB, length_B in zip((self.x_NxB, self.y_NxB), lengths):
        header = self._header(digits_NxB, length_B)
        blocks.append(wrapping.line(header, first, batch))
        first += 1
      parts = self._details(x_length_B, y_length_B) + parts
    final = self.symbol == "-" or detailed
    parts.append(slots.text("\n", True if final else more_NxB))
    blocks.append(
      slots.block(
        parts,
        vocab.Role.STEP,
        jnp.broadcast_to(first + i_Nx1, (lines, batch)),
        i_Nx1 < self.count_B[None],
      )
    )
    last_B = first + self.count_B
    if detailed:
      end = [slots.text("\n")] if self.symbol == "-" else []
      blocks.append(wrapping.line(self._closing() + end, last_B, batch))
      last_B = last_B + 1
    if self.symbol == "-":
      blocks.append(wrapping.line(self._put_together(), last_B, batch))
      last_B = last_B + 1
    return wrapping.Steps(blocks, last_B)

  @property
  def _below_N(self) -> np.ndarray:
    """Lines that are not the highest column of the longest questions."""
    lines = len(self.x_NxB)
    return np.arange(lines) < lines - 1

  def _header(self, digits_NxB, length_B):
    count = len(digits_NxB)
    width = len(str(count))
    return [
      *slots.listing(
        digits_NxB, np.zeros(1, int), length_B[None], np.array([count])
      ),
      slots.text(" has "),
      *slots.number(length_B[None], width, 10),
      slots.text(" digits.\n"),
    ]

  def _carry(self, carry_NxB):
    if self.symbol == "+":
      return slots.number(carry_NxB, 1, self.radix)
    return slots.number(carry_NxB, 1, self.radix, signed=True)

  def _digit(self):
    digit_NxB = self.worked.digit_NxB
    if self.symbol == "+":
      return slots.number(digit_NxB, 1, self.radix)
    return slots.number(
      digit_NxB, 2, self.radix, signed=True, spare_I=self._below_N
    )

  def _results(self):
    return [
      slots.text("A->"),
      *self._digit(),
      slots.text(" , C->"),
      *self._carry(self.worked.next_NxB),
    ]

  def _details(self, x_length_B, y_length_B):
    lines = len(self.x_NxB)
    i_N = np.arange(lines)
    whole_N = np.full(lines, lines)
    symbol, worked = self.symbol, self.worked
    if symbol == "+":
      total = slots.number(worked.total_NxB, 2, self.radix)
      loan = []
    else:
      total = self._digit()
      loan = [slots.text("+10", worked.lent_NxB, self._below_N)]
    x_list, y_list, a_list = (
      slots.listing(digits, low, high, reach)
      for digits, low, high, reach in (
        (self.x_NxB, i_N, x_length_B[None], whole_N),
        (self.y_NxB, i_N, y_length_B[None], whole_N),
        (worked.digit_NxB, 0 * i_N, jnp.asarray(i_N)[:, None], i_N),
      )
    )
    return [
      *x_list,
      slots.text(f" {symbol} "),
      *y_list,
      slots.text(" , A="),
      *a_list,
      slots.text(" , C="),
      *self._carry(worked.carry_NxB),
      slots.text(" , "),
      *slots.number(self.x_NxB, 1, self.radix),
      slots.text(symbol),
      *slots.number(self.y_NxB, 1, self.radix),
      slots.text(symbol),
      *slots.number(jnp.abs(worked.carry_NxB), 1, self.radix),
      *loan,
      slots.text("="),
      *total,
      slots.text(" , "),
    ]

  def _closing(self):
    lines = len(self.x_NxB)
    digit_NxB, count_B = self.worked.digit_NxB, self.count_B
    start = slots.text(f"[] {self.symbol} [] , A=")
    if self.symbol == "+":
      carry_1xB = _at(self.worked.next_NxB, count_B - 1)[None]
      everything = slots.listing(
        digit_NxB, np.zeros(1, int), count_B[None], np.array([lines])
      )
      carry = [slots.text(" C="), *self._carry(carry_1xB)]
      return [start, *everything, *carry]
    # The highest column has a sign and may have two digits.
    below_JxB = np.arange(lines - 1)[::-1, None] < count_B[None] - 1
    below = [
      item
      for digit_B, keep_B in zip(digit_NxB[:-1][::-1], below_JxB)
      for item in (
        slots.text(",", keep_B[None]),
        _one(digit_B, keep_B),
      )
    ]
    return [start, slots.text("["), *self._top(), *below, slots.text("]")]

  def _top(self):
    top_1xB = _at(self.worked.digit_NxB, self.count_B - 1)[None]
    return slots.number(top_1xB, 2, self.radix, signed=True)

  def _put_together(self):
    lines = len(self.x_NxB)
    top_B = _at(self.worked.digit_NxB, self.count_B - 1)
    below_JxB = np.arange(lines - 1)[:, None] < self.count_B[None] - 1
    zeros = [
      slots.text("0", (keep_B & (top_B != 0))[None]) for keep_B in below_JxB
    ]
    low_JxB = jnp.where(below_JxB, self.worked.digit_NxB[:-1], 0)
    low = [slots.numeral(low_JxB[None])] if lines > 1 else [slots.text("0")]
    negative_1xB, result_JxB = self.result
    result = [slots.sign(negative_1xB), slots.numeral(result_JxB[None])]
    equals = slots.text("=")
    return [*self._top(), *zeros, slots.text("+"), *low, equals, *result]


def _one(digit_B, keep_B) -> slots.Part:
  token_1x1xB = vocab.FIRST_DIGIT + digit_B[None, None]
  return slots.part(token_1x1xB, keep_B[None, None])


def _length(digits_NxB) -> base.Array:
  """How many digits a number has, at least 1."""
  n_Nx1 = np.arange(1, len(digits_NxB) + 1)[:, None]
  return jnp.maximum(1, jnp.max(jnp.where(digits_NxB != 0, n_Nx1, 1), axis=0))


def _at(values_NxB, index_B) -> base.Array:
  """values_NxB[index_B[b], b]."""
  hit_NxB = np.arange(len(values_NxB))[:, None] == index_B[None]
  return jnp.sum(jnp.where(hit_NxB, values_NxB, 0), axis=0)


def _work(x_NxB, y_NxB, count_B, symbol, radix) -> _Columns:
  rows = []
  carry_B = jnp.zeros_like(x_NxB[0])
  for i, (x_B, y_B) in enumerate(zip(x_NxB, y_NxB)):
    if symbol == "+":
      total_B = x_B + y_B + carry_B
      lent_B = jnp.zeros_like(total_B, bool)
      next_B = (total_B >= radix).astype(jnp.int32)
      digit_B = total_B - radix * next_B
    else:
      total_B = x_B - y_B + carry_B
      lent_B = (total_B < 0) & (i < count_B - 1)
      digit_B = total_B + radix * lent_B
      next_B = -(total_B < 0).astype(jnp.int32)
    rows.append((total_B, digit_B, carry_B, next_B, lent_B))
    carry_B = next_B
  return _Columns(*map(jnp.stack, zip(*rows)))


def _difference(x_NxB, y_NxB, radix) -> tuple[base.Array, base.Array]:
  """The digits of |x - y| and whether x < y (with a leading axis of 1)."""

  def subtract(a_NxB, b_NxB):
    borrow_B, digits = jnp.zeros_like(a_NxB[0]), []
    for a_B, b_B in zip(a_NxB, b_NxB):
      rest_B = a_B - b_B - borrow_B
      borrow_B = (rest_B < 0).astype(jnp.int32)
      digits.append(rest_B + radix * borrow_B)
    return jnp.stack(digits), borrow_B > 0

  forward_NxB, negative_B = subtract(x_NxB, y_NxB)
  backward_NxB, _ = subtract(y_NxB, x_NxB)
  return (
    jnp.where(negative_B[None], backward_NxB, forward_NxB),
    negative_B[None],
  )
