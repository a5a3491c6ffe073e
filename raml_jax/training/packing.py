"""Rows of tokens from examples of unequal length, with little padding.

One example a row wastes what the longest is longer than the others. Several a
row waste little: sorted by length and dealt out back and forth, as cards are,
so that all rows are about equally long. Examples of a row do not see each
other, and each counts its positions from its own start.
"""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from raml_jax import base
from raml_jax.tasks import vocab
from raml_jax.tasks.arithmetic.families import family as family_lib

# Packing is sought that pads less than this. The promise is a tenth.
_PADDING = 0.09
_DROPPED = 0.01  # The share of examples that may find no room.
_EXAMPLES = (1, 2, 4, 8)
# Enough batches to know how long the longest rows of one in a hundred are.
_PROBED = 8192


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Rows:
  """What a decoder is trained on.

  Attributes:
    tokens_BxT: indices into the vocabulary.
    role_BxT: `vocab.Role` of each.
    segment_BxT: which example of its row a token belongs to, from 0; None
      where every token may see all before it.
  """

  tokens_BxT: base.Array
  role_BxT: base.Array
  segment_BxT: base.Array | None = None

  def visible(self) -> base.Array | None:
    """Which keys a query may see, causality apart: visible_BxTxT or None."""
    if self.segment_BxT is None:
      return None
    return self.segment_BxT[:, :, None] == self.segment_BxT[:, None]

  def positions(self) -> base.Array | None:
    """Counted from the start of each example, or None."""
    if self.segment_BxT is None:
      return None
    t_1xT = jnp.arange(self.tokens_BxT.shape[1])[None]
    new_BxT = jnp.diff(self.segment_BxT, axis=1, prepend=0) > 0
    return t_1xT - jax.lax.cummax(jnp.where(new_BxT, t_1xT, 0), axis=1)


@dataclasses.dataclass(frozen=True)
class Packing:
  """How examples are put into rows.

  Attributes:
    examples: per row, a divisor of the batch.
    width: tokens per row.
  """

  examples: int
  width: int

  def rows(self, written_B: base.Trajectory) -> Rows:
    """Rows of a batch of examples, B / `examples` of them.

    An example that finds no room in its row is left out; none is cut. NumPy
    arrays are packed on the host, the same way.
    """
    tokens_BxL, role_BxL = written_B.tokens_L, written_B.role_L
    if self.examples == 1:
      return Rows(tokens_BxL, role_BxL)
    xp = np if isinstance(tokens_BxL, np.ndarray) else jnp
    length_B = (tokens_BxL != vocab.PAD).sum(1)
    order_B = xp.argsort(-length_B, stable=True)
    order_RxE = _dealt(order_B, self.examples)
    length_RxE = length_B[order_RxE]
    end_RxE = xp.cumsum(length_RxE, axis=1)
    start_RxE = end_RxE - length_RxE
    t_1xT = xp.arange(self.width)[None]
    segment_RxT = (t_1xT[..., None] >= end_RxE[:, None, :-1]).sum(2)
    take = functools.partial(xp.take_along_axis, axis=1)
    fits_RxT = take(end_RxE, segment_RxT) <= self.width
    at_RxT = t_1xT - take(start_RxE, segment_RxT)
    here_RxT = fits_RxT & (at_RxT < take(length_RxE, segment_RxT))
    from_RxT = take(order_RxE, segment_RxT)
    # Of no interest where nothing is, but within bounds.
    at_RxT = xp.where(here_RxT, at_RxT, 0)
    tokens_RxT, role_RxT = (
      xp.where(here_RxT, values[from_RxT, at_RxT], 0)
      for values in (tokens_BxL, role_BxL)
    )
    return Rows(tokens_RxT, role_RxT, segment_RxT)


def packing(family: family_lib.Family, batch: int, parts: int = 1) -> Packing:
  """The packing of batches of a family, judged on a fixed draw of it.

  Args:
    family: of questions.
    batch: examples.
    parts: see `fitting`.
  """
  drawn = family.sample(jax.random.key(0), batch * -(-_PROBED // batch))
  length_N = (np.asarray(drawn.tokens_L) != vocab.PAD).sum(1)
  return fitting(length_N, family.context, batch, parts)


def fitting(
  length_N: np.ndarray, longest: int, batch: int, parts: int = 1
) -> Packing:
  """As few examples a row as pad little.

  Args:
    length_N: tokens of examples as they come, a batch of them or more.
    longest: tokens that an example may have.
    batch: examples.
    parts: that rows must be divisible into, a divisor of `batch`: devices times
      microbatches.
  """
  length_PxB = length_N[: len(length_N) // batch * batch].reshape(-1, batch)
  found = []
  for examples in _EXAMPLES:
    if batch % (examples * parts):
      continue
    if examples == 1:
      width, kept = longest, length_PxB.sum()
    else:
      order_B = np.arange(batch)
      sorted_PxB = -np.sort(-length_PxB)
      dealt_PxRxE = sorted_PxB[:, _dealt(order_B, examples)]
      end_PxRxE = dealt_PxRxE.cumsum(axis=2)
      # Where a row is too long it is its last example that finds no room.
      share = 1 - _DROPPED * examples
      last_PxR = end_PxRxE[..., -1]
      width = int(np.quantile(last_PxR, share, method="higher"))
      kept = dealt_PxRxE[end_PxRxE <= width].sum()
    rows = length_PxB.size // examples
    found.append((1 - kept / (rows * width), Packing(examples, width)))
    if found[-1][0] <= _PADDING:
      return found[-1][1]
  return min(found, key=lambda one: one[0])[1]


def _dealt(order_B, examples: int):
  """Which examples make up a row: order_RxE, dealt out back and forth."""
  deal_ExR = order_B.reshape(examples, -1)
  turned = [
    deal_ExR[e] if e % 2 == 0 else deal_ExR[e][::-1] for e in range(examples)
  ]
  stack = jnp.stack if isinstance(order_B, jax.Array) else np.stack
  return stack(turned, axis=1)
