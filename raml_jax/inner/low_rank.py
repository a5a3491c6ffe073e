"""Low-rank deltas: W + A B in place of W (LoRA, Hu et al. 2022).

The extended params are {"base": params, "delta": {path: {"A", "B"}}}. A learner
with `moves="^delta/"` and the loss `lambda p, data: loss(merge(p), data)` takes
its inner steps in A and B alone, while the outer loop learns all of it.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from raml_jax import base
from raml_jax.inner import masks


def init(
  key: base.Array, params: base.PyTree, pattern: str, rank: int
) -> base.PyTree:
  """Adds a delta, zero at first, to every matrix that `pattern` matches.

  A leaf of more than two axes, such as (width, heads, head width), is a matrix
  with its axes cut in two where the two sides are closest in size.

  Args:
    key: for A, whose entries are N(0, 1 / rows); B is zero.
    params: any pytree.
    pattern: see `masks.matching`; leaves with fewer than two axes are left out.
    rank: of A B, at least 1.

  Raises:
    ValueError: the rank is below 1, or no matrix matches.
  """
  if rank < 1:
    raise ValueError(f"low rank: rank = {rank}: must be at least 1")
  chosen = jax.tree.leaves(masks.matching(params, pattern))
  delta = {}
  for path, leaf, is_chosen in zip(
    masks.paths(params), jax.tree.leaves(params), chosen, strict=True
  ):
    if is_chosen and leaf.ndim >= 2:
      rows, columns = _matrix(leaf.shape)
      key, key_a = jax.random.split(key)
      a_IxR = jax.random.normal(key_a, (rows, rank), leaf.dtype)
      delta[path] = {
        "A": a_IxR / math.sqrt(rows),
        "B": jnp.zeros((rank, columns), leaf.dtype),
      }
  if not delta:
    raise ValueError(f"low rank: {pattern!r} matches no matrix")
  return {"base": params, "delta": delta}


def merge(params: base.PyTree) -> base.PyTree:
  """The params of the model itself, deltas added."""
  delta = params["delta"]
  leaves, treedef = jax.tree.flatten(params["base"])
  merged = [
    leaf + (delta[path]["A"] @ delta[path]["B"]).reshape(leaf.shape)
    if path in delta
    else leaf
    for path, leaf in zip(masks.paths(params["base"]), leaves, strict=True)
  ]
  return jax.tree.unflatten(treedef, merged)


def _matrix(shape: tuple[int, ...]) -> tuple[int, int]:
  sizes = [
    (math.prod(shape[:i]), math.prod(shape[i:])) for i in range(1, len(shape))
  ]
  return min(sizes, key=sum)
