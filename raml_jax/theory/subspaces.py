"""The directions in which two updates of a matrix move it.

An update of low rank moves outputs within its row space, and reads inputs
within its column space. Principal angles tell how two such spaces lie to each
other whatever the sizes of the updates (Bjorck, Golub 1973).
"""

from __future__ import annotations

import jax.numpy as jnp

from raml_jax import base
from raml_jax.theory import lapack
from raml_jax.theory.implicit import duals

_EXACT = "highest"


def leading(matrix_IxJ: base.Array, rank: int) -> tuple[base.Array, base.Array]:
  """The `rank` strongest (left_KxI, right_KxJ), orthonormal rows."""
  left_IxK, _, right_KxJ = lapack.svd(matrix_IxJ)
  return left_IxK.T[:rank], right_KxJ[:rank]


def cosines(one_KxI: base.Array, two_KxI: base.Array) -> base.Array:
  """Cosines of the principal angles of two row spaces, descending: [K].

  Rows need not be orthonormal; dependent ones count as none, and give 0.
  """
  one_KxI, two_KxI = map(duals.orthonormal, (one_KxI, two_KxI))
  cross_KxK = jnp.matmul(one_KxI, two_KxI.T, precision=_EXACT)
  return lapack.singular_values(cross_KxK).clip(0.0, 1.0)
