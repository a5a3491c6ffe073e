"""Text of varying length in arrays of fixed shape.

A text is laid out in more places than it needs: `8+7=15` has two for the sum,
and so has `1+2=3`. Every place knows its token and whether it is kept, the
places that are kept move together, and padding follows.

Axes: I lines of a block, W places of a line, J digits (the lowest first),
R places in all, B questions. Axes of size 1 are broadcast.
"""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from raml_jax import base
from raml_jax.tasks import vocab

_ROLE = 1 << 8  # A token takes 8 bits of a packed place, a role the next 4.
_STEP = 1 << 12


@dataclasses.dataclass(frozen=True)
class Part:
  """Some places next to each other, the same in every line of a block.

  Attributes:
    token_IxWxB: what stands there (NumPy where the question does not matter).
    keep_IxWxB: whether it does (likewise).
    reach_IxW: False where it never does, whatever the question (NumPy).
    spare_IxW: True where it does only in texts shorter than the longest, by
      more than the place itself (NumPy).
  """

  token_IxWxB: base.Array
  keep_IxWxB: base.Array
  reach_IxW: np.ndarray
  spare_IxW: np.ndarray


@dataclasses.dataclass(frozen=True)
class Places:
  """A block of text: token, role and step packed in one word.

  Attributes:
    packed_RxB: token + 2^8 role + 2^12 step.
    keep_RxB: whether the place is part of the text.
    longest: the most that can be kept of them.
  """

  packed_RxB: base.Array
  keep_RxB: base.Array
  longest: int


def part(token_IxWxB, keep_IxWxB=True, reach_IxW=True, spare_IxW=False) -> Part:
  """A Part from anything that broadcasts."""
  width = token_IxWxB.shape[1]
  if isinstance(keep_IxWxB, bool):
    keep_IxWxB = np.full((1, width, 1), keep_IxWxB)
  elif keep_IxWxB.shape[1] != width:
    lines, _, batch = keep_IxWxB.shape
    keep_IxWxB = jnp.broadcast_to(keep_IxWxB, (lines, width, batch))
  return Part(
    token_IxWxB,
    keep_IxWxB,
    *(_widened(flags, width) for flags in (reach_IxW, spare_IxW)),
  )


def _widened(flags, width) -> np.ndarray:
  flags = np.asarray(flags)
  flags = flags.reshape(1, 1) if not flags.ndim else flags
  return np.broadcast_to(flags, (len(flags), width))


def text(characters: str, keep_IxB=True, reach_I=True) -> Part:
  """A fixed text, as a whole or not at all."""
  token_1xWx1 = vocab.encode(characters)[None, :, None]
  keep = keep_IxB if isinstance(keep_IxB, bool) else keep_IxB[:, None, :]
  reach = np.asarray(reach_I)
  return part(token_1xWx1, keep, reach[:, None] if reach.ndim else reach)


def numeral(
  digits_IxJxB: base.Array,
  *,
  spaced: bool = False,
  low_first: bool = False,
  spare_I: np.ndarray | bool = False,
) -> Part:
  """A number without leading zeros, of J digits at most.

  Args:
    digits_IxJxB: the lowest first.
    spaced: with a space between digits.
    low_first: written backwards.
    spare_I: lines in which all digits but the lowest are spare.
  """
  count = digits_IxJxB.shape[1]
  j_J = np.arange(count)
  token_IxJxB = vocab.FIRST_DIGIT + digits_IxJxB
  if count == 1:
    return part(token_IxJxB)
  j_1xJx1 = j_J[None, :, None]
  top_Ix1xB = jnp.max(
    jnp.where(digits_IxJxB != 0, j_1xJx1, 0), axis=1, keepdims=True
  )
  keep_IxJxB = j_1xJx1 <= top_Ix1xB
  spare_IxJ = np.asarray(spare_I).reshape(-1, 1) & (j_J > 0)[None]
  order = j_J if low_first else j_J[::-1]
  if spaced:
    blank_IxJxB = jnp.full_like(token_IxJxB, vocab.encode(" ")[0])
    token_IxJxB = jnp.concatenate([token_IxJxB, blank_IxJxB], axis=1)
    keep_IxJxB = jnp.concatenate([keep_IxJxB, keep_IxJxB], axis=1)
    spare_IxJ = np.concatenate([spare_IxJ, spare_IxJ], axis=1)
    # A space stands before each digit but the highest; it is kept when the
    # digit above it is.
    before = np.stack([order + 1 + count, order], axis=1).reshape(-1)
    order = before[1:]
  return part(
    token_IxJxB[:, order], keep_IxJxB[:, order], True, spare_IxJ[:, order]
  )


def sign(negative_IxB: base.Array, spare_I: np.ndarray | bool = False) -> Part:
  """A minus, where there is one."""
  keep_Ix1xB = negative_IxB[:, None, :]
  spare_Ix1 = np.asarray(spare_I).reshape(-1, 1)
  minus = vocab.encode("-")[None, :, None]
  return part(minus, keep_Ix1xB, True, spare_Ix1)


def number(
  value_IxB: base.Array,
  width: int,
  radix: int,
  *,
  signed: bool = False,
  spare_I: np.ndarray | bool = False,
) -> list[Part]:
  """An integer of `width` digits at most.

  `spare_I` marks lines in which a sign or second digit is spare.
  """
  digits_IxJxB = digits(value_IxB, width, radix)
  parts = [numeral(digits_IxJxB, spare_I=spare_I)]
  return [sign(value_IxB < 0, spare_I), *parts] if signed else parts


def digits(value_IxB: base.Array, width: int, radix: int) -> base.Array:
  """The digits of |value|, the lowest first: digits_IxJxB."""
  rest_IxB, found = jnp.abs(value_IxB), []
  radix = jnp.asarray(radix, rest_IxB.dtype)
  for _ in range(width - 1):
    found.append(jax.lax.rem(rest_IxB, radix))
    rest_IxB = jax.lax.div(rest_IxB, radix)
  return jnp.stack([*found, rest_IxB], axis=1)


def listing(digits_JxB, low_I, high_IxB, reach_I) -> list[Part]:
  """The digits low <= j < high as `[2,1]`, the highest first.

  Args:
    digits_JxB: the lowest first.
    low_I: the first of the list in each line (NumPy).
    high_IxB: the end of it.
    reach_I: the largest value of `high` in each line (NumPy).
  """
  count = len(digits_JxB)
  j_1xJ = np.arange(count)[None, ::-1]
  comma = jnp.full_like(digits_JxB, vocab.encode(",")[0])
  token_JxB = vocab.FIRST_DIGIT + digits_JxB[::-1]
  token_1xWxB = jnp.stack([token_JxB, comma[::-1]], 1).reshape(
    1, 2 * count, digits_JxB.shape[1]
  )
  inside_IxJxB = (j_1xJ >= low_I[:, None])[:, :, None] & (
    j_1xJ[:, :, None] < high_IxB[:, None, :]
  )
  followed_IxJ = j_1xJ > low_I[:, None]
  both_IxJx2 = np.stack([np.ones_like(followed_IxJ), followed_IxJ], 2)
  keep = (inside_IxJxB[:, :, None] & both_IxJx2[..., None]).reshape(
    inside_IxJxB.shape[0], 2 * count, inside_IxJxB.shape[2]
  )
  reach_IxJ = (j_1xJ >= low_I[:, None]) & (j_1xJ < reach_I[:, None])
  reach_IxW = (reach_IxJ[:, :, None] & both_IxJx2).reshape(-1, 2 * count)
  return [text("["), part(token_1xWxB, keep, reach_IxW), text("]")]


def block(
  parts: Sequence[Part],
  role: vocab.Role,
  step_IxB: base.Array,
  keep_IxB: base.Array,
) -> Places:
  """Puts parts side by side, I lines below each other.

  Args:
    parts: of each line.
    role: of all of it.
    step_IxB: the step a line belongs to.
    keep_IxB: whether the line is written.
  """
  lines, batch = np.broadcast_shapes(step_IxB.shape, keep_IxB.shape)
  token_IxWxB = _joined([p.token_IxWxB for p in parts], lines, batch)
  kept_IxWxB = _joined([p.keep_IxWxB for p in parts], lines, batch)
  keep_IxWxB = kept_IxWxB & keep_IxB[:, None, :]
  packed_IxWxB = token_IxWxB + int(role) * _ROLE + step_IxB[:, None, :] * _STEP
  reach_R, spare_R = (
    np.concatenate(
      [np.broadcast_to(one, (lines, one.shape[1])) for one in flags], axis=1
    ).reshape(-1)
    for flags in ([p.reach_IxW for p in parts], [p.spare_IxW for p in parts])
  )
  (chosen,) = np.nonzero(reach_R)
  return Places(
    packed_IxWxB.reshape(-1, batch)[chosen],
    keep_IxWxB.reshape(-1, batch)[chosen],
    int(np.sum(reach_R & ~spare_R)),
  )


def _joined(arrays, lines, batch) -> base.Array:
  """The arrays side by side, as IxWxB.

  What is known beforehand comes as NumPy arrays and is put together here, so
  that the compiled program has few parts: a table of rows, the first of them
  zero, the row that each place shows, and what is added to it.
  """
  rows = [jnp.zeros((1, batch), arrays[0].dtype)]
  row_IxW, fixed_IxW = [], []
  count = 1
  for array in arrays:
    shape = lines, array.shape[1]
    if isinstance(array, np.ndarray):
      row_IxW.append(np.zeros(shape, np.int32))
      fixed_IxW.append(np.broadcast_to(array[..., 0], shape))
      continue
    own = array.shape[:2]
    index = count + np.arange(own[0] * own[1]).reshape(own)
    row_IxW.append(np.broadcast_to(index, shape))
    fixed_IxW.append(np.zeros(shape, array.dtype))
    flat = jnp.broadcast_to(array, (*own, batch)).reshape(-1, batch)
    rows.append(flat)
    count += len(flat)
  fixed_IxWx1 = np.concatenate(fixed_IxW, axis=1)[..., None]
  shown_IxWxB = jnp.concatenate(rows)[np.concatenate(row_IxW, axis=1)]
  return shown_IxWxB | fixed_IxWx1


def compact(blocks: Sequence[Places], length: int) -> base.Trajectory:
  """Moves the kept places together; every leaf is B x length."""
  packed_RxB = jnp.concatenate([places.packed_RxB for places in blocks])
  packed_RxB = packed_RxB.astype(jnp.int32)
  keep_RxB = jnp.concatenate([places.keep_RxB for places in blocks])
  end_RxB = jnp.cumsum(keep_RxB, axis=0, dtype=jnp.int32)
  # What is not kept is sent out of bounds, and dropped there.
  to_RxB = jnp.where(keep_RxB, end_RxB - 1, length)

  def moved(to_R, packed_R):
    return jnp.zeros(length, jnp.int32).at[to_R].set(packed_R, mode="drop")

  packed_BxL = jax.vmap(moved, in_axes=1)(to_RxB, packed_RxB)
  role_BxL = (packed_BxL & (_STEP - 1)) // _ROLE
  return base.Trajectory(
    packed_BxL & (_ROLE - 1), role_BxL, packed_BxL // _STEP
  )
