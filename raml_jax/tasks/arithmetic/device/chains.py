"""Writes modular chains in all formats, B at a time, from the left.

Token for token what `formats.write` gives by its usual route.
"""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import numpy as np

from raml_jax import base
from raml_jax.tasks import vocab
from raml_jax.tasks.arithmetic import questions
from raml_jax.tasks.arithmetic.device import slots
from raml_jax.tasks.arithmetic.device import wrapping


def write(
  terms_TxB: base.Array,
  sign_TxB: base.Array,
  count_B: base.Array,
  product: bool,
  modulus: int,
  radix: int,
) -> wrapping.Content:
  """The content of B chains of T terms at most.

  Args:
    terms_TxB: 0 to modulus - 1.
    sign_TxB: +1 or -1, the first +1.
    count_B: how many terms there are, at least 2.
    product: whether they are multiplied.
    modulus: of every result.
    radix: the base.
  """
  page = _Page(terms_TxB, sign_TxB, count_B, product, modulus, radix)
  value_TxB, _ = page.values()
  hit_TxB = np.arange(len(terms_TxB))[:, None] == count_B[None] - 1
  answer_1xB = jnp.sum(jnp.where(hit_TxB, value_TxB, 0), axis=0)[None]
  return wrapping.Content(
    page.question(),
    slots.digits(answer_1xB, page.width, radix),
    None,
    page.steps,
  )


@dataclasses.dataclass(frozen=True)
class _Page:
  """Chains and what is written of them."""

  terms_TxB: base.Array
  sign_TxB: base.Array
  count_B: base.Array
  product: bool
  modulus: int
  radix: int

  @property
  def width(self) -> int:
    """Digits of the largest term."""
    return len(questions.numeral(self.modulus - 1, self.radix))

  def values(self) -> tuple[base.Array, base.Array]:
    """(value_TxB after each term, total_TxB before the remainder)."""
    values = totals = [self.terms_TxB[0]]
    for t in range(1, len(self.terms_TxB)):
      if self.product:
        total_B = values[-1] * self.terms_TxB[t]
      else:
        total_B = values[-1] + self.sign_TxB[t] * self.terms_TxB[t]
      totals = [*totals, total_B]
      values = [*values, total_B % self.modulus]
    return jnp.stack(values), jnp.stack(totals)

  def question(self):
    parts = [slots.text("("), *self._number(self.terms_TxB[:1])]
    for t in range(1, len(self.terms_TxB)):
      here_1xB = (t < self.count_B)[None]
      term = [
        *self._operator(self.sign_TxB[t : t + 1] < 0),
        *self._number(self.terms_TxB[t : t + 1]),
      ]
      parts += [_masked(part, here_1xB) for part in term]
    modulus = questions.numeral(self.modulus, self.radix)
    return [*parts, slots.text(f")%{modulus}")]

  def steps(self, detailed: bool) -> wrapping.Steps:
    terms, batch = self.terms_TxB.shape
    lines = terms - 1
    value_TxB, total_TxB = self.values()
    i_Ix1 = np.arange(lines)[:, None]
    result = self._number(value_TxB[1:])
    parts = [
      *self._number(value_TxB[:-1]),
      *self._operator(self._minus_TxB[1:]),
      *self._number(self.terms_TxB[1:]),
    ]
    if detailed:
      total = self._total(total_TxB[1:])
      modulus = questions.numeral(self.modulus, self.radix)
      parts = [
        *self._rest(value_TxB[:-1]),
        slots.text(" , "),
        *parts,
        slots.text("="),
        *total,
        slots.text(" , "),
        *total,
        slots.text(f"%{modulus}="),
        *result,
        slots.text(" , A->"),
        *result,
        slots.text("\n"),
      ]
    else:
      more_IxB = i_Ix1 < self.count_B[None] - 2
      parts += [slots.text("->"), *result, slots.text("\n", more_IxB)]
    blocks = [
      slots.block(
        parts,
        vocab.Role.STEP,
        jnp.broadcast_to(1 + i_Ix1, (lines, batch)),
        i_Ix1 < self.count_B[None] - 1,
      )
    ]
    last_B = self.count_B
    if detailed:
      hit_TxB = np.arange(terms)[:, None] == self.count_B[None] - 1
      answer_1xB = jnp.sum(jnp.where(hit_TxB, value_TxB, 0), axis=0)[None]
      final = [slots.text("["), *self._number(answer_1xB), slots.text("]")]
      blocks.append(wrapping.line(final, last_B, batch))
      last_B = last_B + 1
    return wrapping.Steps(blocks, last_B)

  def _number(self, value_IxB):
    return slots.number(value_IxB, self.width, self.radix)

  def _total(self, total_IxB):
    most = self.modulus - 1
    largest = most**2 if self.product else 2 * most
    width = len(questions.numeral(largest, self.radix))
    signed = not self.product
    return slots.number(total_IxB, width, self.radix, signed=signed)

  def _operator(self, negative_IxB):
    """What stands before a term."""
    if self.product:
      return [slots.text("*")]
    plus, minus = (int(vocab.encode(symbol)[0]) for symbol in "+-")
    return [slots.part(jnp.where(negative_IxB, minus, plus)[:, None])]

  @property
  def _minus_TxB(self) -> base.Array:
    """Which terms have a minus in the steps, where -0 is 0."""
    return (self.sign_TxB < 0) & (self.terms_TxB > 0)

  def _rest(self, value_IxB):
    """The value and the terms to come, as a list; line i has used i + 1."""
    lines = len(value_IxB)
    parts = [slots.text("["), *self._number(value_IxB)]
    for t in range(1, lines + 1):
      to_come_I = np.arange(lines) < t
      here_IxB = to_come_I[:, None] & (t < self.count_B)[None]
      term = [slots.text(","), *self._number(self.terms_TxB[t : t + 1])]
      if not self.product:
        term.insert(1, slots.sign(self._minus_TxB[t : t + 1]))
      parts += [_masked(part, here_IxB, to_come_I) for part in term]
    return [*parts, slots.text("]")]


def _masked(
  part: slots.Part, keep_IxB: base.Array, reach_I: np.ndarray | None = None
) -> slots.Part:
  """The part, in some lines and questions only."""
  reach_I = np.ones(1, bool) if reach_I is None else reach_I
  return dataclasses.replace(
    part,
    keep_IxWxB=part.keep_IxWxB & keep_IxB[:, None],
    reach_IxW=part.reach_IxW & reach_I[:, None],
  )
