"""Exams are held out, and answers are judged as anyone would judge them."""

import dataclasses
import re

import jax
import numpy as np
import pytest

from raml_jax.models import gpt
from raml_jax.models import sampling
from raml_jax.tasks import vocab
from raml_jax.tasks.arithmetic.families import expressions
from raml_jax.tasks.arithmetic.families import pairs
from raml_jax.training import evaluation

SUMS = pairs.Pairs("+", digits=2, format="simplified", split="test")
KEY = jax.random.key(4)
SEEDS = 3
MODEL = gpt.gpt(gpt.Options(layers=1, heads=2, width=16, context=64))
_QUESTION = re.compile(r"Input:\n(\d+)\+(\d+)\nTarget:\n")


@pytest.fixture(scope="module")
def asked():
  return evaluation.exam(SUMS, KEY, 40)


@pytest.fixture(scope="module")
def params_S():
  return jax.jit(jax.vmap(MODEL.init))(
    jax.random.split(jax.random.key(1), SEEDS)
  )


def _numbers(prompt_T) -> tuple[int, int]:
  found = _QUESTION.fullmatch(vocab.decode(prompt_T))
  return int(found[1]), int(found[2])


def _padded(texts, width) -> np.ndarray:
  return np.stack([vocab.pad(vocab.encode(text), width) for text in texts])


def test_no_question_of_an_exam_is_ever_drawn_in_training(asked):
  """Not in 20,000 draws of a family that has 10,000 questions in all."""
  train = dataclasses.replace(SUMS, split="train")
  drawn = {one.numbers for one in train.questions(jax.random.key(9), 20_000)}
  exam = {_numbers(prompt_T) for prompt_T in asked.prompt_BxT}
  assert len(drawn) > 5000
  assert len(exam) == 40
  assert not exam & drawn
  # Nor the same numbers the other way round.
  assert not {(y, x) for x, y in exam} & drawn


def test_prompts_are_questions_and_nothing_of_the_answer(asked):
  for prompt_T in asked.prompt_BxT:
    x, y = _numbers(prompt_T)
    assert vocab.decode(prompt_T) == f"Input:\n{x}+{y}\nTarget:\n"


def test_there_is_room_for_every_right_answer(asked):
  longest = 0
  for prompt_T in asked.prompt_BxT:
    x, y = _numbers(prompt_T)
    lines = max(len(str(x)), len(str(y)))
    steps = "\n".join(["A->0 , C->0"] * lines)
    longest = max(longest, len(f"{steps}.\n{x + y}|"))
  assert asked.new_tokens >= longest
  width = asked.prompt_BxT.shape[1]
  assert evaluation.slots([asked, asked.first(1)]) == width + asked.new_tokens


def test_the_same_key_asks_the_same_and_first_cuts_it_off(asked):
  again = evaluation.exam(SUMS, KEY, 40)
  np.testing.assert_array_equal(again.prompt_BxT, asked.prompt_BxT)
  other = evaluation.exam(SUMS, jax.random.key(5), 40)
  assert not np.array_equal(other.prompt_BxT, asked.prompt_BxT)
  np.testing.assert_array_equal(asked.first(7).prompt_BxT, asked.prompt_BxT[:7])


def test_a_family_without_so_many_questions_is_refused():
  with pytest.raises(ValueError, match="only .* different questions"):
    evaluation.exam(pairs.Pairs("+", digits=1, split="test"), KEY, 50)


def _written(x, y, slip):
  """Columns by hand, with one mistake."""
  lines, carry = [], 0
  for n in range(max(len(str(x)), len(str(y)))):
    total = x // 10**n % 10 + y // 10**n % 10 + carry
    digit, carry = total % 10, total // 10
    if slip == "digit" and not n:
      digit = (digit + 3) % 10
    lines.append(f"A->{digit} , C->{carry}")
  answer = x + y + (slip == "answer")
  text = "\n".join(lines) + f".\n{answer}|"
  return text[:-1] if slip == "end" else text


def test_verdicts_are_those_of_a_recomputation(asked):
  """Sums in Python, steps by hand: right, well formed, sound."""
  expected = {
    "": (True, True, True),
    "digit": (True, True, False),
    "answer": (False, True, None),
    "end": (None, False, None),
  }
  for slip, (right, formed, sound) in expected.items():
    texts = [
      _written(*_numbers(prompt_T), slip) for prompt_T in asked.prompt_BxT
    ]
    tokens_BxW = _padded(texts, 40)
    both_SxBxW = np.stack([tokens_BxW, np.roll(tokens_BxW, 1, axis=0)])
    found = evaluation.graded(asked, both_SxBxW, steps=True)
    for value, verdict_SxB in zip((right, formed, sound), found):
      if value is not None:
        assert (verdict_SxB[0] == value).all(), slip
    if slip == "":
      # Another question's answer is right where the sums agree, and only there.
      sums_B = [sum(_numbers(prompt_T)) for prompt_T in asked.prompt_BxT]
      np.testing.assert_array_equal(
        found.right_SxB[1], np.equal(sums_B, np.roll(sums_B, 1))
      )


def test_without_steps_the_answer_alone_is_judged_and_the_same(asked):
  texts = [_written(*_numbers(prompt_T), "") for prompt_T in asked.prompt_BxT]
  tokens_1xBxW = _padded(texts, 40)[None]
  quick = evaluation.graded(asked, tokens_1xBxW)
  assert quick.right_SxB.all() and quick.well_formed_SxB.all()
  assert not quick.sound_SxB.any()


def test_every_seed_answers_as_it_does_alone(asked, params_S, monkeypatch):
  """Groups, the last one filled up, and other seeds change nothing."""
  monkeypatch.setattr(evaluation, "_AT_ONCE", 16)
  found = evaluation.answers(MODEL, params_S, asked, KEY)
  assert found.shape == (SEEDS, 40, 1, asked.new_tokens)
  assert not np.array_equal(found[0], found[1])
  stop = int(vocab.encode(vocab.END)[0])

  @jax.jit
  def alone(params):
    return sampling.sample(
      MODEL,
      params,
      KEY,
      asked.prompt_BxT,
      asked.new_tokens,
      stop=stop,
      rule=sampling.GREEDY,
    ).tokens_BxN

  for s in range(SEEDS):
    params = jax.tree.map(lambda leaf: leaf[s], params_S)
    np.testing.assert_array_equal(found[s, :, 0], alone(params))


def test_draws_are_others_for_every_seed_question_and_sample(asked, params_S):
  """Of equal models, asked one question again and again."""
  same_S = jax.tree.map(lambda leaf: leaf[:1].repeat(2, axis=0), params_S)
  same = dataclasses.replace(asked, prompt_BxT=asked.prompt_BxT[[0] * 5])
  rule = sampling.Rule(1.0)
  drawn = evaluation.answers(MODEL, same_S, same, KEY, samples=4, rule=rule)
  assert drawn.shape == (2, 5, 4, asked.new_tokens)
  # Some end at once, and are alike for that.
  rows = [row for row in drawn.reshape(40, -1) if row[3] != vocab.PAD]
  assert len(rows) > 20
  assert len({row.tobytes() for row in rows}) == len(rows)


def test_exact_match_is_the_share_that_is_right(asked, params_S):
  evaluate = evaluation.exact_match(MODEL, asked, KEY)
  tokens = evaluation.answers(MODEL, params_S, asked, KEY)[:, :, 0]
  by_hand = []
  for tokens_BxW in tokens:
    right = 0
    for text in evaluation.texts(asked, tokens_BxW):
      x, y, tail = re.fullmatch(
        r"Input:\n(\d+)\+(\d+)\nTarget:\n(.*)", text, re.DOTALL
      ).groups()
      right += tail.endswith(f".\n{int(x) + int(y)}|")
    by_hand.append(right / 40)
  np.testing.assert_allclose(evaluate(params_S)["exact_match"], by_hand)


def test_brackets_are_examined_too():
  family = expressions.Expressions(format="plain", split="test")
  asked = evaluation.exam(family, KEY, 20)
  answers = []
  for prompt_T in asked.prompt_BxT:
    text = vocab.decode(prompt_T)
    assert text.endswith("=")
    answers.append(f"{eval(text[:-1], {})}|")  # Python knows brackets.
  tokens_1xBxW = _padded(answers, asked.new_tokens)[None]
  assert evaluation.graded(asked, tokens_1xBxW).right_SxB.all()


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
