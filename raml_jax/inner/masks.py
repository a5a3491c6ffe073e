"""What moves in an inner loop: parameters chosen by their path.

A path is "layer_0/kernel": keys, attributes and indices joined by "/". ANIL
(Raghu et al. 2020) is a mask that matches the head alone.
"""

from __future__ import annotations

import re

import jax

from raml_jax import base


def paths(params: base.PyTree) -> list[str]:
  """The path of every leaf, in order."""
  leaves = jax.tree_util.tree_leaves_with_path(params)
  return [
    jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in leaves
  ]


def matching(params: base.PyTree, pattern: str) -> base.PyTree:
  """True where the path of a leaf contains a match of `pattern`.

  Args:
    params: any pytree.
    pattern: a regular expression; "^(?!head)" is everything but the head.

  Returns:
    A pytree of bools like params.

  Raises:
    ValueError: the pattern is no regular expression, or matches nothing.
  """
  try:
    found = [re.search(pattern, path) is not None for path in paths(params)]
  except re.error as error:
    raise ValueError(
      f"moves = {pattern!r}: no regular expression: {error}"
    ) from error
  if not any(found):
    raise ValueError(
      f"moves = {pattern!r}: matches none of the parameters"
      f" {', '.join(paths(params))}"
    )
  return jax.tree.unflatten(jax.tree.structure(params), found)


def split(
  params: base.PyTree, mask: base.PyTree
) -> tuple[base.PyTree, base.PyTree]:
  """(moving, still): like params, with None where the leaf is in the other."""
  return (
    jax.tree.map(lambda p, m: p if m else None, params, mask),
    jax.tree.map(lambda p, m: None if m else p, params, mask),
  )


def merge(moving: base.PyTree, still: base.PyTree) -> base.PyTree:
  """The params that were split."""
  return jax.tree.map(
    lambda m, s: s if m is None else m, moving, still, is_leaf=_is_none
  )


def _is_none(leaf) -> bool:
  return leaf is None
