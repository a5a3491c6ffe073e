r"""Judges any text as an answer to the question it opens with.

    check("128+367=495|").right                           True
    check("128+367=594|").right                           False
    check("$128+367=594$|").right                         True

For a scratchpad, every step is judged twice: is it `true` of the question, and
does it `follow` from the steps as they were written? An error that later steps
build on leaves one step that does not follow and many that are not true; an
error that they ignore leaves one that is not true. A step that `vocab.WAIT`
takes back counts no more.

Nothing here is shared with the code that writes trajectories.
"""

from __future__ import annotations

import dataclasses
import re

from raml_jax.tasks import vocab
from raml_jax.tasks.arithmetic.checking import chains
from raml_jax.tasks.arithmetic.checking import columns
from raml_jax.tasks.arithmetic.checking import expressions
from raml_jax.tasks.arithmetic.checking import products
from raml_jax.tasks.arithmetic.checking import walk

_LEAD = rf"[\n{re.escape(vocab.END)}]?"
_NUMERAL = r"-?(?:0|[1-9a-z][0-9a-z]*)"
_OPEN = r"Input:\n(?P<question>[^\n]*)\nTarget:\n"
# The outside of each format: what must stand around the steps and the answer.
_LAYOUTS = {
  "detailed": rf"{_OPEN}<scratch>\n(?P<steps>.*) , END\n</scratch>\n",
  "simplified": rf"{_OPEN}(?!<scratch>)(?P<steps>.*)\.\n",
  "reversed": r"\$(?P<question>[^=\n$]+)=",
  "plain": r"(?P<question>[^=\n$]+)=",
}
_ANSWERS = {
  "detailed": r"-?[0-9a-z](?: [0-9a-z])*",
  "simplified": _NUMERAL,
  "reversed": r"[0-9a-z]+-?",
  "plain": _NUMERAL,
}
_PAIR = re.compile(r"([0-9a-z]+)([-+*])([0-9a-z]+)")
_CHAIN = re.compile(r"\(([-+*0-9a-z]+)\)%([0-9a-z]+)")
# Digits per column, or per factor of a product, that a scratchpad may use.
_WIDTHS = (1, 2, 3, 4)


@dataclasses.dataclass(frozen=True)
class Step:
  """One line of a scratchpad.

  Attributes:
    true: it is the next step of a derivation of the right answer.
    follows: it is right, taken from what the earlier steps wrote.
    retracted: the next line takes it back.
  """

  true: bool
  follows: bool
  retracted: bool = False


@dataclasses.dataclass(frozen=True)
class Verdict:
  """What is known of a text.

  Attributes:
    format: "plain", "reversed", "simplified", "detailed", or None.
    well_formed: question, delimiters, answer and end stand where they should.
    right: the answer is the exact answer, also where the text is malformed.
    given: the answer as a number, or None.
    steps: one per line of the scratchpad.
    sound: every step that stands is true, and they lead to the answer.
    implied: the value that the steps as written lead to, or None.
    follows: the answer given is that value.
  """

  format: str | None
  well_formed: bool
  right: bool
  given: int | None = None
  steps: tuple[Step, ...] = ()
  sound: bool = False
  implied: int | None = None
  follows: bool = False


def check(text: str, base: int = 10) -> Verdict:
  """Reads a text, from its question to `vocab.END` or as far as it goes."""
  verdict, found = _outside(text, base)
  if found is None or "steps" not in found.groupdict():
    return verdict
  value = _question_value(found["question"], base)
  if value is None:
    return verdict
  lines = found["steps"].split("\n") if found["steps"] else []
  walks = _walks(found["question"], base, verdict.format == "detailed")
  readings = [_read_steps(one, lines) for one in walks]
  # The reading that makes most sense of the lines is the one that was meant; of
  # two, the one that comes to an end.
  steps, final, implied = max(
    readings,
    key=lambda reading: (
      sum(step.true + step.follows for step in reading[0]),
      reading[1] is not None,
      reading[2] is not None,
    ),
  )
  stands = [step.true for step in steps if not step.retracted]
  return dataclasses.replace(
    verdict,
    steps=steps,
    sound=all(stands) and final == value,
    implied=implied,
    follows=implied is not None and implied == verdict.given,
  )


def check_answer(text: str, base: int = 10) -> Verdict:
  """`check` without the steps, which is much faster."""
  return _outside(text, base)[0]


def evaluate(text: str, base: int = 10) -> int:
  """The value of an expression with + - * % and brackets.

  Raises:
    ValueError: it is none.
  """
  tokens = re.findall(r"[0-9a-z]+|.", text, re.DOTALL)
  value, rest = _sum(tokens, base)
  if rest:
    raise ValueError(f"expression = {text!r}: cannot be read from {rest[0]!r}")
  return value


def _outside(text, base) -> tuple[Verdict, re.Match | None]:
  """All but the steps, and where the parts of the text were found."""
  text = re.sub(rf"\A{_LEAD}", "", text, count=1)
  matches = (
    (format, re.match(layout, text, re.DOTALL))
    for format, layout in _LAYOUTS.items()
  )
  format, found = next((m for m in matches if m[1]), (None, None))
  opened = found or re.match(_OPEN, text)
  if not opened:
    return Verdict(None, False, False), None
  value = _question_value(opened["question"], base)
  if not found:
    # Reasoning that never ends: whatever its last line says is the answer.
    given = text.removesuffix(vocab.END).rpartition("\n")[2].replace(" ", "")
    number = _read(given, base)
    right = value is not None and number == value
    return Verdict(None, False, right, number), None
  given, sign, after = text[found.end() :].partition(vocab.END)
  ended = sign and not after
  if format == "reversed":
    ended = ended and given.endswith("$")
    given = given.removesuffix("$")
  fits = re.fullmatch(_ANSWERS[format], given)
  if format == "reversed":
    given = given[::-1]
  number = _read(given.replace(" ", ""), base)
  readable = value is not None and number is not None
  well_formed = bool(readable and ended and fits)
  right = readable and number == value
  return Verdict(format, well_formed, right, number), found


def _read_steps(reader, lines):
  """(steps, where the true steps lead, where the written steps lead)."""
  steps = []
  true_state = written_state = reader.start
  before = None
  for line in lines:
    if line.startswith(vocab.WAIT) and before:
      line = line.removeprefix(vocab.WAIT)
      true_state, written_state = before
      steps[-1] = dataclasses.replace(steps[-1], retracted=True)
    before = true_state, written_state
    truly = reader.move(true_state, line)
    written = reader.move(written_state, line)
    follows = written is not None and written.ok
    steps.append(Step(truly is not None and truly.ok, follows))
    if written:
      written_state = written.claimed
    elif truly:
      written_state = truly.claimed
    true_state = truly.right if truly else true_state
  return tuple(steps), reader.value(true_state), reader.value(written_state)


def _walks(question: str, base: int, detailed: bool) -> list[walk.Walk]:
  """All readers of steps for a question that can be evaluated."""
  if found := _PAIR.fullmatch(question):
    symbol = found[2]
    x, y = (int(found[i], base) for i in (1, 3))
    if symbol == "*":
      return [products.Product(x, y, base, w, detailed) for w in _WIDTHS]
    in_columns = [
      columns.Columns(symbol, x, y, base, w, detailed) for w in _WIDTHS
    ]
    parts = [
      int(digit, base) * base**i for i, digit in enumerate(reversed(found[3]))
    ]
    parts = [part if symbol == "+" else -part for part in parts if part] or [0]
    in_parts = chains.Chain((x, *parts), False, None, base, detailed)
    return [*in_columns, in_parts]
  if found := _CHAIN.fullmatch(question):
    product = "*" in found[1]
    pattern = r"[0-9a-z]+" if product else r"[+-]?[0-9a-z]+"
    terms = [
      walk.integer(term.removeprefix("+"), base)
      for term in re.findall(pattern, found[1])
    ]
    modulus = int(found[2], base)
    return [chains.Chain(tuple(terms), product, modulus, base, detailed)]
  return [expressions.Expression(question, base, detailed)]


def _question_value(text: str, base: int) -> int | None:
  try:
    return evaluate(text, base)
  except (ValueError, ZeroDivisionError):
    return None


def _read(text: str, base: int) -> int | None:
  """The value of an answer without needless zeros or signs, else None."""
  if not re.fullmatch(_NUMERAL, text) or text == "-0":
    return None
  try:
    return walk.integer(text, base)
  except ValueError:
    return None


def _sum(tokens, base):
  value, rest = _product(tokens, base)
  while rest and rest[0] in "+-":
    sign = 1 if rest[0] == "+" else -1
    term, rest = _product(rest[1:], base)
    value += sign * term
  return value, rest


def _product(tokens, base):
  value, rest = _atom(tokens, base)
  while rest and rest[0] in "*%":
    times = rest[0] == "*"
    factor, rest = _atom(rest[1:], base)
    value = value * factor if times else value % factor
  return value, rest


def _atom(tokens, base):
  if not tokens:
    raise ValueError("expression: ends too early")
  if tokens[0] != "(":
    return walk.integer(tokens[0], base), tokens[1:]
  value, rest = _sum(tokens[1:], base)
  if not rest or rest[0] != ")":
    raise ValueError("expression: a bracket is not closed")
  return value, rest[1:]
