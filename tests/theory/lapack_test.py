"""Decompositions of batches are NumPy's, and do not wait for each other."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raml_jax.theory import lapack
from raml_jax.training import threads

SIDE_BY_SIDE = 2


def _matrices(*shape):
  return np.random.default_rng(0).standard_normal(shape)


def test_a_batch_is_decomposed_as_each_of_its_matrices(x64):
  matrix_BxIxJ = _matrices(2, 5, 3)
  batched = jax.jit(jax.vmap(lapack.svd))(matrix_BxIxJ)
  batched = jax.tree.map(np.asarray, batched)
  for matrix_IxJ, left, size, right in zip(matrix_BxIxJ, *batched):
    wanted = np.linalg.svd(matrix_IxJ, compute_uv=False)
    np.testing.assert_allclose(size, wanted, rtol=1e-12)
    np.testing.assert_allclose(left * size @ right, matrix_IxJ, atol=1e-12)
  np.testing.assert_allclose(
    jax.jit(jax.vmap(lapack.singular_values))(matrix_BxIxJ), batched[1]
  )
  np.testing.assert_allclose(
    jax.jit(jax.vmap(lapack.pinv))(matrix_BxIxJ),
    np.linalg.pinv(matrix_BxIxJ),
    atol=1e-12,
  )


def _decompose(matrix_BxIxJ):
  def step(matrix_BxIxJ, _):
    left, size, right = jax.vmap(lapack.svd)(matrix_BxIxJ)
    return left * size[:, None] @ right, None

  return jax.lax.scan(step, matrix_BxIxJ, length=60)[0]


def test_programs_side_by_side_come_to_their_end():
  # With `jnp.linalg.svd` in its place this waits forever.
  done = subprocess.run([sys.executable, __file__, "run"], timeout=100)
  assert done.returncode == 0


if __name__ == "__main__":
  if sys.argv[1:] == ["run"]:
    run = jax.jit(_decompose)
    matrices = jnp.asarray(_matrices(64, 48, 32), jnp.float32)
    threads.workers = lambda: SIDE_BY_SIDE
    threads.call([lambda: run(matrices)] * 16)
    raise SystemExit(0)
  raise SystemExit(pytest.main([__file__]))
