"""What the host gives depends on the step alone, however it is asked."""

import jax
import numpy as np
import pytest

from raml_jax import base
from raml_jax.tasks import vocab
from raml_jax.tasks.arithmetic import splits
from raml_jax.tasks.arithmetic.checking import parser
from raml_jax.tasks.arithmetic.families import expressions
from raml_jax.tasks.arithmetic.families import pairs
from raml_jax.training import host_sources

SIZE, LENGTH = 10, 7


class Records(list):
  """As a TFDS data source, and says what was read."""

  def __init__(self, *values):
    super().__init__(*values)
    self.read = []

  def __getitems__(self, keys):
    self.read.append(list(keys))
    return [self[key] for key in keys]


def records(size=SIZE):
  """Example i has i % 5 + 1 tokens, each i + 1."""
  return Records(
    {
      "tokens": np.full(i % 5 + 1, i + 1, np.int32),
      "role": np.full(i % 5 + 1, 2, np.uint8),
      "step": np.arange(i % 5 + 1, dtype=np.int32),
    }
    for i in range(size)
  )


def stored(table=None, **fields):
  if table is None:
    table = host_sources.in_memory(records(), LENGTH)
  return host_sources.Stored(table, **dict(batch=4, seeds=3, seed=5) | fields)


def written(family=None, **fields):
  family = family or expressions.Expressions(operations=2)
  return host_sources.Written(family, **dict(batch=4, seeds=2, seed=5) | fields)


def joined(*chunks, axis):
  return jax.tree.map(lambda *x: np.concatenate(x, axis=axis), *chunks)


def assert_same(got, expected):
  assert isinstance(got, base.Trajectory)
  for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
    assert a.dtype == b.dtype == np.int32
    np.testing.assert_array_equal(a, b)


def numbers(chunk):
  """Which example is where: S x C x B."""
  return chunk.tokens_L[..., 0] - 1


def test_every_epoch_has_every_example_once_in_an_order_of_its_own():
  # Ten steps of four are four epochs; epochs end in the middle of a batch.
  index_SxN = numbers(stored().chunk(0, 10)).reshape(3, 4, SIZE)
  orders = [tuple(order) for order in index_SxN.reshape(12, SIZE)]
  for order in orders:
    assert sorted(order) == list(range(SIZE))
  assert len(set(orders)) == 12
  other = numbers(stored(seed=6).chunk(0, 10)).reshape(12, SIZE)
  assert not {tuple(order) for order in other} & set(orders)


def test_a_batch_may_be_larger_than_the_data_set():
  index_SxN = numbers(stored(batch=25, seeds=1).chunk(3, 2)).reshape(1, 50)
  for epoch in index_SxN[0][5:45].reshape(4, SIZE):
    assert sorted(epoch) == list(range(SIZE))


def test_examples_are_padded_and_whole():
  chunk = stored().chunk(2, 3)
  assert chunk.tokens_L.shape == (3, 3, 4, LENGTH)
  source = records()
  for at in np.ndindex(3, 3, 4):
    one = source[numbers(chunk)[at]]
    size = len(one["tokens"])
    for leaf, name in zip(jax.tree.leaves(chunk), ("tokens", "role", "step")):
      np.testing.assert_array_equal(leaf[at][:size], one[name])
      assert not leaf[at][size:].any()


@pytest.mark.parametrize("make", [stored, written])
def test_a_chunk_is_what_its_parts_are(make):
  whole = make().chunk(3, 7)
  parts = [make().chunk(3, 1), make().chunk(4, 4), make().chunk(8, 2)]
  assert_same(joined(*parts, axis=1), whole)


@pytest.mark.parametrize(
  "make",
  [
    stored,
    written,
    lambda **process: written(
      expressions.Expressions(operations=2, format="simplified", length=200),
      variants=("wrong_digit", "shuffled"),
      **process,
    ),
  ],
)
def test_processes_together_see_what_one_sees(make):
  whole = make().chunk(1, 3)
  parts = [make(process=p, processes=2).chunk(1, 3) for p in range(2)]
  assert parts[0].tokens_L.shape[2] == 2
  assert_same(joined(*parts, axis=2), whole)


def test_reading_from_disk_gives_what_memory_gives():
  source = records()
  got = stored(host_sources.on_disk(source, LENGTH)).chunk(4, 20)
  assert_same(got, stored().chunk(4, 20))
  (read,) = source.read
  assert sorted(read) == list(range(SIZE))  # Each once, though used 24 times.


def test_the_length_in_memory_is_that_of_the_longest():
  assert host_sources.in_memory(records()).length == 5


def test_orders_have_not_changed():
  # A run that is resumed by newer code would go on with other batches.
  assert numbers(stored().chunk(0, 2))[0].tolist() == [
    [8, 6, 4, 3],
    [0, 2, 9, 1],
  ]


def test_fresh_questions_are_those_of_the_family():
  family = pairs.Pairs(operator="*", digits=2, format="simplified")
  chunk = written(family, seeds=1).chunk(0, 2)
  assert chunk.tokens_L.shape == (1, 2, 4, family.context)
  asked = set()
  for tokens_L in chunk.tokens_L[0].reshape(8, -1):
    text = vocab.decode(tokens_L)
    verdict = parser.check(text)
    assert verdict.right and verdict.sound
    x, y = text.split("\n")[1].split("*")
    assert splits.contains("train", (int(x), int(y)))
    asked.add((x, y))
  assert len(asked) > 4


def test_steps_and_seeds_ask_different_questions():
  tokens_NxL = written().chunk(0, 3).tokens_L.reshape(6, -1)
  assert len({bytes(row) for row in tokens_NxL}) == 6
  other_NxL = written(seed=6).chunk(0, 3).tokens_L.reshape(6, -1)
  assert not {bytes(a) for a in tokens_NxL} & {bytes(b) for b in other_NxL}


def test_examples_are_the_variants_asked_for():
  family = expressions.Expressions(
    operations=3, format="simplified", length=200
  )
  source = written(family, batch=40, variants=("wrong_digit", "reflection"))
  texts = [vocab.decode(t) for t in source.chunk(0, 1).tokens_L[0, 0]]
  wrong = [text for text in texts if vocab.WAIT not in text]
  assert 10 < len(wrong) < 30
  assert not any(parser.check(text).right for text in wrong)
  assert all(parser.check(t).right for t in texts if t not in wrong)


def test_a_question_without_the_variant_is_drawn_again():
  # A single operation has one step, which has no other order.
  family = expressions.Expressions(
    operations=2, format="simplified", length=200
  )
  chunk = written(family, batch=20, variants=("dropped",)).chunk(0, 1)
  for tokens_L in chunk.tokens_L.reshape(40, -1):
    text = vocab.decode(tokens_L)
    assert sum(map(text.split("\n")[1].count, "+-*")) == 2


@pytest.mark.parametrize(
  "make, message",
  [
    (lambda: stored(batch=0), "batch = 0: must be at least 1"),
    (lambda: stored(seeds=0), "seeds = 0: must be at least 1"),
    (lambda: stored(seed=-1), "seed = -1: must be at least 0"),
    (
      lambda: stored(process=2, processes=2),
      "process = 2: must be 0 to 1",
    ),
    (
      lambda: written(processes=3),
      "batch = 4: must be a multiple of processes = 3",
    ),
    (
      lambda: stored(host_sources.on_disk(records(0), 4)),
      "table: must hold at least one example",
    ),
    (
      lambda: host_sources.in_memory(records(), 4),
      "length = 4: must be at least the 5 tokens to hold",
    ),
    (
      lambda: stored(host_sources.on_disk(records(), 4)).chunk(0, 9),
      "length = 4: must be at least the 5 tokens to hold",
    ),
    (
      lambda: written(variants=("wrong",)),
      "variants = .'wrong',.: must be some of correct, ",
    ),
    (lambda: written(variants=()), "variants = ..: must be some of correct, "),
    (
      lambda: written(variants=("shuffled",)).chunk(0, 1),
      "variant = 'shuffled': .* has none in format 'plain'",
    ),
    (
      lambda: written(
        expressions.Expressions(format="simplified"), variants=("reflection",)
      ).chunk(0, 9),
      "length = .*: .* takes .* tokens with its trajectory and answer",
    ),
  ],
)
def test_mistakes_are_one_clear_line(make, message):
  with pytest.raises(ValueError, match=f"^{message}[^\n]*$"):
    make()


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
