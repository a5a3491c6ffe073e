"""What is measured of a decoder: greedy answers to sums of every length."""

from __future__ import annotations

import jax
import numpy as np

from raml_jax import base
from raml_jax.config import lengths as config_lib
from raml_jax.models import gpt
from raml_jax.studies.lengths import failures
from raml_jax.studies.lengths import questions
from raml_jax.tasks.arithmetic.checking import parser
from raml_jax.training import evaluation

_SHOWN = 3  # answers of the first seed, of every length, that are kept as text


def examined(
  config: config_lib.Lengths,
  format: str,
  model: gpt.Model,
  params_S: base.PyTree,
  exam: questions.Exam,
) -> dict[str, np.ndarray]:
  """Lets every seed answer the exam, and judges it.

  Returns:
    What `summary` gives, and shown_NxE: questions with what the first seed
    wrote after them.
  """
  # Greedy answers draw nothing.
  key = jax.random.key(0)
  tokens_SxBxW = evaluation.answers(model, params_S, exam.asked, key)[:, :, 0]
  texts_SxB = [questions.texts(exam, format, t) for t in tokens_SxBxW]
  arm = config.formats[format]
  found = summary(texts_SxB, exam.digits_B, arm.digits, config.base)
  shown_NxE = [
    [texts_SxB[0][b] for b in np.flatnonzero(exam.digits_B == n)[:_SHOWN]]
    for n in arm.lengths
  ]
  return {**found, "shown_NxE": np.array(shown_NxE)}


def summary(
  texts_SxB: list[list[str]], digits_B: np.ndarray, trained: int, radix: int
) -> dict[str, np.ndarray]:
  """Judges answers.

  Args:
    texts_SxB: questions with answers.
    digits_B: of the longer operand of each question.
    trained: L, digits of the longest operands in training.
    radix: base of the numerals.

  Returns:
    right_SxB, kind_SxB (an index into names_K), columns_SxB and wanted_B: the
    verdict on every answer, see `failures.Reading`; and by digits_N, over the
    answers to questions of that length: accuracy_SxN; kind_SxNxK, shares;
    columns_SxN, written beyond those that are asked for (negative: too few), on
    average; miscounted_SxN, the share with too few or too many; begun_SxN, the
    share whose first L columns are right; lucky_SxN, the share that is right
    although a column is not.
  """
  right_SxB, kind_SxB, columns_SxB, sound_SxB, wanted_SxB = (
    np.array(rows)
    for rows in zip(
      *(zip(*(_judged(text, radix) for text in row)) for row in texts_SxB)
    )
  )
  n_N = np.unique(digits_B)

  def by_length(values_SxB):
    return np.stack(
      [values_SxB[:, digits_B == n].mean(axis=1) for n in n_N], axis=1
    )

  beyond_SxB = columns_SxB - wanted_SxB
  kinds = range(len(failures.KINDS))
  right = failures.KINDS.index(failures.RIGHT)
  shown_SxB = np.where(right_SxB, right, kind_SxB)
  first_SxB = np.minimum(trained, wanted_SxB)
  return {
    "digits_B": digits_B,
    "right_SxB": right_SxB,
    "kind_SxB": shown_SxB.astype(np.int8),
    "columns_SxB": columns_SxB.astype(np.int16),
    "wanted_B": wanted_SxB[0].astype(np.int16),
    "names_K": np.array(failures.KINDS),
    "digits_N": n_N,
    "accuracy_SxN": by_length(right_SxB),
    "kind_SxNxK": np.stack([by_length(shown_SxB == k) for k in kinds], axis=2),
    "columns_SxN": by_length(beyond_SxB),
    "miscounted_SxN": by_length(beyond_SxB != 0),
    "begun_SxN": by_length(sound_SxB >= first_SxB),
    "lucky_SxN": by_length(right_SxB & (kind_SxB != right)),
  }


def _judged(text: str, radix: int) -> tuple[bool, int, int, int, int]:
  """(right by the parser, kind, columns, sound, wanted)."""
  found = failures.read(text, radix)
  kind = failures.KINDS.index(found.kind)
  right = parser.check_answer(text, radix).right
  return right, kind, found.columns, found.sound, found.wanted
