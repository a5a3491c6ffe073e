"""Who sees what, and which prefixes end a step."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raml_jax.tasks import vocab
from raml_jax.tasks.arithmetic.families import pairs
from raml_jax.theory.implicit import examples
from tests.theory.implicit import texts

Role = vocab.Role


def said(example, places):
  return vocab.decode(example.tokens_L[places[places >= 0]])


def test_a_text_falls_into_question_trajectory_and_read_outs():
  batch = examples.examples(texts.trajectories())
  parts = []
  for b in range(2):
    one = jax.tree.map(lambda leaf, b=b: leaf[b], batch)
    places = one.question_Q, one.trajectory_T, one.reads_R
    parts.append([said(one, p) for p in places] + [vocab.decode(one.targets_R)])
  assert parts == [
    ["12+9=", "2+9=11,1+1=2", "/2", "21"],
    ["7-4=", "<7-4=3:", "/", "3"],
  ]
  assert list(batch.roles_T[1][:3]) == [Role.DELIMITER, Role.STEP, Role.STEP]
  assert not batch.roles_T[1][7:].any()
  short = examples.examples(texts.trajectories(), reads=1)
  np.testing.assert_array_equal(short.reads_R, batch.reads_R[:, :1])


def test_prefixes_by_token_and_by_step():
  batch = examples.examples(texts.trajectories())
  np.testing.assert_array_equal(examples.token_prefixes(batch), np.arange(13))
  np.testing.assert_array_equal(
    examples.step_prefixes(batch), [[0, 7, 12], [0, 7, 7]]
  )


def test_written_scratchpads_serve():
  """Of the arithmetic families: what closes the last step is a prefix too."""
  family = pairs.Pairs("+", digits=1, format="simplified")
  batch = examples.examples(family.sample(jax.random.key(0), 4))
  one = jax.tree.map(lambda leaf: leaf[0], batch)
  assert said(one, one.question_Q).endswith("Target:\n")
  steps = said(one, one.trajectory_T)
  assert steps.startswith("A->") and steps.endswith(".")
  ends = examples.step_prefixes(batch)[0]
  assert [steps[a:b][-1] for a, b in zip(ends, ends[1:])][-1] == "."
  assert said(one, one.reads_R)[0] == "\n"


def test_read_outs_see_a_prefix_and_nobody_else_is_kept_from_anything():
  one = texts.first(texts.asked())
  places, first = np.asarray(one.trajectory_T), int(one.reads_R[0])
  for count in (0, 3, 12):
    seen = np.array(examples.visible(one, count))
    assert seen[:first].all()
    hidden = np.zeros(len(seen), bool)
    hidden[places[count:]] = True
    np.testing.assert_array_equal(
      seen[first:], ~hidden[None].repeat(len(seen) - first, 0)
    )


def test_the_short_text_keeps_places_and_drops_what_is_not_there():
  batch = texts.asked()
  two = jax.tree.map(lambda leaf: leaf[1], batch)
  short = examples.short(texts.make(), two)
  np.testing.assert_array_equal(short.valid_N, [1, 1, 1, 1, 0, 1, 0])
  np.testing.assert_array_equal(
    np.asarray(short.positions_N)[[0, 1, 2, 3, 5]], [0, 1, 2, 3, 11]
  )
  others = np.asarray(short.visible_NxN) & ~np.eye(7, dtype=bool)
  assert not others[:, [4, 6]].any()
  abacus = examples.short(texts.make(positions="abacus"), texts.first(batch))
  np.testing.assert_array_equal(abacus.positions_N, [1, 2, 0, 1, 0, 0, 1])


def test_the_loss_is_the_mean_over_the_answers_tokens(x64):
  batch = texts.asked()
  logits = np.random.default_rng(0).normal(size=(2, vocab.SIZE))
  log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
  for b, want in (
    (
      0,
      -(log_p[0, batch.targets_R[0, 0]] + log_p[1, batch.targets_R[0, 1]]) / 2,
    ),
    (1, -log_p[0, batch.targets_R[1, 0]]),
  ):
    one = jax.tree.map(lambda leaf, b=b: leaf[b], batch)
    got = examples.answer_loss(jnp.asarray(logits), one)
    assert float(got) == pytest.approx(float(want), rel=1e-12)


@pytest.mark.parametrize(
  "role, message",
  [
    (Role.STEP, "must have a question and an answer"),
    (Role.QUESTION, "must be a question, then"),
  ],
)
def test_other_texts_are_refused(role, message):
  text = texts.trajectories()
  roles = np.array(text.role_L)
  # All answers gone, or all of the trajectory called a question.
  where = roles == Role.ANSWER
  if role == Role.QUESTION:
    where = (roles == Role.STEP) | (roles == Role.DELIMITER)
  roles[where] = role
  with pytest.raises(ValueError, match=message):
    examples.examples(dataclasses.replace(text, role_L=roles))


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
