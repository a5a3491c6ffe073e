"""Nested brackets, opened from the inside.

((3+4)*(7-2)), simplified and detailed:

    3+4=7          ((3+4)*(7-2)) , 3+4=7
    7-2=5          (7*(7-2)) , 7-2=5
    7*5=35         (7*5) , 7*5=35
                   35

Methods: "left" opens the leftmost bracket that holds two numbers, "right" the
rightmost. With `group` = g a step opens g of them: `3+4=7 , 7-2=5`.
"""

from __future__ import annotations

from raml_jax.tasks.arithmetic import questions
from raml_jax.tasks.arithmetic.steps import derivation

METHODS = ("left", "right")


def derive(
  question: questions.Expression,
  detailed: bool,
  method: str = "left",
  group: int = 1,
  slip: derivation.Slip | None = None,
) -> derivation.Derivation:
  """Writes one line per opened bracket, or group of them."""
  base = question.base
  tree = question.tree
  lines = []
  while not isinstance(tree, int):
    before = questions.write_tree(tree, base)
    equations = []
    # A tree has one number more than it has brackets.
    count = min(group, len(questions.leaves(tree)) - 1)
    while len(equations) < count:
      # A slip counts lines, and falls on the last equation of its line.
      here = slip if len(equations) == count - 1 else None
      tree, equation = _open(tree, base, method == "left", len(lines), here)
      equations.append(equation)
    text = " , ".join(equations)
    lines.append(f"{before} , {text}" if detailed else text)
  if detailed:
    lines.append(questions.numeral(tree, base))
  return derivation.Derivation(tuple(lines), tree)


def _open(tree, base, left_first, step, slip):
  """The tree with one bracket replaced by its value, and the equation."""
  left, symbol, right = tree
  if isinstance(left, int) and isinstance(right, int):
    value = questions.OPERATORS[symbol](left, right)
    written, used = derivation.slipped(value, base, step, slip)
    a, b, c = (questions.numeral(v, base) for v in (left, right, written))
    return used, f"{a}{symbol}{b}={c}"
  go_left = not isinstance(left, int)
  if go_left and not isinstance(right, int):
    go_left = left_first
  if go_left:
    left, equation = _open(left, base, left_first, step, slip)
  else:
    right, equation = _open(right, base, left_first, step, slip)
  return (left, symbol, right), equation
