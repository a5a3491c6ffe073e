"""Longer questions are longer than any of the family, others have others."""

import jax
import pytest

from raml_jax.tasks.arithmetic.families import chains
from raml_jax.tasks.arithmetic.families import expressions
from raml_jax.tasks.arithmetic.families import pairs
from raml_jax.tasks.arithmetic.families import shifts


@pytest.mark.parametrize(
  "family, longer, other",
  [
    (
      pairs.Pairs(operator="*", digits=1),
      pairs.Pairs(operator="*", digits=3, weights=(0.0, 1.0, 1.0)),
      pairs.Pairs(operator="+", digits=1),
    ),
    (
      chains.Chains(terms=3, fewest=2, operators="+"),
      chains.Chains(terms=5, fewest=4, operators="+"),
      chains.Chains(terms=3, fewest=2, operators="*"),
    ),
    (
      expressions.Expressions(operations=2, digits=3, operators="+"),
      shifts.LongExpressions(operations=4, fewest=3, digits=3, operators="+"),
      expressions.Expressions(operations=2, digits=3, operators="-*"),
    ),
    (
      expressions.Expressions(operations=2, base=5, format="detailed"),
      shifts.LongExpressions(operations=4, fewest=3, base=5, format="detailed"),
      chains.Chains(terms=3, fewest=2, modulus=5, base=5, format="detailed"),
    ),
  ],
)
def test_shifts_of_every_family(family, longer, other):
  assert shifts.longer(family) == longer
  assert shifts.other(family) == other


def test_long_expressions_are_long():
  asked = shifts.longer(expressions.Expressions(operations=2))
  drawn = asked.questions(jax.random.key(0), 60)
  assert {len(one.numbers) for one in drawn} == {4, 5}
  chunk = asked.sample(jax.random.key(0), 60)
  assert chunk.tokens_L.shape == (len(drawn), asked.context)


@pytest.mark.parametrize("fewest", [0, 4])
def test_fewest_is_checked(fewest):
  with pytest.raises(ValueError, match=f"^fewest = {fewest}: must be 1 to op"):
    shifts.LongExpressions(operations=3, fewest=fewest)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
