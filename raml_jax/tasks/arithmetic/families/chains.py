"""Sums and products of several terms, modulo something.

    Chains(terms=6, modulus=11, format="simplified").sample(key, 128)

All of them are drawn and written on the device.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from raml_jax import base as nouns
from raml_jax.tasks.arithmetic import questions
from raml_jax.tasks.arithmetic.device import chains
from raml_jax.tasks.arithmetic.device import draws
from raml_jax.tasks.arithmetic.device import slots
from raml_jax.tasks.arithmetic.device import wrapping
from raml_jax.tasks.arithmetic.families import family


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class Chains(family.Family):
  """Sums (with + and -) or products of terms, modulo something.

  Attributes:
    terms: the most there are; their number is uniform up to it.
    fewest: the fewest there are; 0 for `terms`.
    modulus: terms are uniform from 0 to modulus - 1.
    operators: "+-", "+" or "*".
  """

  terms: int = 4
  fewest: int = 0
  modulus: int = 10
  operators: str = "+-"

  def check(self):
    family.check_at_least("terms", self.terms, 2)
    if self.fewest and not 2 <= self.fewest <= self.terms:
      raise ValueError(
        f"fewest = {self.fewest}: must be 2 to terms = {self.terms}, or 0"
      )
    questions.check_modulus(self.modulus)
    if self.operators not in ("+-", "+", "*"):
      raise ValueError(
        f"operators = {self.operators!r}: must be '+-', '+' or '*'"
      )
    largest = (
      (self.modulus - 1) ** 2 if self.operators == "*" else 2 * self.modulus
    )
    if largest >= 2**31:
      raise ValueError(
        f"modulus = {self.modulus}: intermediate results must be below 2^31"
      )

  def pools(self):
    return [(0, self.modulus, n) for n in range(self._fewest, self.terms + 1)]

  @property
  def on_device(self):
    return True

  def longest(self):
    terms = jax.ShapeDtypeStruct((self.terms, 1), jnp.int32)
    count = jax.ShapeDtypeStruct((1,), jnp.int32)
    return family.longest(self, terms, terms, count)

  def operands(
    self, key: nouns.Array, batch: int
  ) -> tuple[nouns.Array, nouns.Array, nouns.Array]:
    """terms_TxB, their signs sign_TxB, and how many there are, count_B."""

    def draw(key):
      terms_TxB, sign_TxB, count_B = draws.terms(
        key, batch, self._fewest, self.terms, self.modulus
      )
      if self.operators != "+-":
        sign_TxB = jnp.ones_like(sign_TxB)
      return terms_TxB, sign_TxB, count_B

    def words(drawn):
      terms_TxB, _, count_B = drawn
      here_TxB = np.arange(self.terms)[:, None] < count_B[None]
      return jnp.where(here_TxB, terms_TxB, -1).astype(jnp.uint32)

    return family.draw_inside(self.split, key, draw, words)

  def questions(self, key, batch):
    return self.questions_of(family.operands(self, key, batch))

  def questions_of(
    self, operands: tuple[nouns.Array, nouns.Array, nouns.Array]
  ) -> list[questions.Question]:
    """The questions with these operands."""
    asked = []
    columns_B = (np.asarray(array).T for array in operands)
    for terms_T, sign_T, count in zip(*columns_B):
      signs = "".join("-" if sign < 0 else "+" for sign in sign_T[1:count])
      asked.append(
        questions.Chain(
          tuple(int(term) for term in terms_T[:count]),
          "*" * (int(count) - 1) if self.operators == "*" else signs,
          self.modulus,
          self.base,
        )
      )
    return asked

  def places(
    self, terms_TxB: nouns.Array, sign_TxB: nouns.Array, count_B: nouns.Array
  ) -> list[slots.Places]:
    """What is written on the device, before it is moved together."""
    content = chains.write(
      terms_TxB,
      sign_TxB,
      count_B,
      self.operators == "*",
      self.modulus,
      self.base,
    )
    return wrapping.wrap(content, self.format, self.lead)

  @property
  def _fewest(self) -> int:
    return self.fewest or self.terms
