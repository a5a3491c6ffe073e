"""What a trained decoder answers, and what its controls answer."""

from __future__ import annotations

import numpy as np

from raml_jax import base
from raml_jax import statistics
from raml_jax.config import train as config_lib
from raml_jax.models import gpt
from raml_jax.models import sampling
from raml_jax.training import evaluation

_SHOWN = 8  # answers of the first seed that are kept as text


def test(
  model: gpt.Model,
  params_S: base.PyTree,
  untrained_S: base.PyTree,
  asked: evaluation.Exam,
  key: base.Array,
) -> dict[str, np.ndarray]:
  """Greedy answers to every question of one exam, judged steps and all.

  Returns:
    `evaluation.Graded` of the trained models; what of the answers of untrained
    ones, and of the trained models' answers each to another question, is right;
    and some answers as text.
  """
  tokens_SxBxW = evaluation.answers(model, params_S, asked, key)[:, :, 0]
  found = evaluation.graded(asked, tokens_SxBxW, steps=True)
  blank_SxBxW = evaluation.answers(model, untrained_S, asked, key)[:, :, 0]
  dealt_SxBxW = np.roll(tokens_SxBxW, 1, axis=1)
  return {
    **found._asdict(),
    "untrained_SxB": evaluation.graded(asked, blank_SxBxW).right_SxB,
    "shuffled_SxB": evaluation.graded(asked, dealt_SxBxW).right_SxB,
    "answers": np.array(evaluation.texts(asked, tokens_SxBxW[0])[:_SHOWN]),
  }


def samples(
  model: gpt.Model,
  params_S: base.PyTree,
  asked: evaluation.Exam,
  key: base.Array,
  measure: config_lib.Measure,
) -> dict[str, np.ndarray]:
  """How often sampled answers are right; Pass@k and mG-Pass@k."""
  tokens_SxBxNxW = evaluation.answers(
    model,
    params_S,
    asked,
    key,
    samples=measure.samples,
    rule=sampling.Rule(measure.temperature),
  )
  right_SxBxN = np.stack(
    [
      evaluation.graded(asked, tokens_SxBxNxW[:, :, n]).right_SxB
      for n in range(measure.samples)
    ],
    axis=2,
  )
  correct_SxB = right_SxBxN.sum(axis=2)

  def share(of):
    return np.array(
      [
        [of(correct_B, measure.samples, k) for k in measure.ks]
        for correct_B in correct_SxB
      ]
    )

  return {
    "correct_SxB": correct_SxB,
    "k_K": np.array(measure.ks),
    "pass_SxK": share(statistics.pass_at_k),
    "mg_pass_SxK": share(statistics.mg_pass_at_k),
  }
