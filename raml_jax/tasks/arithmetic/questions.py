"""What is asked, as numbers; how it is written as text is `formats`.

    Pair("+", 128, 367)                      128+367              495
    Pair("*", 12, 36)                        12*36                432
    Chain((3, 8, 5, 9), "+-+", modulus=11)   (3+8-5+9)%11         4
    Expression(((3, "+", 4), "*", (7, "-", 2)))   ((3+4)*(7-2))   35

Every number is written in the question's base, with the digits 0-9 a-z.
"""

from __future__ import annotations

import dataclasses
import operator

from raml_jax.tasks import vocab

OPERATORS = {"+": operator.add, "-": operator.sub, "*": operator.mul}
Tree = int | tuple  # A number, or (tree, operator, tree).


def check_base(base: int) -> None:
  """Raises ValueError if there are not enough digits for a base."""
  if not 2 <= base <= len(vocab.DIGITS):
    raise ValueError(f"base = {base}: must be 2 to {len(vocab.DIGITS)}")


def check_operator(symbol: str, allowed: str) -> None:
  """Raises ValueError if `symbol` is not one of the characters allowed."""
  if len(symbol) != 1 or symbol not in allowed:
    names = ", ".join(allowed)
    raise ValueError(f"operator = {symbol!r}: must be one of {names}")


def numeral(value: int, base: int) -> str:
  """Writes any integer: -239 in base 10 is "-239"."""
  rest, digits = abs(value), []
  while rest or not digits:
    rest, digit = divmod(rest, base)
    digits.append(vocab.DIGITS[digit])
  return "-" * (value < 0) + "".join(reversed(digits))


@dataclasses.dataclass(frozen=True)
class Pair:
  """x + y, x - y or x * y, of integers that are not negative."""

  operator: str
  x: int
  y: int
  base: int = 10

  def __post_init__(self):
    check_base(self.base)
    check_operator(self.operator, "+-*")
    _check_numbers(self.numbers)

  @property
  def text(self) -> str:
    x, y = (numeral(number, self.base) for number in self.numbers)
    return f"{x}{self.operator}{y}"

  @property
  def answer(self) -> int:
    return OPERATORS[self.operator](self.x, self.y)

  @property
  def numbers(self) -> tuple[int, ...]:
    return self.x, self.y


@dataclasses.dataclass(frozen=True)
class Chain:
  """A sum or product of several terms, modulo something.

  Attributes:
    terms: two or more, none negative.
    operators: one between each term and the next; all "*", or any of "+-".
    modulus: at least 2.
    base: of the numerals.
  """

  terms: tuple[int, ...]
  operators: str
  modulus: int
  base: int = 10

  def __post_init__(self):
    check_base(self.base)
    check_modulus(self.modulus)
    _check_numbers(self.terms)
    if len(self.terms) < 2 or len(self.operators) != len(self.terms) - 1:
      raise ValueError(
        f"terms = {self.terms}, operators = {self.operators!r}: there must be"
        " two terms or more, and an operator between each and the next"
      )
    if set(self.operators) != {"*"} and not set(self.operators) <= set("+-"):
      raise ValueError(
        f"operators = {self.operators!r}: must be all '*', or any of '+', '-'"
      )

  @property
  def text(self) -> str:
    first, *rest = (numeral(term, self.base) for term in self.terms)
    tail = "".join(o + term for o, term in zip(self.operators, rest))
    return f"({first}{tail})%{numeral(self.modulus, self.base)}"

  @property
  def answer(self) -> int:
    value = self.terms[0]
    for symbol, term in zip(self.operators, self.terms[1:]):
      value = OPERATORS[symbol](value, term)
    return value % self.modulus

  @property
  def numbers(self) -> tuple[int, ...]:
    return self.terms


@dataclasses.dataclass(frozen=True)
class Expression:
  """Nested brackets: a leaf is a number, a node (left, operator, right)."""

  tree: Tree
  base: int = 10

  def __post_init__(self):
    check_base(self.base)
    _check_numbers(self.numbers)

  @property
  def text(self) -> str:
    return write_tree(self.tree, self.base)

  @property
  def answer(self) -> int:
    return evaluate(self.tree)

  @property
  def numbers(self) -> tuple[int, ...]:
    return tuple(leaves(self.tree))


Question = Pair | Chain | Expression


def write_tree(tree: Tree, base: int) -> str:
  """A tree with a bracket around every node."""
  if isinstance(tree, int):
    return numeral(tree, base)
  left, symbol, right = tree
  return f"({write_tree(left, base)}{symbol}{write_tree(right, base)})"


def evaluate(tree: Tree) -> int:
  """The value of a tree."""
  if isinstance(tree, int):
    return tree
  left, symbol, right = tree
  check_operator(symbol, "+-*")
  return OPERATORS[symbol](evaluate(left), evaluate(right))


def check_modulus(modulus: int) -> None:
  """Raises ValueError if there is nothing to divide by."""
  if modulus < 2:
    raise ValueError(f"modulus = {modulus}: must be at least 2")


def leaves(tree: Tree) -> list[int]:
  """The numbers of a tree, from the left."""
  if isinstance(tree, int):
    return [tree]
  return leaves(tree[0]) + leaves(tree[2])


def _check_numbers(numbers: tuple[int, ...]) -> None:
  for number in numbers:
    if number < 0:
      raise ValueError(f"number = {number}: must not be negative")
