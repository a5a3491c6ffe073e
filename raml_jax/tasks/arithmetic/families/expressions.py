"""Nested brackets.

    Expressions(operations=3, format="detailed").sample(key, 128)

They are drawn and written on the host: brackets have no fixed shape.
"""

from __future__ import annotations

import dataclasses
import functools

import jax
import numpy as np

from raml_jax.tasks.arithmetic import formats
from raml_jax.tasks.arithmetic import questions
from raml_jax.tasks.arithmetic import splits
from raml_jax.tasks.arithmetic.families import family


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class Expressions(family.Family):
  """Nested brackets of numbers with up to `digits` digits.

  Attributes:
    operations: the most there are; their number is uniform from 1 up to it.
    digits: the most a number has; their number is uniform too.
    operators: each operation is one of these, all alike.
  """

  operations: int = 3
  digits: int = 1
  operators: str = "+-*"

  def check(self):
    family.check_at_least("operations", self.operations, 1)
    family.check_at_least("digits", self.digits, 1)
    if not self.operators or not set(self.operators) <= set("+-*"):
      raise ValueError(
        f"operators = {self.operators!r}: must be some of '+', '-', '*'"
      )

  def pools(self):
    numbers = range(2, self.operations + 2)
    return [(0, self.base**self.digits, count) for count in numbers]

  def longest(self):
    """A bound: m leaves of d digits make a number of m d characters at most."""
    total = (self.operations + 1) * self.digits
    question = total + 3 * self.operations
    empty = formats.wrap(questions.Expression(0), self.format, (), 0, self.lead)
    fixed = len(empty.text) - len("00")
    answer = 2 * total - 1 if self.format == "detailed" else total
    length = fixed + question + answer
    if self.format not in formats.SCRATCHPADS:
      return length
    for i in range(self.operations):
      length += 2 * (i + 2) * self.digits + 3  # a+b=c and its newline.
      if self.format == "detailed":
        length += total + 3 * (self.operations - i) + len(" , ")
    return length + (total if self.format == "detailed" else -1)

  def questions(self, key, batch):
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)).tolist())
    asked = []
    while len(asked) < batch:
      operations = int(rng.integers(1, self.operations + 1))
      one = questions.Expression(self._tree(rng, operations), self.base)
      if splits.contains(self.split, one.numbers):
        asked.append(one)
    return asked

  def _tree(self, rng, operations) -> questions.Tree:
    if not operations:
      digits = int(rng.integers(1, self.digits + 1))
      return functools.reduce(
        lambda value, digit: value * self.base + int(digit),
        rng.integers(0, self.base, digits),
        0,
      )
    left = int(rng.integers(0, operations))
    symbol = self.operators[rng.integers(len(self.operators))]
    right = operations - 1 - left
    return self._tree(rng, left), symbol, self._tree(rng, right)
