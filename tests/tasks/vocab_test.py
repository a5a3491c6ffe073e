"""Characters and tokens are one to one, and nothing else has a token."""

import numpy as np
import pytest

from raml_jax.tasks import vocab


def test_every_character_comes_back_and_padding_does_not():
  tokens = vocab.encode(vocab.CHARACTERS)
  assert sorted(tokens) == list(range(1, vocab.SIZE))
  padded = vocab.pad(tokens, vocab.SIZE + 5)
  assert padded.shape == (vocab.SIZE + 5,)
  assert vocab.decode(padded) == vocab.CHARACTERS
  np.testing.assert_array_equal(vocab.encode(vocab.decode(tokens)), tokens)


def test_digits_follow_each_other_from_the_first():
  tokens = vocab.encode(vocab.DIGITS)
  np.testing.assert_array_equal(tokens - vocab.FIRST_DIGIT, np.arange(36))


def test_other_characters_are_one_clear_line():
  with pytest.raises(ValueError, match=r"^text\[2\] = '&': not in .*$"):
    vocab.encode("12&3")


@pytest.mark.parametrize("token", [-1, vocab.SIZE])
def test_other_tokens_are_one_clear_line(token):
  with pytest.raises(ValueError, match=rf"^tokens\[1\] = {token}: must be 0"):
    vocab.decode(np.array([3, token]))


def test_too_little_room_is_one_clear_line():
  with pytest.raises(ValueError, match="^length = 3: must be at least the 4"):
    vocab.pad(np.ones(4), 3)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
