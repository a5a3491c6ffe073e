"""Which questions are for training and which are held out: a fixed rule.

    h       = the finalizer of MurmurHash3, on 32-bit words
    bucket  = h(h(v_1 + 1) + h(v_2 + 1) + ...), v_i the numbers of the question
    train   = the lower 80 % of the buckets, then 10 % validation, 10 % test

So a question cannot be in two splits, whatever is drawn, in whatever order, on
the host or on the device. Questions with the same numbers share a bucket:
12+9 is held out with 9+12 and with 12-9.
"""

from __future__ import annotations

from collections.abc import Iterable

import jax.numpy as jnp

from raml_jax import base

SPLITS = ("train", "validation", "test", "all")
# The first bucket of validation, and of test.
_EDGES = (int(0.8 * 2**32), int(0.9 * 2**32))
_WORD = 2**32 - 1
_FACTORS = (0x85EBCA6B, 0xC2B2AE35)


def check_split(split: str) -> None:
  """Raises ValueError if there is no such split."""
  if split not in SPLITS:
    raise ValueError(f"split = {split!r}: must be one of {', '.join(SPLITS)}")


def contains(split: str, numbers: Iterable[int]) -> bool:
  """Whether a question with these numbers belongs to a split."""
  low, high = _range(split)
  return low <= bucket(numbers) < high


def bucket(numbers: Iterable[int]) -> int:
  """The bucket of a question, 0 to 2^32 - 1."""
  return _mix(sum(_mix((v + 1) & _WORD) for v in numbers) & _WORD)


def contains_on_device(split: str, values_KxB: base.Array) -> base.Array:
  """`contains` for B questions at once.

  Args:
    split: one of SPLITS.
    values_KxB: their K numbers modulo 2^32, as uint32. Where a question has
      fewer, 2^32 - 1 stands for none: h(0) = 0.

  Returns:
    inside_B.
  """
  low, high = _range(split)
  mixed_KxB = _mix_on_device(values_KxB + jnp.uint32(1))
  bucket_B = _mix_on_device(jnp.sum(mixed_KxB, axis=0, dtype=jnp.uint32))
  return (bucket_B >= jnp.uint32(low)) & (bucket_B <= jnp.uint32(high - 1))


def _range(split: str) -> tuple[int, int]:
  check_split(split)
  if split == "all":
    return 0, _WORD + 1
  edges = (0, *_EDGES, _WORD + 1)
  at = SPLITS.index(split)
  return edges[at], edges[at + 1]


def _mix(word: int) -> int:
  for shift, factor in zip((16, 13), _FACTORS):
    word = (word ^ (word >> shift)) * factor & _WORD
  return word ^ (word >> 16)


def _mix_on_device(word: base.Array) -> base.Array:
  for shift, factor in zip((16, 13), _FACTORS):
    word = (word ^ (word >> shift)) * jnp.uint32(factor)
  return word ^ (word >> 16)
