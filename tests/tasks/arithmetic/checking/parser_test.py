"""The parser accepts what is right, and nothing else."""

import random

import pytest

from raml_jax.tasks import vocab
from raml_jax.tasks.arithmetic import formats
from raml_jax.tasks.arithmetic import questions
from raml_jax.tasks.arithmetic.checking import parser
from tests.tasks.arithmetic import examples


@pytest.mark.parametrize("kind", examples.KINDS)
def test_every_route_in_every_format_is_sound(kind):
  rng = random.Random(kind)
  for _ in range(60):
    question = examples.question(kind, rng)
    for format in formats.FORMATS:
      for route in formats.routes(question, format):
        written = formats.write(question, format, route)
        verdict = parser.check(written.text, question.base)
        assert verdict.well_formed and verdict.right, written.text
        assert verdict.format == format
        assert len(verdict.steps) == len(written.steps)
        assert all(step.true and step.follows for step in verdict.steps)
        if format in formats.SCRATCHPADS:
          assert verdict.sound and verdict.follows, written.text


@pytest.mark.parametrize("kind", examples.KINDS)
def test_the_value_of_the_text_is_the_answer_of_the_question(kind):
  rng = random.Random(kind)
  for _ in range(200):
    question = examples.question(kind, rng)
    assert parser.evaluate(question.text, question.base) == question.answer


@pytest.mark.parametrize(
  "text, base, value",
  [
    ("2+3*4", 10, 14),
    ("2*3-4-5", 10, -3),
    ("7-9%4", 10, 6),
    ("(7-9)%4", 10, 2),
    ("ff*10", 16, 4080),
    ("(2*(3-(4-5)))", 10, 8),
  ],
)
def test_expressions_have_their_usual_value(text, base, value):
  assert parser.evaluate(text, base) == value


@pytest.mark.parametrize(
  "question",
  [
    questions.Pair("+", 128, 367),
    questions.Pair("-", 128, 367),
    questions.Pair("*", 12, 36),
    questions.Chain((3, 8, 5, 9), "+-+", 11),
    questions.Expression(((3, "+", 4), "*", (7, "-", 2))),
  ],
)
@pytest.mark.parametrize("format", formats.FORMATS)
def test_no_change_of_one_character_goes_unnoticed(question, format):
  written = formats.write(question, format)
  given = len(written.question)
  rng = random.Random(0)
  for at in range(given, len(written.text)):
    for new in rng.sample(vocab.CHARACTERS, 6):
      text = written.text[:at] + new + written.text[at + 1 :]
      if text == written.text:
        continue
      verdict = parser.check(text)
      scratchpad = format in formats.SCRATCHPADS
      assert not (
        verdict.well_formed
        and verdict.right
        and (verdict.sound or not scratchpad)
      ), text


def test_no_other_answer_is_right():
  for answer in range(-20, 200):
    verdict = parser.check(f"56+78={answer}|")
    assert verdict.right == (answer == 134)
    assert verdict.given == answer
    assert verdict.well_formed


@pytest.mark.parametrize(
  "text, right",
  [
    ("56+78=134", True),  # It does not end.
    ("56+78=134|5", True),
    ("$56+78=431|", True),
    ("56+78=0134|", False),
    ("56+78=+134|", False),
    ("56+78=1_34|", False),
    ("56+78=-0|", False),
    ("56+78=|", False),
    ("56+78", False),
    ("56+=56|", False),
    ("(5%0)=0|", False),
    ("", False),
    ("Input:\n56+78\nTarget:\n134|", True),
    ("Input:\n56+78\nTarget:\n<scratch>\n[5,6] has 2 digits.\n1 3 4|", True),
    ("Input:\n56+78\nTarget:\n<scratch>\n , END\n</scratch>\n134|", True),
    ("Input:\n56+78\nTarget:\n.\n1 3 4|", True),
  ],
)
def test_malformed_texts_are_told_from_wrong_ones(text, right):
  verdict = parser.check(text)
  assert verdict.right == right
  assert not verdict.well_formed
  assert parser.check_answer(text) == verdict


def test_a_leading_newline_or_end_changes_nothing():
  for lead in ("", "\n", vocab.END):
    verdict = parser.check(f"{lead}56+78=134|")
    assert verdict.right and verdict.well_formed


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
