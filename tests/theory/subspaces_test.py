"""Principal angles, beside SciPy's."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import linalg

from raml_jax.theory import subspaces


def _draw(*shape, seed=0):
  return np.random.default_rng(seed).normal(size=shape)


def test_cosines_are_those_of_the_principal_angles(x64):
  one, two = _draw(3, 9), _draw(3, 9, seed=1)
  expected = np.cos(linalg.subspace_angles(one.T, two.T))[::-1]
  got = subspaces.cosines(jnp.asarray(one), jnp.asarray(two))
  np.testing.assert_allclose(got, expected, rtol=1e-10)


def test_a_space_is_at_angle_zero_to_itself_and_right_to_its_complement(x64):
  basis = jnp.asarray(np.linalg.qr(_draw(6, 6))[0])
  mixed = jnp.asarray(_draw(2, 2)) @ basis[:2]
  np.testing.assert_allclose(subspaces.cosines(basis[:2], mixed), 1.0)
  np.testing.assert_allclose(
    subspaces.cosines(basis[:2], basis[2:4]), 0.0, atol=1e-12
  )


def test_rows_that_are_none_count_as_right_angles(x64):
  one = jnp.asarray(_draw(3, 6)).at[2].set(0.0)
  got = subspaces.cosines(one, one)
  np.testing.assert_allclose(got, [1.0, 1.0, 0.0], atol=1e-12)


def test_leading_directions_span_what_is_largest(x64):
  left, right = np.linalg.qr(_draw(5, 5))[0], np.linalg.qr(_draw(7, 7))[0]
  sizes = np.array([9.0, 4.0, 1.0, 0.5, 0.1])
  matrix = jnp.asarray(left * sizes @ right[:5])
  rows = subspaces.leading(matrix, 2)
  for got, expected in zip(rows, (left.T[:2], right[:2])):
    np.testing.assert_allclose(
      subspaces.cosines(got, jnp.asarray(expected)), 1.0
    )


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
