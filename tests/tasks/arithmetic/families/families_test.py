"""Batches are what they claim: the same texts, splits and sizes everywhere."""

import dataclasses

import jax
import numpy as np
import pytest

from raml_jax.tasks import vocab
from raml_jax.tasks.arithmetic import formats
from raml_jax.tasks.arithmetic import questions
from raml_jax.tasks.arithmetic import splits
from raml_jax.tasks.arithmetic.checking import parser
from raml_jax.tasks.arithmetic.families import chains
from raml_jax.tasks.arithmetic.families import expressions
from raml_jax.tasks.arithmetic.families import family
from raml_jax.tasks.arithmetic.families import pairs
from raml_jax.tasks.arithmetic.families import table

BATCH = 300


def _on_device(asked, key, batch):
  """(operands, trajectory): what is drawn, and how it is written."""

  def both(key):
    return asked.operands(key, batch), asked.sample(key, batch)

  # Run once, so not worth the compiler's best.
  options = {"xla_backend_optimization_level": 0}
  return jax.jit(both).lower(key).compile(compiler_options=options)(key)


def _assert_same(got, expected):
  for field in dataclasses.fields(got):
    np.testing.assert_array_equal(
      getattr(got, field.name), getattr(expected, field.name), field.name
    )


ON_DEVICE = [
  pairs.Pairs(operator="+", digits=3),
  pairs.Pairs(operator="-", digits=2, base=36),
  pairs.Pairs(operator="+", digits=6, base=2, format="reversed"),
  pairs.Pairs(operator="-", digits=3, format="reversed", lead="|"),
  pairs.Pairs(operator="+", digits=1, format="simplified"),
  pairs.Pairs(operator="-", digits=4, base=3, format="simplified"),
  pairs.Pairs(operator="+", digits=11, format="detailed"),
  pairs.Pairs(operator="-", digits=3, format="detailed", length=400),
  chains.Chains(terms=5, fewest=2, modulus=13),
  chains.Chains(terms=3, modulus=7, base=2, operators="*", format="reversed"),
  chains.Chains(terms=5, fewest=2, modulus=13, format="simplified"),
  chains.Chains(terms=4, fewest=3, modulus=113, format="detailed"),
  chains.Chains(terms=3, modulus=12, operators="*", format="detailed"),
]


@pytest.mark.parametrize("asked", ON_DEVICE, ids=str)
def test_the_device_writes_token_for_token_what_the_host_writes(asked):
  operands, got = _on_device(asked, jax.random.key(0), BATCH)
  asked_there = asked.questions_of(operands)
  _assert_same(got, asked.write(asked_there))
  for question, tokens in zip(asked_there[:30], np.asarray(got.tokens_L)):
    verdict = parser.check(vocab.decode(tokens), asked.base)
    assert verdict.well_formed and verdict.right
    assert verdict.sound == (asked.format in formats.SCRATCHPADS)
    assert splits.contains(asked.split, question.numbers)


@pytest.mark.parametrize("operator", "+-")
@pytest.mark.parametrize("format", ["reversed", "simplified", "detailed"])
def test_no_question_is_longer_than_the_longest(operator, format):
  asked = pairs.Pairs(
    operator=operator, digits=2, base=5, format=format, split="all"
  )
  x, y = np.meshgrid(np.arange(25), np.arange(25))
  x_NxB, y_NxB = (
    np.stack([n.ravel() % 5, n.ravel() // 5]).astype(np.int32) for n in (x, y)
  )
  taken = [
    formats.write(question, format).text
    for question in asked.questions_of((x_NxB, y_NxB))
  ]
  longest = max(map(len, taken))
  assert longest <= asked.longest() <= longest + 8


@pytest.mark.parametrize("format", formats.FORMATS)
def test_products_and_expressions_fit_their_length(format):
  for asked in (
    pairs.Pairs(operator="*", digits=3, format=format),
    expressions.Expressions(operations=4, digits=2, base=3, format=format),
    expressions.Expressions(operations=1, format=format, operators="-"),
  ):
    batch = asked.sample(jax.random.key(3), 200)
    assert batch.tokens_L.shape == (200, asked.longest())
    for tokens in batch.tokens_L[:50]:
      verdict = parser.check(vocab.decode(tokens), asked.base)
      assert verdict.well_formed and verdict.right


SMALL = {
  "pairs": pairs.Pairs(digits=2),
  "chains": chains.Chains(terms=3, modulus=7),
  "expressions": expressions.Expressions(operations=2),
}


def test_every_family_is_tested():
  assert set(SMALL) == set(table.FAMILIES)
  for name, asked in SMALL.items():
    assert type(asked) is table.FAMILIES[name]


@pytest.mark.parametrize("name", SMALL)
def test_questions_are_those_that_sample_writes(name):
  asked = SMALL[name]
  key = jax.random.key(4)
  _assert_same(asked.sample(key, 20), asked.write(asked.questions(key, 20)))
  again = [one.text for one in asked.questions(key, 20)]
  assert again == [one.text for one in asked.questions(key, 20)]
  other = asked.questions(jax.random.key(5), 20)
  assert again != [one.text for one in other]


@pytest.mark.parametrize("name", SMALL)
def test_no_question_is_in_two_splits(name):
  found = {}
  for split in ("train", "validation", "test"):
    asked = dataclasses.replace(SMALL[name], split=split)
    drawn = asked.questions(jax.random.key(6), 500)
    found[split] = {one.text for one in drawn}
    assert all(splits.contains(split, one.numbers) for one in drawn)
  assert not found["train"] & found["validation"]
  assert not found["train"] & found["test"]
  assert not found["validation"] & found["test"]


def test_distinct_questions_are_distinct_and_always_the_same():
  asked = pairs.Pairs(digits=2)
  many = family.distinct(asked, jax.random.key(7), 500)
  assert len({one.text for one in many}) == 500
  few = family.distinct(asked, jax.random.key(7), 500)
  assert many == few
  with pytest.raises(ValueError, match="^count = 200: only 79 different"):
    family.distinct(pairs.Pairs(digits=1), jax.random.key(8), 200)


def test_default_weights_are_those_of_the_paper():
  asked = pairs.Pairs(digits=3, split="all")
  drawn = asked.questions(jax.random.key(9), 2000)
  share = np.mean([max(one.numbers) >= 100 for one in drawn])
  assert abs(share - 0.9) < 0.03


@pytest.mark.parametrize(
  "make, message",
  [
    (lambda: pairs.Pairs(digits=0), "digits = 0: must be at least 1"),
    (lambda: pairs.Pairs(operator="/"), "operator = '/': must be one of"),
    (lambda: pairs.Pairs(weights=(1.0,)), "weights = .1.0,.: must be 3"),
    (lambda: pairs.Pairs(digits=1, weights=(0.0,)), "weights = .* nor all 0"),
    (lambda: pairs.Pairs(balance="x"), "balance = 'x': must be one of carries"),
    (lambda: pairs.Pairs(base=1), "base = 1: must be 2 to 36"),
    (lambda: pairs.Pairs(format="x"), "format = 'x': must be one of plain"),
    (lambda: pairs.Pairs(split="x"), "split = 'x': must be one of train"),
    (lambda: pairs.Pairs(length=12), "length = 12: must be at least 13, which"),
    (
      lambda: pairs.Pairs(digits=1, base=2, split="test"),
      "split = 'test': none of the questions of Pairs",
    ),
    (lambda: chains.Chains(terms=1), "terms = 1: must be at least 2"),
    (lambda: chains.Chains(fewest=9), "fewest = 9: must be 2 to terms = 4"),
    (lambda: chains.Chains(operators="-"), "operators = '-': must be '.-'"),
    (
      lambda: chains.Chains(modulus=2**16, operators="*"),
      "modulus = 65536: intermediate results must be below",
    ),
    (
      lambda: expressions.Expressions(operations=0),
      "operations = 0: must be at least 1",
    ),
    (lambda: expressions.Expressions(digits=0), "digits = 0: must be at least"),
    (
      lambda: expressions.Expressions(operators=""),
      "operators = '': must be some of",
    ),
  ],
)
def test_mistakes_are_one_clear_line(make, message):
  with pytest.raises(ValueError, match=f"^{message}[^\n]*$"):
    make()


def test_what_the_host_writes_cannot_be_traced():
  asked = pairs.Pairs(operator="*", digits=1)
  with pytest.raises(ValueError, match="is written on the host"):
    jax.jit(asked.sample, static_argnums=1)(jax.random.key(0), 2)


def test_seeds_are_drawn_side_by_side_as_one_by_one():
  asked = pairs.Pairs(digits=2)
  keys = jax.random.split(jax.random.key(1), 3)
  together = jax.jit(jax.vmap(lambda key: asked.sample(key, 4)))(keys)
  alone = [asked.sample(key, 4) for key in keys]
  np.testing.assert_array_equal(
    together.tokens_L, np.stack([one.tokens_L for one in alone])
  )


@pytest.mark.parametrize("name", ["pairs", "chains"])
def test_the_same_is_drawn_and_written_in_float64(name):
  asked = dataclasses.replace(SMALL[name], format="simplified")
  expected = asked.sample(jax.random.key(2), 20)
  with jax.enable_x64(True):
    got = asked.sample(jax.random.key(2), 20)
  assert got.tokens_L.dtype == np.int32
  _assert_same(got, expected)


def test_a_question_of_forty_digits_is_written_in_full():
  largest = 10**40 - 1
  asked = pairs.Pairs(digits=40, split="all")
  digits_NxB = np.full((40, 1), 9, np.int32)
  (one,) = asked.questions_of((digits_NxB, digits_NxB))
  assert one == questions.Pair("+", largest, largest)
  text = formats.write(one, "detailed").text
  assert parser.check(text).sound


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
