"""What is shown, in whose place, and which token gives the answer away."""

import jax
import numpy as np
import pytest

from raml_jax.config import pseudo_gradient_rows as rows_lib
from raml_jax.studies.pseudo_gradient import texts
from raml_jax.tasks import vocab
from raml_jax.tasks.arithmetic import formats
from raml_jax.tasks.arithmetic import questions
from raml_jax.tasks.arithmetic.checking import parser
from raml_jax.tasks.arithmetic.families import pairs

FAMILY = pairs.Pairs("+", digits=2, format="simplified", split="test")


@pytest.fixture(scope="module")
def asked():
  return texts.ask(FAMILY, jax.random.key(0), 24, 0)


def test_questions_differ_and_are_held_out_and_of_one_length(asked):
  prompts = [written.question for written in asked.written_B]
  assert len(set(prompts)) == len(asked) == 24
  lengths = {len("".join(written.steps)) for written in asked.written_B}
  assert lengths == {len("A->1 , C->1\nA->2 , C->0")}
  again = texts.ask(FAMILY, jax.random.key(0), 24, 0)
  assert again == asked


def test_too_many_questions_are_refused():
  with pytest.raises(ValueError, match="5000: only"):
    texts.ask(FAMILY, jax.random.key(0), 5000, 0)


def _shown(example, b):
  """The trajectory of one example, in the order in which it is shown."""
  places = example.trajectory_T[b]
  return vocab.decode(example.tokens_L[b][places[places >= 0]])


@pytest.mark.parametrize("name", texts.NAMES)
def test_the_right_answer_is_asked_for_whatever_is_written(asked, name):
  example = texts.example(asked, name, None)
  for b, written in enumerate(asked.written_B):
    prompt = vocab.decode(example.tokens_L[b][example.question_Q[b]])
    left, right = prompt.split("\n")[1].split("+")
    assert vocab.decode(example.targets_R[b]) == str(int(left) + int(right))
    assert prompt == written.question
  whole = texts.example(asked, "correct", None)
  if name != "wordy":
    assert example.trajectory_T.shape == whole.trajectory_T.shape
    np.testing.assert_array_equal(example.reads_R, whole.reads_R)
    np.testing.assert_array_equal(
      np.sort(example.trajectory_T), whole.trajectory_T
    )


def test_false_ones_are_false_and_true_ones_true(asked):
  """By the independent parser."""
  for b in range(len(asked)):
    judged = {}
    for name in texts.NAMES:
      example = texts.example(asked, name, None)
      judged[name] = parser.check(vocab.decode(example.tokens_L[b]))
    assert judged["correct"].sound
    for name in ("wrong_digit", "wrong_carry", "shuffled", "filler"):
      assert judged[name].right and not judged[name].sound, name
    # The text is the same, in its own order; only what is shown first differs.
    assert judged["hint"].sound and judged["steps_swapped"].sound


def test_another_questions_lines_stand_in_ones_own_text(asked):
  example = texts.example(asked, "other_trajectory", None)
  for b in range(len(asked)):
    other = asked.written_B[(b + 1) % len(asked)]
    assert _shown(example, b) == "".join(other.steps) + "."


def test_lines_are_shown_from_the_last_to_the_first(asked):
  example = texts.example(asked, "steps_swapped", None)
  for b, written in enumerate(asked.written_B):
    first, last = written.steps
    assert _shown(example, b) == f"{last}.{first}"


def test_wordy_text_says_what_it_adds_up():
  written = texts.wordy(questions.Pair("+", 58, 67))
  assert "".join(written.steps) == ("8+7+0 , A->5 , C->1\n5+6+1 , A->2 , C->1")
  assert written.answer == "125"
  names = [rows_lib.PARTS[part] for part in texts.parts(written)]
  assert names[:9] == ["copy"] * 5 + ["separator"] * 3 + ["label"]


def test_every_token_has_its_part():
  written = formats.write(questions.Pair("+", 58, 67), "simplified")
  text = "".join(written.steps) + "."
  signs = {
    "label": "l",
    "digit": "d",
    "carry": "c",
    "separator": "s",
    "delimiter": "e",
  }
  got = "".join(signs[rows_lib.PARTS[p]] for p in texts.parts(written))
  assert text == "A->5 , C->1\nA->2 , C->1."
  assert got == "llldssslllcellldssslllce"


@pytest.mark.parametrize(
  ("numbers", "answer", "first", "last"),
  [
    # A->5 , C->1 / A->2 , C->1.: the highest digit is the last carry.
    ((58, 67), "125", 22, 22),
    # A->1 , C->1 / A->5 , C->0.: it is the second digit.
    ((12, 39), "51", 15, 15),
  ],
)
def test_leaks_are_where_the_answers_digits_are_stated(
  numbers, answer, first, last
):
  written = formats.write(questions.Pair("+", *numbers), "simplified")
  found = texts.leaks(texts.Asked((written,), {}))
  assert written.answer == answer
  assert (found["any"][0], found["first"][0], found["all"][0]) == (
    3,
    first,
    last,
  )
  text = "".join(written.steps)
  assert text[first] == answer[0] and text[3] == answer[-1]


def test_the_hint_is_the_token_that_states_the_first_digit(asked):
  example = texts.example(asked, "hint", 1)
  for b, written in enumerate(asked.written_B):
    assert _shown(example, b)[0] == written.answer[0]
    assert vocab.decode(example.targets_R[b]) == written.answer[0]


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
