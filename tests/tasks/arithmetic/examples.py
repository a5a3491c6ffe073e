"""Random questions of every kind, for tests."""

import random

from raml_jax.tasks.arithmetic import questions

KINDS = ("+", "-", "*", "chain", "expression")


def question(kind: str, rng: random.Random) -> questions.Question:
  """One question in a random base."""
  base = rng.choice((2, 3, 8, 10, 16, 36))
  if kind == "chain":
    count, modulus = rng.randint(2, 6), rng.randint(2, 50)
    signs = rng.choice(("+-", "*"))
    return questions.Chain(
      tuple(rng.randrange(modulus) for _ in range(count)),
      "".join(rng.choice(signs) for _ in range(count - 1)),
      modulus,
      base,
    )
  if kind == "expression":
    return questions.Expression(tree(rng, rng.randint(1, 5), base), base)
  x, y = (rng.randrange(base ** rng.randint(1, 5)) for _ in range(2))
  return questions.Pair(kind, x, y, base)


def tree(rng: random.Random, operations: int, base: int) -> questions.Tree:
  """A random tree of so many operations."""
  if not operations:
    return rng.randrange(base ** rng.randint(1, 2))
  left = rng.randrange(operations)
  return (
    tree(rng, left, base),
    rng.choice("+-*"),
    tree(rng, operations - 1 - left, base),
  )
