"""The texts of the study: one question, its trajectory, and all its controls.

    correct           A->1 , C->1/A->5 , C->0.
    wordy             2+9+0 , A->1 , C->1/1+3+1 , A->5 , C->0.
    other_trajectory  that of another question
    wrong_digit       a wrong digit and what follows from it
    wrong_carry       a wrong carry and what follows from it
    shuffled          the right lines in an order that derives nothing
    filler            as many tokens that say nothing
    random_tokens     as many random characters
    steps_swapped     the correct text, its lines shown from the last on
    hint              the correct text, of which the read-outs see one token
                      alone: the one that states the answer's first digit

In all of them the answer that is asked for is the right one.
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
import itertools
import re

import jax
import numpy as np

from raml_jax import base
from raml_jax.config import pseudo_gradient_rows as rows_lib
from raml_jax.tasks import vocab
from raml_jax.tasks.arithmetic import formats
from raml_jax.tasks.arithmetic import questions
from raml_jax.tasks.arithmetic import variants
from raml_jax.tasks.arithmetic import writing
from raml_jax.tasks.arithmetic.families import family as family_lib
from raml_jax.theory.implicit import examples

_CELL = re.compile(r"(A|C)(->)(\d+)")
# Questions drawn at a time, and such draws that may pass without a new one.
_DRAWN, _PATIENCE = 256, 20
_PARTS = rows_lib.PARTS
_VARIED = ("wrong_digit", "wrong_carry", "shuffled", "filler")


@dataclasses.dataclass(frozen=True)
class Asked:
  """Questions with all their trajectories.

  Attributes:
    written_B: correct texts.
    variants: by name, texts of the same questions.
  """

  written_B: tuple[writing.Written, ...]
  variants: dict[str, tuple[writing.Written, ...]]

  def __len__(self) -> int:
    return len(self.written_B)


def ask(
  family: family_lib.Family, key: base.Array, count: int, seed: int
) -> Asked:
  """`count` different questions that have every variant.

  Their correct trajectories are as long as the longest, so that a token has one
  part to play in all of them.

  Args:
    family: of the questions, `pairs.Pairs`.
    key: of their draw.
    count: how many.
    seed: of what is random in the variants.

  Raises:
    ValueError: the family does not seem to have so many.
  """
  rng = np.random.default_rng(seed)
  most = family.base**family.digits - 1
  length = _length(
    formats.write(questions.Pair("+", most, most, family.base), "simplified")
  )
  found, idle = {}, 0
  for i in itertools.count():
    before = len(found)
    for question in family.questions(jax.random.fold_in(key, i), _DRAWN):
      if question.text not in found:
        found[question.text] = _all_variants(question, length, rng)
    idle = idle + 1 if len(found) == before else 0
    good = [one for one in found.values() if one is not None]
    if len(good) >= count:
      break
    if idle == _PATIENCE:
      raise ValueError(
        f"{count}: only {len(good)} questions of {family} have every variant"
      )
  columns = {name: tuple(one[name] for one in good[:count]) for name in good[0]}
  return Asked(columns.pop("correct"), columns)


def _all_variants(question, length, rng):
  """Texts by name, or None if it lacks one or has another length."""
  correct = formats.write(question, "simplified")
  if _length(correct) != length:
    return None
  out = {"correct": correct, "wordy": wordy(question)}
  for name in _VARIED:
    try:
      written = variants.vary(question, "simplified", name, rng)
    except ValueError:  # Lines that are equal cannot be shuffled.
      return None
    # What is asked for is the right answer, whatever the trajectory says.
    out[name] = dataclasses.replace(written, answer=correct.answer)
  return out


def _length(written) -> int:
  return len(written.opening) + sum(map(len, written.steps))


def wordy(question: questions.Pair) -> writing.Written:
  """Correct and longer: each line says what it adds up."""
  plain = formats.write(question, "simplified")
  sums = (
    re.search(r" , (\d+\+\d+\+\d+)=", line)
    for line in formats.derive(question, detailed=True).lines
  )
  sums = [found[1] for found in sums if found]
  lines = [
    f"{added} , {step.removesuffix(chr(10))}"
    for added, step in zip(sums, plain.steps, strict=True)
  ]
  return dataclasses.replace(plain, steps=writing.steps(lines))


def _others(asked: Asked) -> tuple[writing.Written, ...]:
  """The lines of the next question in place of one's own."""
  return tuple(
    dataclasses.replace(own, steps=other.steps)
    for own, other in zip(
      asked.written_B, asked.written_B[1:] + asked.written_B[:1]
    )
  )


def _randomly(asked: Asked) -> tuple[writing.Written, ...]:
  """Random characters, never the end of a text."""
  letters = [c for c in vocab.CHARACTERS if c not in (vocab.END, "\n")]
  out = []
  for b, written in enumerate(asked.written_B):
    rng = np.random.default_rng([b, len(asked)])
    steps = tuple(
      "".join(rng.choice(letters, size=len(step))) for step in written.steps
    )
    out.append(dataclasses.replace(written, steps=steps))
  return tuple(out)


def _variant(name: str) -> Callable[[Asked], tuple[writing.Written, ...]]:
  return lambda asked: asked.variants[name]


_WRITTEN = {
  "correct": lambda asked: asked.written_B,
  **{name: _variant(name) for name in ("wordy", *_VARIED)},
  "other_trajectory": _others,
  "random_tokens": _randomly,
}


def _swapped(example_B: examples.Example, asked: Asked) -> examples.Example:
  """Shows the last line first."""
  return _reordered(example_B, lines_reversed(example_B.steps_T))


def lines_reversed(steps_BxT: np.ndarray) -> np.ndarray:
  """The order in which the lines come from the last to the first: order_BxT.

  Args:
    steps_BxT: the line of every token, from 1; what closes the last is with it.
  """
  line_BxT = np.minimum(steps_BxT, steps_BxT.max() - 1)
  return np.argsort(-line_BxT, 1, "stable")


def _hinted(example_B: examples.Example, asked: Asked) -> examples.Example:
  """Shows the token that states the answer's first digit before all others."""
  first_B = leaks(asked)["first"]
  rank_T = np.arange(example_B.trajectory_T.shape[1])
  order = np.argsort(rank_T[None] != first_B[:, None], 1, "stable")
  return _reordered(example_B, order)


def _reordered(example_B, order_BxT):
  take = lambda leaf: np.take_along_axis(leaf, order_BxT, 1)
  return dataclasses.replace(
    example_B,
    trajectory_T=take(example_B.trajectory_T),
    roles_T=take(example_B.roles_T),
    steps_T=take(example_B.steps_T),
  )


_REORDERED = {"steps_swapped": _swapped, "hint": _hinted}
NAMES = (*_WRITTEN, *_REORDERED)


def example(asked: Asked, name: str, reads: int | None) -> examples.Example:
  """A batch of examples, as NumPy arrays.

  Args:
    asked: the questions.
    name: one of NAMES.
    reads: the most read-outs, from the first; None for the whole answer.
  """
  written_B = _WRITTEN.get(name, _WRITTEN["correct"])(asked)
  length = max(len(written.text) for written in written_B)
  found = examples.examples(writing.stack(written_B, length), reads)
  if name in _REORDERED:
    return _REORDERED[name](found, asked)
  return found


def first(example_B: examples.Example, count: int) -> examples.Example:
  """The first examples of a batch."""
  return jax.tree.map(lambda leaf: leaf[:count], example_B)


def parts(written: writing.Written) -> np.ndarray:
  """The part that each token of a trajectory plays: part_T, index into PARTS.

  What stands in a cell "A->5" or "C->1" is a digit or a carry, the rest of the
  cell its label; sums that are spelled out copy the question.
  """
  text = "".join(written.steps)
  out = np.full(len(text), _PARTS.index("copy"))
  for i, character in enumerate(text):
    if character in " ,":
      out[i] = _PARTS.index("separator")
    elif character == "\n":
      out[i] = _PARTS.index("delimiter")
  for found in _CELL.finditer(text):
    out[found.start() : found.start(3)] = _PARTS.index("label")
    what = "digit" if found[1] == "A" else "carry"
    out[found.start(3) : found.end(3)] = _PARTS.index(what)
  # The end of the last line is a token of the trajectory, its newline is not.
  return np.append(out, _PARTS.index("delimiter"))


def leaks(asked: Asked) -> dict[str, np.ndarray]:
  """Which tokens of the correct trajectories give the answer away.

  Returns:
    any_B: the first that states a digit of the answer; first_B: the one that
    states its first digit; all_B: the one with which all of it is stated.
  """
  rows = []
  for written in asked.written_B:
    text = "".join(written.steps)
    cells = list(_CELL.finditer(text))
    # The lowest digit first; the carry of the last line may be the highest.
    digits = [c.start(3) for c in cells if c[1] == "A"]
    digits.append(cells[-1].start(3))
    stated = digits[: len(written.answer)]
    rows.append((min(stated), stated[-1], max(stated)))
  any_B, first_B, all_B = np.array(rows).T
  return {"any": any_B, "first": first_B, "all": all_B}
