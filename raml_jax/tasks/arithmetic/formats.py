"""From a question to its text, in the formats of Lee et al. (2307.03381).

    plain        128+367=495|
    reversed     $128+367=594$|
    simplified   Input:/128+367/Target:/A->5 , C->1/.../A->4 , C->0./495|
    detailed     Input:/128+367/Target:/<scratch>/[1,2,8] has 3 digits./...
                 [] + [] , A=[4,9,5] C=0 , END/</scratch>/4 9 5|

(/ is a newline.) Addition, subtraction and the detailed multiplication have the
published text; the other scratchpads follow its manner. An example ends in
`vocab.END` where the published data have a newline, so that the end can be
told from a line's. In a stream of examples each question follows such a sign:
`lead=vocab.END` puts one in front.
"""

from __future__ import annotations

from raml_jax.tasks import vocab
from raml_jax.tasks.arithmetic import questions
from raml_jax.tasks.arithmetic import writing
from raml_jax.tasks.arithmetic.steps import chains
from raml_jax.tasks.arithmetic.steps import columns
from raml_jax.tasks.arithmetic.steps import derivation
from raml_jax.tasks.arithmetic.steps import expressions
from raml_jax.tasks.arithmetic.steps import products

FORMATS = ("plain", "reversed", "simplified", "detailed")
SCRATCHPADS = ("simplified", "detailed")
_GROUPS = (1, 2)


def write(
  question: questions.Question,
  format: str = "plain",
  route: derivation.Route = derivation.USUAL,
  slip: derivation.Slip | None = None,
  lead: str = "",
) -> writing.Written:
  """Writes a question, its reasoning and its answer.

  Args:
    question: what is asked.
    format: one of FORMATS.
    route: how the answer is derived (scratchpads only).
    slip: an error on the way (scratchpads only).
    lead: text in front of the question.

  Raises:
    ValueError: there is no such format, or no such method for this question.
  """
  check_format(format)
  if format in SCRATCHPADS:
    derived = derive(question, format == "detailed", route, slip)
    return wrap(question, format, derived.lines, derived.value, lead)
  return wrap(question, format, (), question.answer, lead)


def wrap(
  question: questions.Question,
  format: str,
  lines: tuple[str, ...],
  value: int,
  lead: str = "",
) -> writing.Written:
  """Puts the question in front of the lines and the value behind them."""
  prompt = f"{lead}Input:\n{question.text}\nTarget:\n"
  opening = closing = ""
  answer = questions.numeral(value, question.base)
  end = vocab.END
  if format == "plain":
    prompt = f"{lead}{question.text}="
  elif format == "reversed":
    prompt, end = f"{lead}${question.text}=", f"${vocab.END}"
    answer = answer[::-1]
  elif format == "simplified":
    closing = ".\n"
  else:
    opening, closing = "<scratch>\n", " , END\n</scratch>\n"
    digits = answer.removeprefix("-")
    answer = answer[: len(answer) - len(digits)] + " ".join(digits)
  steps = writing.steps(lines)
  return writing.Written(prompt, opening, steps, closing, answer, end)


def derive(
  question: questions.Question,
  detailed: bool,
  route: derivation.Route = derivation.USUAL,
  slip: derivation.Slip | None = None,
) -> derivation.Derivation:
  """The lines of one route from the question to its answer."""
  known = methods(question)
  method = route.method or known[0]
  if method not in known:
    raise ValueError(
      f"method = {method!r}: must be one of {', '.join(known)} for"
      f" {question.text}"
    )
  group = route.group
  if isinstance(question, questions.Chain):
    return chains.derive(question, detailed, method, group, slip)
  if isinstance(question, questions.Expression):
    return expressions.derive(question, detailed, method, group, slip)
  if question.operator == "*":
    return products.derive(question, detailed, method, group, slip)
  if method == "columns":
    return columns.derive(question, detailed, group, slip)
  return chains.derive_parts(question, detailed, method, group, slip)


def methods(question: questions.Question) -> tuple[str, ...]:
  """The ways in which such a question can be answered; the first is usual."""
  if isinstance(question, questions.Chain):
    return chains.METHODS
  if isinstance(question, questions.Expression):
    return expressions.METHODS
  if question.operator == "*":
    return products.METHODS
  return ("columns", *chains.PARTS)


def routes(
  question: questions.Question, format: str
) -> tuple[derivation.Route, ...]:
  """Routes whose texts differ, all correct, the usual one first.

  128+367 has six: columns of one digit and of two, parts of 367 from the
  highest and from the lowest, one and two at a time.
  """
  found = {}
  for group in _GROUPS:
    for method in methods(question):
      route = derivation.Route(method, group)
      found.setdefault(write(question, format, route).text, route)
  return tuple(found.values())


def check_format(format: str) -> None:
  """Raises ValueError if there is no such format."""
  if format not in FORMATS:
    raise ValueError(
      f"format = {format!r}: must be one of {', '.join(FORMATS)}"
    )
