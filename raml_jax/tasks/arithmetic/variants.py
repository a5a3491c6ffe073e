"""Other trajectories for the same question, from the same writers.

    correct       the route asked for
    alternative   another correct route: order, decomposition or granularity
    wrong_digit   one wrong digit; what follows, the answer too, follows from it
    wrong_carry   the same with a carry or borrow
    stray_digit   one wrong digit; what follows is as if it were right
    stray_carry   the same with a carry or borrow
    reflection    a stray error, `vocab.WAIT`, and the step done right
    shuffled      the right steps in an order that derives nothing
    filler        every token of the steps is `vocab.FILLER`
    merged        two operations per step: correct and shorter
    dropped       one step is missing, and so the derivation has a gap
    empty         no steps: the reasoning is opened and closed

Draws come from a NumPy generator, so a seed gives the same trajectory always:

    vary(Pair("+", 128, 367), "simplified", "reflection", default_rng(0))
      -> A->5 , C->1 / A->9 , C->1 / ?A->9 , C->0 / A->4 , C->0
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import dataclasses
import functools
import types

import numpy as np

from raml_jax.tasks import vocab
from raml_jax.tasks.arithmetic import formats
from raml_jax.tasks.arithmetic import questions
from raml_jax.tasks.arithmetic import writing
from raml_jax.tasks.arithmetic.checking import parser
from raml_jax.tasks.arithmetic.steps import derivation

# Orders tried before a question counts as one that cannot be shuffled.
_SHUFFLES = 64


@dataclasses.dataclass(frozen=True)
class _Draw:
  """One question in one format by one route, and where chance comes from."""

  question: questions.Question
  format: str
  route: derivation.Route
  lead: str
  rng: np.random.Generator

  def derive(
    self, slip: derivation.Slip | None = None
  ) -> derivation.Derivation:
    detailed = self.format == "detailed"
    return formats.derive(self.question, detailed, self.route, slip)

  def wrap(self, lines: tuple[str, ...], value: int) -> writing.Written:
    return formats.wrap(self.question, self.format, lines, value, self.lead)

  def slips(
    self, what: str, consistent: bool
  ) -> Iterator[derivation.Derivation]:
    """Derivations with one error, in random order.

    Some equal the right one, where a line computes nothing.
    """
    steps = range(len(self.derive().lines))
    offsets = range(1, self.question.base if what == "digit" else 2)
    places = [(step, offset) for step in steps for offset in offsets]
    for i in self.rng.permutation(len(places)):
      step, offset = places[i]
      yield self.derive(derivation.Slip(step, what, offset, consistent))


def vary(
  question: questions.Question,
  format: str,
  variant: str,
  rng: np.random.Generator,
  route: derivation.Route = derivation.USUAL,
  lead: str = "",
) -> writing.Written:
  """Writes one variant of a question's trajectory.

  Args:
    question: what is asked.
    format: "simplified" or "detailed" ("plain" and "reversed" have no steps,
      and so the variant "correct" only).
    variant: one of VARIANTS.
    rng: decides where the error is, what the order is, ...
    route: the derivation that is varied.
    lead: text in front of the question.

  Raises:
    ValueError: there is no such variant, or not of this question: a single
      step cannot be shuffled, a product has no carries.
  """
  if variant not in VARIANTS:
    names = ", ".join(VARIANTS)
    raise ValueError(f"variant = {variant!r}: must be one of {names}")
  if variant == "correct":
    return formats.write(question, format, route, None, lead)
  formats.check_format(format)
  found = None
  if format in formats.SCRATCHPADS:
    found = VARIANTS[variant](_Draw(question, format, route, lead, rng))
  if found is None:
    raise ValueError(
      f"variant = {variant!r}: {question.text} has none in format {format!r}"
    )
  return found


def drop(written: writing.Written, kept: Sequence[int]) -> writing.Written:
  """Keeps only the steps numbered in `kept`, from 1."""
  lines = [written.steps[k - 1].removesuffix("\n") for k in kept]
  return dataclasses.replace(written, steps=writing.steps(lines))


def fill(written: writing.Written) -> writing.Written:
  """Replaces every token of the steps, newlines too, by `vocab.FILLER`."""
  steps = tuple(vocab.FILLER * len(step) for step in written.steps)
  return dataclasses.replace(written, steps=steps)


def _correct(draw):
  derived = draw.derive()
  return draw.wrap(derived.lines, derived.value)


def _alternative(draw):
  usual = draw.derive().lines
  routes = formats.routes(draw.question, draw.format)
  others = [dataclasses.replace(draw, route=route).derive() for route in routes]
  others = [derived for derived in others if derived.lines != usual]
  if not others:
    return None
  derived = others[draw.rng.integers(len(others))]
  return draw.wrap(derived.lines, derived.value)


def _wrong(what, draw):
  right = draw.derive().value
  for derived in draw.slips(what, consistent=True):
    if derived.value != right:
      return draw.wrap(derived.lines, derived.value)
  return None


def _stray(what, draw):
  right = draw.derive()
  for derived in draw.slips(what, consistent=False):
    if derived.lines != right.lines:
      return draw.wrap(derived.lines, right.value)
  return None


def _reflection(draw):
  right = draw.derive()
  kinds = ["digit", "carry"]
  draw.rng.shuffle(kinds)
  for what in kinds:
    for derived in draw.slips(what, consistent=False):
      pairs = enumerate(zip(derived.lines, right.lines))
      at = next((i for i, (a, b) in pairs if a != b), None)
      if at is not None:
        repaired = (derived.lines[at], vocab.WAIT + right.lines[at])
        lines = right.lines[:at] + repaired + right.lines[at + 1 :]
        return draw.wrap(lines, right.value)
  return None


def _first_unsound(draw, candidates):
  """The first that the parser does not accept as another correct derivation.

  Two brackets may be opened in either order, a factor of 0 may be left out.
  """
  for written in candidates:
    text = written.text.removeprefix(draw.lead)
    if not parser.check(text, draw.question.base).sound:
      return written
  return None


def _shuffled(draw):
  right = draw.derive()
  lines = right.lines
  orders = (draw.rng.permutation(len(lines)) for _ in range(_SHUFFLES))
  shuffled = (tuple(lines[i] for i in order) for order in orders)
  candidates = (draw.wrap(some, right.value) for some in shuffled)
  return _first_unsound(draw, candidates)


def _filler(draw):
  return fill(_correct(draw))


def _merged(draw):
  route = dataclasses.replace(draw.route, group=2 * draw.route.group)
  merged = dataclasses.replace(draw, route=route).derive()
  fewer = len(merged.lines) < len(draw.derive().lines)
  return draw.wrap(merged.lines, merged.value) if fewer else None


def _dropped(draw):
  correct = _correct(draw)
  steps = range(1, len(correct.steps) + 1)
  if len(steps) < 2:
    return None
  candidates = (
    drop(correct, [k for k in steps if k != gone])
    for gone in 1 + draw.rng.permutation(len(steps))
  )
  return _first_unsound(draw, candidates)


def _empty(draw):
  return draw.wrap((), draw.derive().value)


VARIANTS = types.MappingProxyType(
  {
    "correct": _correct,
    "alternative": _alternative,
    "wrong_digit": functools.partial(_wrong, "digit"),
    "wrong_carry": functools.partial(_wrong, "carry"),
    "stray_digit": functools.partial(_stray, "digit"),
    "stray_carry": functools.partial(_stray, "carry"),
    "reflection": _reflection,
    "shuffled": _shuffled,
    "filler": _filler,
    "merged": _merged,
    "dropped": _dropped,
    "empty": _empty,
  }
)
