"""Dual vectors against NumPy's least squares."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raml_jax.theory.implicit import duals
from tests.models import gpt_oracle

C = 12
dual = gpt_oracle.quick(duals.dual)


def rows(count, seed=0):
  return np.random.default_rng(seed).normal(size=(count, C))


@pytest.mark.parametrize("reads, others", [(1, 7), (3, 8)])
def test_columns_are_those_of_the_pseudo_inverse(x64, reads, others):
  """The smallest change that moves some rows as told and no other."""
  z = rows(reads + others)
  got = dual(jnp.asarray(z[others:]), jnp.asarray(z[:others]))
  np.testing.assert_allclose(got, np.linalg.pinv(z)[:, others:], atol=1e-12)
  np.testing.assert_allclose(z @ got, np.eye(len(z))[:, others:], atol=1e-12)


def test_one_row_gives_the_closed_forms(x64):
  z, other = rows(1)[0], rows(5, 1)
  got = dual(jnp.asarray(z)[None])[:, 0]
  np.testing.assert_allclose(got, z / (z @ z), atol=1e-14)
  r = z - np.linalg.lstsq(other.T, z, rcond=None)[0] @ other
  got = dual(jnp.asarray(z)[None], jnp.asarray(other))[:, 0]
  np.testing.assert_allclose(got, r / (r @ z), atol=1e-13)


def test_absent_rows_change_nothing(x64):
  """Zeros stand for none, and repeated rows count once."""
  z, other = rows(2), rows(4, 1)
  want = np.linalg.pinv(np.concatenate([other, z]))[:, 4:]
  padded_z = np.concatenate([z, np.zeros((1, C))])
  padded = np.concatenate([other[:2], np.zeros((1, C)), other[2:], other[:1]])
  got = np.asarray(dual(jnp.asarray(padded_z), jnp.asarray(padded)))
  np.testing.assert_allclose(got[:, :2], want, atol=1e-12)
  assert not got[:, 2].any()


def test_as_many_rows_as_the_width_get_least_squares(x64):
  """In batches too."""
  z = np.stack([rows(15, seed) for seed in range(3)])
  got = jax.jit(jax.vmap(duals.dual))(jnp.asarray(z[:, 13:]), z[:, :13])
  want = np.linalg.pinv(z)[:, :, 13:]
  np.testing.assert_allclose(got, want, atol=1e-12)


def test_float32_keeps_the_others_out_of_it():
  """Nearly dependent rows, of which classical Gram-Schmidt loses track."""
  base = rows(1)[0]
  other = jnp.asarray(base + 1e-3 * rows(7, 1), jnp.float32)
  z = jnp.asarray(rows(1, 2), jnp.float32)
  got = np.asarray(dual(z, other)[:, 0])
  assert np.abs(np.asarray(other) @ got).max() < 2e-6 * np.linalg.norm(got)
  assert float(z[0] @ got) == pytest.approx(1.0, abs=1e-5)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
