"""Characters as tokens: one vocabulary for every arithmetic task.

    encode("12+9=21|") -> [4, 5, 40, 12, ...]      decode(...) -> "12+9=21|"

Index 0 is padding and no character; it is never encoded and never decoded.
Three characters are signs of this project and occur in no published text:

    |   END: the example is over; published data have a newline there
    ?   WAIT: what was just written is taken back (a reflection token)
    _   FILLER: a token that says nothing
"""

from __future__ import annotations

import enum

import numpy as np

END = "|"
WAIT = "?"
FILLER = "_"
# Digits of every base up to 36, in order: `FIRST_DIGIT + d` is digit d.
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
CHARACTERS = f"{END}\n {DIGITS}ABCDEINT+-*%=()[]<>/,.:{WAIT}{FILLER}$"
PAD = 0
SIZE = 1 + len(CHARACTERS)
_INDEX = {character: 1 + i for i, character in enumerate(CHARACTERS)}
FIRST_DIGIT = _INDEX["0"]


class Role(enum.IntEnum):
  """What a token is for."""

  PAD = 0
  QUESTION = 1  # All that is given: the prompt.
  STEP = 2
  REFLECTION = 3
  DELIMITER = 4  # Opens or closes the reasoning, or ends the example.
  ANSWER = 5


def encode(text: str) -> np.ndarray:
  """Tokens of a text: tokens_L, int32.

  Raises:
    ValueError: a character outside the vocabulary.
  """
  try:
    return np.array([_INDEX[character] for character in text], np.int32)
  except KeyError as error:
    where = text.index(error.args[0])
    raise ValueError(
      f"text[{where}] = {error.args[0]!r}: not in the vocabulary, which is"
      f" {CHARACTERS!r}"
    ) from None


def decode(tokens_L: np.ndarray) -> str:
  """The text of tokens, without padding.

  Raises:
    ValueError: a token outside the vocabulary.
  """
  tokens_L = np.asarray(tokens_L)
  wrong = (tokens_L < 0) | (tokens_L >= SIZE)
  if wrong.any():
    where = int(np.argmax(wrong))
    raise ValueError(
      f"tokens[{where}] = {tokens_L[where]}: must be 0 to {SIZE - 1}"
    )
  return "".join(CHARACTERS[token - 1] for token in tokens_L if token != PAD)


def pad(values_T: np.ndarray, length: int) -> np.ndarray:
  """The values and then zeros, `length` in all.

  Raises:
    ValueError: there are more values than that.
  """
  if len(values_T) > length:
    raise ValueError(
      f"length = {length}: must be at least the {len(values_T)} tokens to hold"
    )
  return np.pad(values_T, (0, length - len(values_T)))
