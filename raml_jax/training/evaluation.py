"""What a trained decoder can do: answers sampled, and checked exactly.

An exam is a fixed set of held-out questions. Every answer is written by the
model itself, token by token, and judged by the independent parser.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
import dataclasses
import functools
from typing import NamedTuple

import jax
import numpy as np

from raml_jax import base
from raml_jax.models import gpt
from raml_jax.models import sampling
from raml_jax.tasks import vocab
from raml_jax.tasks.arithmetic import questions
from raml_jax.tasks.arithmetic.checking import parser
from raml_jax.tasks.arithmetic.families import family as family_lib

# Sequences sampled at a time: enough to fill a machine, few enough to fit.
_AT_ONCE = 256
_SPARE = 4  # New tokens beyond the longest right answer.


@dataclasses.dataclass(frozen=True, eq=False)
class Exam:
  """Questions to be answered.

  Attributes:
    prompt_BxT: their tokens, padded at the end.
    new_tokens: that an answer may take, reasoning included.
    base: of the numerals.
  """

  prompt_BxT: np.ndarray
  new_tokens: int
  base: int

  def first(self, count: int) -> Exam:
    """Its first questions alone."""
    return dataclasses.replace(self, prompt_BxT=self.prompt_BxT[:count])


class Graded(NamedTuple):
  """Verdicts on every answer, of all seeds.

  Attributes:
    right_SxB: the answer is exactly right.
    well_formed_SxB: everything stands where it should.
    sound_SxB: every step that stands is true; False without steps.
  """

  right_SxB: np.ndarray
  well_formed_SxB: np.ndarray
  sound_SxB: np.ndarray


def exam(family: family_lib.Family, key: base.Array, count: int) -> Exam:
  """`count` different questions of a family, its lead in front of each.

  Raises:
    ValueError: the family does not have so many.
  """
  return exam_on(family, family_lib.distinct(family, key, count))


def exam_on(
  family: family_lib.Family, asked: Sequence[questions.Question]
) -> Exam:
  """Given questions, as a family writes them."""
  prompt_BxT = prompts(family.write(asked))
  shortest = int((prompt_BxT != vocab.PAD).sum(1).min())
  return Exam(prompt_BxT, family.context - shortest + _SPARE, family.base)


def prompts(written: base.Trajectory) -> np.ndarray:
  """The questions of whole texts, padded at the end: prompt_BxT."""
  asked_BxL = written.role_L == vocab.Role.QUESTION
  prompt_BxL = np.where(asked_BxL, written.tokens_L, vocab.PAD)
  return prompt_BxL[:, : asked_BxL.sum(1).max()]


def slots(exams: Iterable[Exam]) -> int:
  """Positions that a model needs to sit all of them."""
  return max(e.prompt_BxT.shape[1] + e.new_tokens for e in exams)


def answers(
  model: gpt.Model,
  params_S: base.PyTree,
  asked: Exam,
  key: base.Array,
  *,
  samples: int = 1,
  rule: sampling.Rule = sampling.GREEDY,
) -> np.ndarray:
  """What every seed's model writes to every question: tokens_SxBxNxW.

  Args:
    model: a GPT.
    params_S: of it, stacked over seeds.
    asked: the exam.
    key: of the draws, which are others for every seed, question and sample.
    samples: N, answers to each question.
    rule: how tokens are drawn.
  """
  prompt_QxT = np.repeat(asked.prompt_BxT, samples, axis=0)
  count = len(prompt_QxT)
  size = min(count, _AT_ONCE)
  missing = -count % size
  # The last group is filled up with questions that are asked again.
  filled_QxT = np.concatenate([prompt_QxT, prompt_QxT[:missing]])
  groups_GxBxT = filled_QxT.reshape(-1, size, filled_QxT.shape[1])
  write = _writer(model, asked.new_tokens, rule)
  tokens_SxGxBxW = np.asarray(write(params_S, groups_GxBxT, key))
  seeds, _, _, width = tokens_SxGxBxW.shape
  tokens_SxQxW = tokens_SxGxBxW.reshape(seeds, -1, width)[:, :count]
  return tokens_SxQxW.reshape(seeds, -1, samples, width)


def graded(
  asked: Exam, tokens_SxBxW: np.ndarray, steps: bool = False
) -> Graded:
  """Judges one answer to every question.

  Args:
    asked: the exam.
    tokens_SxBxW: what was written after each prompt.
    steps: whether the steps are judged too, which takes ten times as long.
  """
  judge = parser.check if steps else parser.check_answer
  rows = []
  for tokens_BxW in tokens_SxBxW:
    for text in texts(asked, tokens_BxW):
      found = judge(text, asked.base)
      rows.append((found.right, found.well_formed, found.sound))
  shape = (*tokens_SxBxW.shape[:2], 3)
  return Graded(*np.moveaxis(np.array(rows, bool).reshape(shape), 2, 0))


def texts(asked: Exam, tokens_BxW: np.ndarray) -> list[str]:
  """Every question with what one seed wrote after it."""
  return [
    vocab.decode(prompt_T) + vocab.decode(tokens_W)
    for prompt_T, tokens_W in zip(asked.prompt_BxT, tokens_BxW)
  ]


def exact_match(
  model: gpt.Model, asked: Exam, key: base.Array, name: str = "exact_match"
) -> Callable[[base.PyTree], dict[str, np.ndarray]]:
  """An evaluation during training: the share of right greedy answers."""

  def evaluate(params_S):
    tokens_SxBx1xW = answers(model, params_S, asked, key)
    right_SxB = graded(asked, tokens_SxBx1xW[:, :, 0]).right_SxB
    return {name: right_SxB.mean(axis=1)}

  return evaluate


@functools.cache
def _writer(model, new_tokens, rule):
  """One program for all seeds and groups, each after the other."""
  stop = int(vocab.encode(vocab.END)[0])

  def write(params_S, groups_GxBxT, key):
    seeds = jax.tree.leaves(params_S)[0].shape[0]
    # Seeds are independent, and so are their draws.
    keys_SxG = jax.random.split(key, (seeds, len(groups_GxBxT)))

    def one(params, prompt_BxT, key):
      return sampling.sample(
        model, params, key, prompt_BxT, new_tokens, stop=stop, rule=rule
      ).tokens_BxN

    def seed(at):
      params, keys_G = at
      return jax.lax.map(
        lambda group: one(params, *group), (groups_GxBxT, keys_G)
      )

    return jax.lax.map(seed, (params_S, keys_SxG))

  return jax.jit(write)
