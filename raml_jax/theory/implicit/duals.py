"""The vectors that a constrained update is made of.

A change dW of a matrix that acts from the right shall send each row z_r of Z_a
to y_r and each row of Z_q to 0. The smallest such change is dW = G Y, with
columns g_r of G that are dual to the rows: z_s . g_r = 1 if s = r, else 0, and
0 for all of Z_q. With one row and no Z_q, g = z / |z|^2; with one row,
g = r / (r . z), r the part of z that is orthogonal to Z_q.

Gram-Schmidt, twice over ("twice is enough": Giraud, Langou, Rozloznik 2005),
and no decomposition of LAPACK's: these are computed in batches of thousands.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from raml_jax import base
from raml_jax.theory import lapack

_EXACT = jax.lax.Precision.HIGHEST


def dual(z_RxC: base.Array, other_QxC: base.Array | None = None) -> base.Array:
  """G_CxR. Rows of zeros stand for none, and get columns of zeros.

  There is such a G while the rows are independent, so fewer than C as a rule.
  Where there may be C rows or more, it is the least-squares solution instead:
  columns of the pseudo-inverse, for which Z G is not the identity.

  Args:
    z_RxC: rows with a target.
    other_QxC: rows that are sent to 0.
  """
  if other_QxC is None:
    other_QxC = z_RxC[:0]
  rows_NxC = jnp.concatenate([other_QxC, z_RxC])
  if rows_NxC.shape[0] >= rows_NxC.shape[1]:
    return lapack.pinv(rows_NxC)[:, len(other_QxC) :]
  basis_RxC = orthonormal(rows_NxC)[len(other_QxC) :]
  # Z_a B^T is lower triangular, and G = B^T (Z_a B^T)^-1.
  lower_RxR = jnp.matmul(z_RxC, basis_RxC.T, precision=_EXACT)
  inverse = []
  for r, unit_R in enumerate(jnp.eye(len(z_RxC), dtype=z_RxC.dtype)):
    left_R = unit_R - sum(
      lower_RxR[r, s] * row for s, row in enumerate(inverse)
    )
    inverse.append(left_R * _inverse(lower_RxR[r, r]))
  return jnp.matmul(basis_RxC.T, jnp.stack(inverse), precision=_EXACT)


def orthonormal(rows_NxC: base.Array) -> base.Array:
  """An orthonormal basis of the rows, in their order: basis_NxC.

  A row that depends on those before it, to rounding, gives zeros.
  """
  tolerance = 8 * rows_NxC.shape[1] ** 0.5 * jnp.finfo(rows_NxC.dtype).eps

  def add(basis_NxC, n):
    row_C = rest_C = rows_NxC[n]
    for _ in range(2):
      share_N = jnp.matmul(basis_NxC, rest_C, precision=_EXACT)
      rest_C = rest_C - jnp.matmul(share_N, basis_NxC, precision=_EXACT)
    size = jnp.linalg.norm(rest_C)
    small = size <= tolerance * jnp.linalg.norm(row_C)
    unit_C = rest_C * _inverse(jnp.where(small, 0.0, size))
    return basis_NxC.at[n].set(unit_C), None

  blank = jnp.zeros_like(rows_NxC)
  return jax.lax.scan(add, blank, jnp.arange(len(rows_NxC)))[0]


def _inverse(x):
  return jnp.where(x == 0, 0.0, 1.0 / jnp.where(x == 0, 1.0, x))
