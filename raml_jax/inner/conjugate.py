"""Conjugate gradients that say how far they came (Hestenes, Stiefel 1952).

`jax.scipy.sparse.linalg.cg` returns the solution alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
from jax import flatten_util
import jax.numpy as jnp

from raml_jax import base


class Solution(NamedTuple):
  """Of A x = b.

  Attributes:
    x: like b.
    iterations: products with A that were spent.
    residual: |b - A x| / |b|, by the recurrence.
  """

  x: base.PyTree
  iterations: base.Array
  residual: base.Array


def solve(
  product: Callable[[base.PyTree], base.PyTree],
  b: base.PyTree,
  iterations: int,
  tolerance: float,
) -> Solution:
  """Solves A x = b for a symmetric A.

  Stops at the tolerance, after so many iterations, or at a direction of
  curvature that is not positive, where A is no longer positive definite and the
  best x so far is returned.

  Args:
    product: x -> A x.
    b: any pytree.
    iterations: at most.
    tolerance: on the relative residual.
  """
  b_N, unravel = flatten_util.ravel_pytree(b)
  goal = tolerance**2 * (b_N @ b_N)

  def go_on(state):
    _, _, _, square, count, stuck = state
    return (square > goal) & (count < iterations) & ~stuck

  def step(state):
    x_N, r_N, p_N, square, count, _ = state
    a_N = flatten_util.ravel_pytree(product(unravel(p_N)))[0]
    curvature = p_N @ a_N
    stuck = curvature <= 0
    size = jnp.where(stuck, 0.0, square / jnp.where(stuck, 1.0, curvature))
    x_N, r_N = x_N + size * p_N, r_N - size * a_N
    new = r_N @ r_N
    return x_N, r_N, r_N + new / square * p_N, new, count + 1, stuck

  start = (jnp.zeros_like(b_N), b_N, b_N, b_N @ b_N, 0, jnp.array(False))
  x_N, _, _, square, count, _ = jax.lax.while_loop(go_on, step, start)
  residual = jnp.sqrt(square / jnp.maximum(b_N @ b_N, 1e-30))
  return Solution(unravel(x_N), count, residual)
