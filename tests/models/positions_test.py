"""Places of digits and rotary angles."""

import re
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raml_jax.models import positions
from raml_jax.tasks import vocab
from tests.models import gpt_oracle

TEXTS = ("12+3456=a7", "0001 23ff|", "7a8b9c 1.5", "*123456789")


def tokens(texts=TEXTS):
  return jnp.stack([vocab.encode(text) for text in texts])


def oracle(text, digits):
  places = np.zeros(len(text), int)
  for number in re.finditer(f"[{digits}]+", text):
    places[slice(*number.span())] = np.arange(1, 1 + len(number[0]))
  return places


@pytest.mark.parametrize(
  "radix, digits", [(10, "0-9"), (2, "01"), (16, "0-9a-f")]
)
def test_places_count_the_digits_of_every_number(radix, digits):
  places, run = positions.digit_places(
    tokens(), jnp.zeros(len(TEXTS), int), radix
  )
  want = np.stack([oracle(text, digits) for text in TEXTS])
  np.testing.assert_array_equal(places, want)
  np.testing.assert_array_equal(run, want[:, -1])


def test_a_number_may_be_read_in_pieces():
  """The run carries over any cut, through pieces of digits only too."""
  none = jnp.zeros(len(TEXTS), int)
  whole, _ = positions.digit_places(tokens(), none, 10)
  pieces, run = [], none
  for piece in jnp.split(tokens(), [1, 4, 5, 9], axis=1):
    places, run = positions.digit_places(piece, run, 10)
    pieces.append(places)
  np.testing.assert_array_equal(jnp.concatenate(pieces, 1), whole)


def test_random_starts_move_whole_sequences_and_fill_the_table():
  """Uniform over what leaves the longest number inside; text stays at 0."""
  place = jnp.tile(
    jnp.array([[1, 2, 3, 0, 1, 2], [1, 0, 0, 0, 0, 0]]), (600, 1)
  )
  moved = positions.with_random_start(jax.random.key(0), place, 5)
  np.testing.assert_array_equal(moved == 0, place == 0)
  start = np.asarray(moved - place)
  start = np.where(place > 0, start, start.max(1, keepdims=True))
  assert (start == start[:, :1]).all()
  for row, values in ((0, 3), (1, 5)):
    counts = np.bincount(start[row::2, 0], minlength=values)
    assert len(counts) == values
    assert np.abs(counts - 600 / values).max() < 5 * np.sqrt(600 / values)


def test_a_number_too_long_for_the_table_is_not_moved():
  place = jnp.array([[1, 2, 3, 4]])
  moved = positions.with_random_start(jax.random.key(0), place, 3)
  np.testing.assert_array_equal(moved, place)


def test_only_abacus_draws_positions_in_training():
  key = jax.random.key(3)
  for scheme in positions.SCHEMES:
    drawn = gpt_oracle.make(positions=scheme, digits=9).positions(key, tokens())
    if scheme == "abacus":
      none = jnp.zeros(len(TEXTS), int)
      place, _ = positions.digit_places(tokens(), none, 10)
      want = positions.with_random_start(key, place, 9)
      np.testing.assert_array_equal(drawn, want)
    else:
      assert drawn is None


def test_turning_rotates_pairs_by_their_own_angle(x64):
  """Against complex numbers; lengths stay, position 0 stays."""
  rng = np.random.default_rng(0)
  x = rng.normal(size=(2, 3, 4, 6))
  position = rng.integers(0, 50, (2, 4))
  got = positions.turned(jnp.asarray(x), jnp.asarray(position))
  for b, h, t in np.ndindex(2, 3, 4):
    want = gpt_oracle.turn(x[b, h, t], position[b, t])
    np.testing.assert_allclose(got[b, h, t], want, atol=1e-12)


if __name__ == "__main__":
  sys.exit(pytest.main([__file__]))
