r"""A question with its reasoning and answer: text, roles and steps in one.

For 128+367 in the simplified format:

    question  Input:\n128+367\nTarget:\n                      step 0
    opening   (nothing; <scratch>\n in the detailed format)   step 0
    steps     A->5 , C->1\n                                   step 1
              A->9 , C->0\n                                   step 2
              A->4 , C->0                                     step 3
    closing   .\n                                             step 4
    answer    495                                             step 4
    end       |                                               step 4
"""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses

import jax
import numpy as np

from raml_jax import base
from raml_jax.tasks import vocab


@dataclasses.dataclass(frozen=True)
class Written:
  """The parts of one example; their concatenation is its text.

  Attributes:
    question: the prompt.
    opening: what stands between the prompt and the first step.
    steps: each with the newline that ends it, but for the last. One that
      begins with `vocab.WAIT` takes back the step before it.
    closing: the end of the reasoning.
    answer: the answer.
    end: the end of the example.
  """

  question: str
  opening: str
  steps: tuple[str, ...]
  closing: str
  answer: str
  end: str

  @property
  def text(self) -> str:
    return "".join(text for text, _, _ in self.pieces())

  def pieces(self) -> list[tuple[str, vocab.Role, int]]:
    """(text, role, step) from the first to the last."""
    role = vocab.Role
    last = len(self.steps) + 1
    pieces = [
      (self.question, role.QUESTION, 0),
      (self.opening, role.DELIMITER, 0),
    ]
    for k, step in enumerate(self.steps, start=1):
      rest = step.removeprefix(vocab.WAIT)
      pieces.append((step[: len(step) - len(rest)], role.REFLECTION, k))
      pieces.append((rest, role.STEP, k))
    return [
      *pieces,
      (self.closing, role.DELIMITER, last),
      (self.answer, role.ANSWER, last),
      (self.end, role.DELIMITER, last),
    ]

  def trajectory(self, length: int) -> base.Trajectory:
    """Tokens, roles and steps, as NumPy arrays padded to `length`.

    Raises:
      ValueError: it does not fit, or has a character without a token.
    """
    pieces = self.pieces()
    count = sum(len(text) for text, _, _ in pieces)
    if count > length:
      raise ValueError(
        f"length = {length}: {self.question!r} takes {count} tokens with its"
        " trajectory and answer"
      )
    sizes = [len(text) for text, _, _ in pieces]
    columns = (
      vocab.encode(self.text),
      np.repeat([role for _, role, _ in pieces], sizes),
      np.repeat([step for _, _, step in pieces], sizes),
    )
    return base.Trajectory(
      *(vocab.pad(column.astype(np.int32), length) for column in columns)
    )


def steps(lines: Sequence[str]) -> tuple[str, ...]:
  """Steps from lines: each ends in a newline, but for the last."""
  return tuple(f"{line}\n" for line in lines[:-1]) + tuple(lines[-1:])


def stack(many: Sequence[Written], length: int) -> base.Trajectory:
  """One batch: every leaf has a leading axis B."""
  rows = [written.trajectory(length) for written in many]
  return jax.tree.map(lambda *leaves: np.stack(leaves), *rows)
