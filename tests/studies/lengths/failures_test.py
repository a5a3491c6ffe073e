"""What fails, against the writers of wrong trajectories and the parser."""

import random

import numpy as np
import pytest

from raml_jax.studies.lengths import failures
from raml_jax.tasks import vocab
from raml_jax.tasks.arithmetic import formats
from raml_jax.tasks.arithmetic import questions
from raml_jax.tasks.arithmetic import variants
from raml_jax.tasks.arithmetic.checking import parser

_COUNT = 60


def _sums(radix=10, digits=5, least=1):
  rng = random.Random(0)
  for _ in range(_COUNT):
    x, y = (
      rng.randrange(radix ** (least - 1), radix ** rng.randint(least, digits))
      for _ in range(2)
    )
    yield questions.Pair("+", x, y, radix)


@pytest.mark.parametrize("format", ["simplified", "reversed"])
@pytest.mark.parametrize("radix", [2, 10, 16])
def test_what_is_written_is_right(format, radix):
  for one in _sums(radix):
    found = failures.read(formats.write(one, format).text, radix)
    assert found.kind == failures.RIGHT
    assert found.columns == found.wanted == found.sound


@pytest.mark.parametrize(
  ("variant", "kinds"),
  [
    ("wrong_digit", {"digit"}),
    ("stray_digit", {"digit"}),
    ("wrong_carry", {"carry"}),
    ("stray_carry", {"carry"}),
    ("empty", {"early"}),
    ("filler", {"malformed"}),
    ("merged", {"malformed"}),
    ("reflection", {"digit", "carry"}),
  ],
)
def test_the_first_error_of_a_scratchpad_has_its_name(variant, kinds):
  for one in _sums(least=2):
    rng = np.random.default_rng(one.x)
    written = variants.vary(one, "simplified", variant, rng)
    found = failures.read(written.text, 10)
    assert found.kind in kinds
    lines = [text.strip("\n") for text in written.steps]
    right = [
      text.strip("\n") for text in formats.write(one, "simplified").steps
    ]
    agree = [a == b for a, b in zip(lines, right)] + [False]
    assert found.sound == agree.index(False)


def test_too_few_and_too_many_steps_have_their_names():
  for one in _sums(least=2):
    right = formats.write(one, "simplified")
    for kept in range(len(right.steps)):
      short = variants.drop(right, range(1, kept + 1))
      found = failures.read(short.text, 10)
      assert (found.kind, found.columns) == ("early", kept)
    lines = tuple(step.strip("\n") for step in right.steps)
    longer = formats.wrap(one, "simplified", (*lines, "A->0 , C->0"), 0)
    found = failures.read(longer.text, 10)
    assert (found.kind, found.columns) == ("late", len(lines) + 1)


def test_an_answer_that_does_not_follow_is_told_from_one_that_is_no_number():
  one = questions.Pair("+", 128, 367)
  lines = formats.derive(one, False).lines
  wrong = formats.wrap(one, "simplified", lines, 459).text
  assert failures.read(wrong, 10).kind == "answer"
  for text in (wrong.replace("459", ""), wrong.rstrip(vocab.END)):
    assert failures.read(text, 10).kind == "malformed"


@pytest.mark.parametrize("format", ["simplified", "reversed"])
def test_it_is_right_where_the_parser_says_right_and_sound(format):
  """Over texts in which one character is another one, or gone."""
  rng = random.Random(1)
  seen = set()
  for one in _sums():
    written = formats.write(one, format)
    start, text = len(written.question), written.text
    for _ in range(20):
      at = rng.randrange(start, len(text))
      other = rng.choice(vocab.CHARACTERS + text[at])
      changed = text[:at] + other * rng.randint(0, 1) + text[at + 1 :]
      found = failures.read(changed, 10)
      verdict = parser.check(changed, 10)
      steps = verdict.sound or format == "reversed"
      right = verdict.right and verdict.well_formed and steps
      assert (found.kind == failures.RIGHT) == right, changed
      if format == "simplified" and found.kind in ("digit", "carry", "answer"):
        true = [step.true for step in verdict.steps] + [False]
        assert found.sound == true.index(False)
      seen.add(found.kind)
  assert len(seen) >= 4


def test_a_carry_that_is_forgotten_or_made_up_is_told_from_a_wrong_digit():
  """Without a scratchpad, against sums column by column without carries."""
  for one in _sums():
    x, y = (str(n)[::-1].ljust(6, "0") for n in one.numbers)
    right = str(one.answer)[::-1]
    for i, digit in enumerate(right):
      plain = (int(x[i]) + int(y[i])) % 10
      came = (int(digit) - plain) % 10
      for wrong in set("0123456789") - {digit}:
        text = f"${one.text}={right[:i]}{wrong}{right[i + 1 :]}$|"
        forgot = int(wrong) == (plain + 1 - came) % 10
        found = failures.read(text, 10)
        assert found.kind == ("carry" if forgot else "digit")
        assert found.sound == i


def test_digits_of_an_answer_are_counted():
  for text, kind, columns in (
    ("$128+367=59$|", "early", 2),
    ("$128+367=5940$|", "late", 4),
    ("$128+367=$|", "early", 0),
    ("$128+367=594|", "malformed", 3),
    ("$128+367=594$", "malformed", 3),
  ):
    found = failures.read(text, 10)
    assert (found.kind, found.columns, found.wanted) == (kind, columns, 3)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
