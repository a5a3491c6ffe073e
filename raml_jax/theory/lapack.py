"""Decompositions that may run in several programs at once.

Given a batch, jaxlib's CPU kernels share it among the threads that XLA computes
on, and wait for them on one of these threads: as many such kernels at a time as
there are threads wait for each other forever. One matrix at a time is computed
where it is. So a batch is gone through matrix by matrix here, whatever `vmap`
makes of it.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from raml_jax import base


@jax.custom_batching.sequential_vmap
def pinv(matrix_IxJ: base.Array) -> base.Array:
  """The pseudo-inverse: JxI."""
  return jnp.linalg.pinv(matrix_IxJ)


@jax.custom_batching.sequential_vmap
def svd(
  matrix_IxJ: base.Array,
) -> tuple[base.Array, base.Array, base.Array]:
  """(left_IxK, size_K, right_KxJ), K the lesser of I and J."""
  return tuple(jnp.linalg.svd(matrix_IxJ, full_matrices=False))


@jax.custom_batching.sequential_vmap
def singular_values(matrix_IxJ: base.Array) -> base.Array:
  """Descending: [K]."""
  return jnp.linalg.svd(matrix_IxJ, compute_uv=False)
