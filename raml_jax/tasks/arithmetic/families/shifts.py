"""Questions unlike those of a family: longer ones, and other operations.

longer(Pairs("+", digits=3))    sums of numbers with four and five digits
other(Pairs("+", digits=3))     differences
"""

from __future__ import annotations

import dataclasses

from raml_jax import base as nouns
from raml_jax.tasks.arithmetic import questions
from raml_jax.tasks.arithmetic.families import chains
from raml_jax.tasks.arithmetic.families import expressions
from raml_jax.tasks.arithmetic.families import family as family_lib
from raml_jax.tasks.arithmetic.families import pairs

# Digits, terms or operations more than in the family.
_MORE = 2
_OTHER_PAIR = {"+": "-", "-": "+", "*": "+"}
_OTHER_CHAIN = {"+-": "*", "+": "*", "*": "+-"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class LongExpressions(expressions.Expressions):
  """Expressions with at least `fewest` operations."""

  fewest: int = 1

  def check(self):
    super().check()
    if not 1 <= self.fewest <= self.operations:
      raise ValueError(
        f"fewest = {self.fewest}: must be 1 to operations = {self.operations}"
      )

  def pools(self):
    return list(super().pools())[self.fewest - 1 :]

  def questions(self, key: nouns.Array, batch: int) -> list[questions.Question]:
    """Fewer than `batch` of them: those that are too short are left out."""
    drawn = super().questions(key, batch)
    return [one for one in drawn if len(one.numbers) > self.fewest]


def longer(family: family_lib.Family) -> family_lib.Family:
  """The same operations on more digits or terms than the family ever has."""
  if isinstance(family, pairs.Pairs):
    weights = (0.0,) * family.digits + (1.0,) * _MORE
    return dataclasses.replace(
      family, digits=family.digits + _MORE, weights=weights
    )
  if isinstance(family, chains.Chains):
    return dataclasses.replace(
      family, terms=family.terms + _MORE, fewest=family.terms + 1
    )
  values = _fields(family) | {
    "operations": family.operations + _MORE,
    "fewest": family.operations + 1,
  }
  return LongExpressions(**values)


def other(family: family_lib.Family) -> family_lib.Family:
  """As long as the family's, with operations that it does not have.

  Where brackets have all three operations, these are chains, modulo the least
  number that is too large for a leaf.
  """
  if isinstance(family, pairs.Pairs):
    return dataclasses.replace(family, operator=_OTHER_PAIR[family.operator])
  if isinstance(family, chains.Chains):
    operators = _OTHER_CHAIN[family.operators]
    return dataclasses.replace(family, operators=operators)
  left = "".join(o for o in "+-*" if o not in family.operators)
  if left:
    return dataclasses.replace(family, operators=left)
  shared = {f.name for f in dataclasses.fields(family_lib.Family)}
  return chains.Chains(
    terms=family.operations + 1,
    fewest=2,
    modulus=family.base**family.digits,
    **{name: v for name, v in _fields(family).items() if name in shared},
  )


def _fields(family: family_lib.Family) -> dict:
  return {f.name: getattr(family, f.name) for f in dataclasses.fields(family)}
