"""Each variant is what its name says, by the judgement of the parser."""

import random

import numpy as np
import pytest

from raml_jax.tasks import vocab
from raml_jax.tasks.arithmetic import formats
from raml_jax.tasks.arithmetic import questions
from raml_jax.tasks.arithmetic import variants
from raml_jax.tasks.arithmetic.checking import parser
from tests.tasks.arithmetic import examples

ADDITION = questions.Pair("+", 128, 367)


def _cases(name, count=60):
  """(question, the usual trajectory, the variant, its verdict)."""
  rng = random.Random(name)
  made = 0
  for seed in range(count):
    for kind in examples.KINDS:
      question = examples.question(kind, rng)
      format = rng.choice(formats.SCRATCHPADS)
      route = rng.choice(formats.routes(question, format))
      usual = formats.write(question, format, route)
      try:
        written = variants.vary(
          question, format, name, np.random.default_rng(seed), route
        )
      except ValueError:
        continue
      made += 1
      verdict = parser.check(written.text, question.base)
      assert verdict.well_formed, written.text
      assert written.question == usual.question
      yield usual, written, verdict
  assert made > count / 2


@pytest.mark.parametrize("name", ["correct", "alternative", "merged"])
def test_correct_variants_are_sound(name):
  for usual, written, verdict in _cases(name):
    assert verdict.right and verdict.sound and verdict.follows, written.text
    assert (written.text == usual.text) == (name == "correct")
    if name == "merged":
      assert len(written.steps) < len(usual.steps)


@pytest.mark.parametrize("name", ["wrong_digit", "wrong_carry"])
def test_what_follows_a_consistent_error_follows_from_it(name):
  for _, written, verdict in _cases(name):
    assert sum(not step.follows for step in verdict.steps) == 1, written.text
    assert not verdict.right and not verdict.sound and verdict.follows


@pytest.mark.parametrize("name", ["stray_digit", "stray_carry"])
def test_what_follows_a_stray_error_is_as_if_it_were_right(name):
  for usual, written, verdict in _cases(name):
    assert sum(not step.true for step in verdict.steps) == 1, written.text
    assert verdict.right and not verdict.sound
    pairs = zip(usual.steps, written.steps, strict=True)
    assert sum(a != b for a, b in pairs) == 1


def test_an_error_is_taken_back_and_repaired():
  for usual, written, verdict in _cases("reflection"):
    assert verdict.right and verdict.sound, written.text
    assert [step.retracted for step in verdict.steps].count(True) == 1
    at = [step.retracted for step in verdict.steps].index(True)
    assert not verdict.steps[at].true
    assert written.steps[at + 1] == vocab.WAIT + usual.steps[at]
    row = written.trajectory(len(written.text))
    reflecting = row.role_L == vocab.Role.REFLECTION
    assert vocab.decode(row.tokens_L[reflecting]) == vocab.WAIT
    assert row.step_L[reflecting] == at + 2


def test_shuffled_steps_are_the_same_and_derive_nothing():
  for usual, written, verdict in _cases("shuffled"):
    same = [sorted("".join(w.steps).split("\n")) for w in (usual, written)]
    assert same[0] == same[1]
    assert verdict.right and not verdict.sound, written.text


def test_a_dropped_step_leaves_a_gap():
  for usual, written, verdict in _cases("dropped"):
    assert len(written.steps) == len(usual.steps) - 1
    assert verdict.right and not verdict.sound, written.text


def test_fillers_have_the_same_length_roles_and_steps():
  for usual, written, verdict in _cases("filler", 10):
    rows = [w.trajectory(len(usual.text)) for w in (usual, written)]
    np.testing.assert_array_equal(rows[0].role_L, rows[1].role_L)
    np.testing.assert_array_equal(rows[0].step_L, rows[1].step_L)
    steps = rows[1].tokens_L[rows[1].role_L == vocab.Role.STEP]
    assert set(vocab.decode(steps)) == {vocab.FILLER}
    assert verdict.right and not verdict.sound


def test_empty_reasoning_is_opened_and_closed():
  for usual, written, verdict in _cases("empty", 10):
    assert written.steps == () and written.answer == usual.answer
    assert written.closing == usual.closing
    assert verdict.right and not verdict.sound


def test_one_seed_gives_one_text_and_others_give_others():
  def text(name, seed):
    rng = np.random.default_rng(seed)
    return variants.vary(ADDITION, "detailed", name, rng).text

  for name in ("wrong_digit", "stray_carry", "reflection", "shuffled"):
    assert text(name, 3) == text(name, 3)
    assert len({text(name, seed) for seed in range(20)}) > 1


def test_a_lead_stands_in_front_of_every_variant():
  for name in variants.VARIANTS:
    rng = np.random.default_rng(0)
    written = variants.vary(ADDITION, "simplified", name, rng, lead="|")
    assert written.text.startswith("|Input:\n128+367\n")


def test_steps_can_be_kept_one_by_one():
  written = variants.drop(formats.write(ADDITION, "simplified"), (1, 3))
  assert written.steps == ("A->5 , C->1\n", "A->4 , C->0")


@pytest.mark.parametrize(
  "question, format, name, message",
  [
    (ADDITION, "detailed", "odd", "variant = 'odd': must be one of correct"),
    (ADDITION, "plain", "shuffled", "variant = 'shuffled': 128.367 has none"),
    (
      questions.Pair("*", 12, 36),
      "simplified",
      "wrong_carry",
      "variant = 'wrong_carry': 12.36 has none in format 'simplified'",
    ),
    (
      questions.Pair("+", 1, 2),
      "simplified",
      "dropped",
      "variant = 'dropped': 1.2 has none",
    ),
  ],
)
def test_what_cannot_be_is_one_clear_line(question, format, name, message):
  with pytest.raises(ValueError, match=f"^{message}[^\n]*$"):
    variants.vary(question, format, name, np.random.default_rng(0))


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
