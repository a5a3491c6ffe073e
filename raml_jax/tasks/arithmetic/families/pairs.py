"""Additions, subtractions and multiplications of two numbers.

    Pairs("+", digits=3, format="detailed").sample(key, 128)

Additions and subtractions are drawn and written on the device. Multiplications
are written on the host, because their partial products outgrow machine words.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from raml_jax import base as nouns
from raml_jax.tasks.arithmetic import questions
from raml_jax.tasks.arithmetic.device import columns
from raml_jax.tasks.arithmetic.device import draws
from raml_jax.tasks.arithmetic.device import slots
from raml_jax.tasks.arithmetic.device import wrapping
from raml_jax.tasks.arithmetic.families import family


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class Pairs(family.Family):
  """x + y, x - y or x * y.

  Attributes:
    operator: "+", "-" or "*".
    digits: N, the most that the longer operand has.
    weights: of 1..N digits; empty for base^n, which in base 10 are the 1, 9 and
      90 % of Lee et al. (2023). (0, 0, 1, 1) asks for 3 and 4 digits only.
    balance: "carries" for as many questions with 0, 1, 2, ... carries or
      borrows among those of n digits, "lengths" for as many with 1, 2, ..., n
      digits in the shorter operand, "none" for all pairs alike.
  """

  operator: str = "+"
  digits: int = 3
  weights: tuple[float, ...] = ()
  balance: str = "carries"

  def check(self):
    questions.check_operator(self.operator, "+-*")
    family.check_at_least("digits", self.digits, 1)
    if self.weights and len(self.weights) != self.digits:
      raise ValueError(
        f"weights = {self.weights}: must be {self.digits}, one for each number"
        " of digits"
      )
    if self.weights and (min(self.weights) < 0 or not sum(self.weights)):
      raise ValueError(
        f"weights = {self.weights}: must not be negative, nor all 0"
      )
    if self.balance not in draws.BALANCES:
      names = ", ".join(draws.BALANCES)
      raise ValueError(f"balance = {self.balance!r}: must be one of {names}")

  def pools(self):
    return [
      (self.base ** (n - 1) if n > 1 else 0, self.base**n, 2)
      for n, weight in self._lengths()
      if weight
    ]

  @property
  def on_device(self):
    return self.operator != "*"

  def longest(self):
    if self.on_device:
      digits = jax.ShapeDtypeStruct((self.digits, 1), jnp.int32)
      return family.longest(self, digits, digits)
    largest = self.base**self.digits - 1
    return self._host_length(questions.Pair("*", largest, largest, self.base))

  def operands(
    self, key: nouns.Array, batch: int
  ) -> tuple[nouns.Array, nouns.Array]:
    """The digits x_NxB and y_NxB, the lowest first."""

    def draw(key):
      weights = tuple(weight for _, weight in self._lengths())
      return draws.columns(
        key, batch, self.operator, self.base, weights, self.balance
      )

    def words(drawn):
      return jnp.stack([draws.words(digits, self.base) for digits in drawn])

    return family.draw_inside(self.split, key, draw, words)

  def questions(self, key, batch):
    return self.questions_of(family.operands(self, key, batch))

  def questions_of(
    self, operands: tuple[nouns.Array, nouns.Array]
  ) -> list[questions.Question]:
    """The questions with these operands."""
    x_NxB, y_NxB = map(np.asarray, operands)
    powers = [self.base**n for n in range(self.digits)]

    def number(digits_N):
      return sum(int(d) * power for d, power in zip(digits_N, powers))

    return [
      questions.Pair(self.operator, number(x_N), number(y_N), self.base)
      for x_N, y_N in zip(x_NxB.T, y_NxB.T)
    ]

  def places(
    self, x_NxB: nouns.Array, y_NxB: nouns.Array
  ) -> list[slots.Places]:
    """What is written on the device, before it is moved together."""
    content = columns.write(x_NxB, y_NxB, self.operator, self.base)
    return wrapping.wrap(content, self.format, self.lead)

  def _lengths(self) -> list[tuple[int, float]]:
    lengths = range(1, self.digits + 1)
    # Relative to the longest, since base^n may be no float.
    usual = [float(self.base) ** (n - self.digits) for n in lengths]
    return list(zip(lengths, self.weights or usual))
