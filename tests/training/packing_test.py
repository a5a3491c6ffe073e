"""Examples are never cut, never mixed, and little of a row is padding."""

import dataclasses

import jax
import numpy as np
import pytest

from raml_jax.models import gpt
from raml_jax.tasks import vocab
from raml_jax.tasks.arithmetic import formats
from raml_jax.tasks.arithmetic.families import chains
from raml_jax.tasks.arithmetic.families import expressions
from raml_jax.tasks.arithmetic.families import pairs
from raml_jax.training import packing
from raml_jax.training import supervised

UNEVEN = pairs.Pairs(digits=3, weights=(1.0, 1.0, 1.0), format="simplified")
FAMILIES = (
  *(pairs.Pairs(digits=2, format=name) for name in formats.FORMATS),
  *(
    pairs.Pairs(digits=4, weights=(1.0,) * 4, format=name)
    for name in formats.FORMATS
  ),
  UNEVEN,
  pairs.Pairs("*", digits=2, format="detailed"),
  chains.Chains(terms=6, fewest=2, modulus=11, format="simplified"),
  expressions.Expressions(operations=3, format="detailed"),
)


def _examples(rows) -> list[str]:
  """The texts of all examples, as the segments tell them apart."""
  found = []
  for tokens_T, segment_T in zip(
    np.asarray(rows.tokens_BxT), np.asarray(rows.segment_BxT)
  ):
    for segment in range(segment_T.max() + 1):
      text = vocab.decode(tokens_T[segment_T == segment])
      if text:
        found.append(text)
  return found


@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_padding_stays_under_ten_percent_and_few_examples_are_dropped(family):
  how = packing.packing(family, 128)
  padding = dropped = 0.0
  for i in range(4):
    drawn = family.sample(jax.random.key(5 + i), 128)
    rows = how.rows(drawn)
    padding += np.mean(np.asarray(rows.tokens_BxT) == vocab.PAD) / 4
    if rows.segment_BxT is not None:
      dropped += (1 - len(_examples(rows)) / 128) / 4
  assert padding < 0.1
  assert dropped < 0.03


def test_packing_is_needed_for_numbers_of_any_length_and_not_for_equal_ones():
  assert packing.packing(UNEVEN, 128).examples > 1
  usual = dataclasses.replace(UNEVEN, weights=())
  assert packing.packing(usual, 128) == packing.Packing(1, usual.context)


def test_every_example_is_there_once_and_whole():
  drawn = UNEVEN.sample(jax.random.key(0), 64)
  rows = packing.Packing(2, 2 * UNEVEN.context).rows(drawn)
  texts = [vocab.decode(tokens_L) for tokens_L in np.asarray(drawn.tokens_L)]
  assert sorted(_examples(rows)) == sorted(texts)
  role_of = {0: vocab.Role.PAD}
  for tokens_L, role_L in zip(*map(np.asarray, (drawn.tokens_L, drawn.role_L))):
    role_of[vocab.decode(tokens_L)] = role_L[tokens_L != vocab.PAD]
  for tokens_T, role_T, segment_T in zip(
    *map(np.asarray, (rows.tokens_BxT, rows.role_BxT, rows.segment_BxT))
  ):
    here = (segment_T == 1) & (tokens_T != vocab.PAD)
    assert list(role_T[here]) == list(role_of[vocab.decode(tokens_T[here])])


def test_what_finds_no_room_is_left_out_and_nothing_is_cut():
  drawn = UNEVEN.sample(jax.random.key(0), 64)
  longest = int((np.asarray(drawn.tokens_L) != vocab.PAD).sum(1).max())
  rows = packing.Packing(4, 2 * longest).rows(drawn)
  texts = {vocab.decode(tokens_L) for tokens_L in np.asarray(drawn.tokens_L)}
  found = _examples(rows)
  assert 32 <= len(found) < 64
  assert set(found) <= texts


@pytest.mark.parametrize("examples", [2, 4])
def test_examples_of_a_row_cost_what_they_cost_apart(x64, examples):
  del x64
  model = gpt.gpt(gpt.Options(layers=2, heads=2, width=16, context=300))
  params = jax.tree.map(
    lambda a: a.astype(float), model.init(jax.random.key(0))
  )
  drawn = UNEVEN.sample(jax.random.key(1), 8)
  every = supervised.weights(supervised.ALL)

  def cost(rows):
    losses = supervised.token_losses(model, params, rows, jax.random.key(0))
    return float((losses * supervised.token_weights(rows, every)).sum())

  apart = cost(packing.Packing(1, UNEVEN.context).rows(drawn))
  together = cost(packing.Packing(examples, 300).rows(drawn))
  np.testing.assert_allclose(together, apart, rtol=1e-12)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
