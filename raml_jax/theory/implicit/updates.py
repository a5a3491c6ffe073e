"""Low-rank changes of a block's matrices.

A path is a tuple with one `Update` per block, every leaf with a leading axis P:
entry p leads from theta to theta'_p. What does not move is None.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from raml_jax import base
from raml_jax.models import matrices


class Factors(NamedTuple):
  """A matrix of low rank: left_IxK times right_KxJ."""

  left_IxK: base.Array
  right_KxJ: base.Array


class Update(NamedTuple):
  """Changes of one block's matrices; letters as in `models.matrices`.

  Attributes:
    w_1: C x M.
    w_2: M x C.
    b_2_C: as it is.
    w_v: C x A for every head, so both factors have a leading axis H.
  """

  w_1: Factors | None = None
  w_2: Factors | None = None
  b_2_C: base.Array | None = None
  w_v: Factors | None = None


Path = tuple[Update, ...]


def dense(update: Update) -> matrices.Matrices:
  """The changes in full, None where there is none."""
  changes = dict.fromkeys(matrices.Matrices._fields)
  w_v = _product(update.w_v)
  changes |= {
    "w_1_CxM": _product(update.w_1),
    "w_2_MxC": _product(update.w_2),
    "b_2_C": update.b_2_C,
    "w_v_CxHxA": None if w_v is None else jnp.swapaxes(w_v, -3, -2),
  }
  return matrices.Matrices(**changes)


def moved(params: base.PyTree, path: Path) -> base.PyTree:
  """The params after the updates of the first `len(path)` blocks.

  Args:
    params: theta.
    path: without its leading axis.
  """
  blocks = matrices.blocks(params)
  for l, (block, update) in enumerate(zip(blocks, path)):
    change = dense(update)
    block = matrices.Matrices(
      *(w if d is None else w + d for w, d in zip(block, change))
    )
    params = matrices.with_block(params, l, block)
  return params


def at(params: base.PyTree, path: Path, p) -> base.PyTree:
  """theta'_p in full."""
  return moved(params, jax.tree.map(lambda leaf: leaf[p], path))


def along(
  function: Callable[[base.PyTree], base.PyTree],
  params: base.PyTree,
  path: Path,
) -> base.PyTree:
  """`function(theta'_p)` for every p, stacked."""
  return jax.vmap(lambda one: function(moved(params, one)))(path)


def increments(path: Path) -> Path:
  """dM_p = theta'_p - theta'_{p-1} for p = 1..P-1, of twice the rank.

  Where a padded trajectory is over, they are rounding errors and no updates:
  leave them out.
  """

  def factors(f):
    return Factors(
      jnp.concatenate([f.left_IxK[1:], f.left_IxK[:-1]], axis=-1),
      jnp.concatenate([f.right_KxJ[1:], -f.right_KxJ[:-1]], axis=-2),
    )

  def one(leaf):
    return (
      factors(leaf) if isinstance(leaf, Factors) else jnp.diff(leaf, axis=0)
    )

  return jax.tree.map(one, path, is_leaf=lambda x: isinstance(x, Factors))


def _product(factors):
  if factors is None:
    return None
  left, right = factors
  return jnp.matmul(left, right, precision=jax.lax.Precision.HIGHEST)
