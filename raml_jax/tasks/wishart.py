"""Wishart matrices by Bartlett's decomposition (Bartlett 1933).

X X^T for a p x n standard normal X is A A^T with A lower triangular,
A_ij ~ N(0, 1) below the diagonal and A_ii^2 ~ chi^2(n - i), i = 0..p-1, all
independent: about p (p + 1) / 2 numbers instead of p n.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from numpy.polynomial import chebyshev
from scipy import special

from raml_jax import base

# Below this many degrees of freedom a chi variate is the norm of so many
# normals; from it on, a polynomial in one normal. The polynomial is fitted
# between +-_REACH, beyond every float32 normal that `jax.random` can return
# (5.42); a float64 normal lies outside with probability 2e-8, and is clipped.
_POLYNOMIAL_FROM = 8
_DEGREE = 16
_REACH = 5.6


def factor(key: base.Array, batch: int, p: int, n: int) -> base.Array:
  """Draws A_BxPxR, R = min(p, n), with A A^T ~ Wishart_p(I, n).

  For n < p, A is the lower trapezoidal factor of the singular matrix. Time and
  memory do not grow with n.
  """
  r = min(p, n)
  rows, cols = np.tril_indices(p, k=-1, m=r)
  dof = tuple(n - i for i in range(r))
  size = len(rows) + sum(map(normals_per_chi, dof))
  # One flat draw, because small trailing axes make generation several times
  # slower; the batch last, because then all work is on long rows.
  normal_IxB = jax.random.normal(key, (size * batch,)).reshape(size, batch)
  a_PxRxB = jnp.zeros((p, r, batch), normal_IxB.dtype)
  a_PxRxB = a_PxRxB.at[rows, cols].set(normal_IxB[: len(rows)])
  chi_RxB = chi(normal_IxB[len(rows) :], dof)
  a_PxRxB = a_PxRxB.at[np.arange(r), np.arange(r)].set(chi_RxB)
  return jnp.moveaxis(a_PxRxB, -1, 0)


def normals_per_chi(dof: int) -> int:
  """How many standard normals `chi` turns into one variate."""
  return dof if dof < _POLYNOMIAL_FROM else 1


def chi(normal_IxB: base.Array, dof: tuple[int, ...]) -> base.Array:
  """Chi variates chi_RxB, with dof[r] >= 1 degrees of freedom in row r.

  F^-1(Phi(z)), F the distribution of chi: inversion, as `jax.random.normal`
  itself is, with F^-1(Phi(.)) to float32 accuracy. No rejection, no loop, and
  no more numbers for a larger dof. The few dof for which that function bends
  too sharply are norms of normals instead.

  Args:
    normal_IxB: standard normals, I = sum of `normals_per_chi`.
    dof: degrees of freedom, the larger ones first.
  """
  large = sum(k >= _POLYNOMIAL_FROM for k in dof)
  rows = [_quantile(normal_IxB[:large], dof[:large])]
  first = large
  for k in dof[large:]:
    some_KxB = normal_IxB[first : first + k]
    rows.append(jnp.linalg.norm(some_KxB, axis=0, keepdims=True))
    first += k
  return jnp.concatenate(rows)


def _quantile(z_RxB: base.Array, dof: tuple[int, ...]) -> base.Array:
  t_RxB = jnp.clip(z_RxB / _REACH, -1.0, 1.0)
  out_RxB = jnp.zeros_like(z_RxB)
  for power_R in _coefficients(dof).astype(z_RxB.dtype)[::-1]:
    out_RxB = out_RxB * t_RxB + power_R[:, None]
  return out_RxB


@functools.cache
def _coefficients(dof: tuple[int, ...]) -> np.ndarray:
  """Powers of z / _REACH, lowest first, that give F^-1(Phi(z)): [G, R]."""
  t_P = chebyshev.chebpts1(4 * _DEGREE)
  z_P = _REACH * t_P
  # Each tail by its own inverse, or small probabilities would be rounded away.
  below_PxR, above_PxR = (
    inverse(np.array(dof) / 2, special.ndtr(-np.abs(z_P))[:, None])
    for inverse in (special.gammaincinv, special.gammainccinv)
  )
  chi_PxR = np.sqrt(2 * np.where(z_P[:, None] < 0, below_PxR, above_PxR))
  fits = [chebyshev.chebfit(t_P, column, _DEGREE) for column in chi_PxR.T]
  powers = [np.asarray(chebyshev.cheb2poly(fit)) for fit in fits]
  return np.array(powers).reshape(-1, _DEGREE + 1).T
