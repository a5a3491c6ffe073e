"""Alignment is what geometry says, and planted updates are known as such."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raml_jax.theory import alignment


def _tree(key, count=6):
  """`count` random pytrees, stacked, with a hole that counts nowhere."""
  a, b = jax.random.split(key)
  return {
    "w": jax.random.normal(a, (count, 3, 4)),
    "b": jax.random.normal(b, (count, 5)),
    "none": None,
  }


def _flat(tree):
  return np.concatenate(
    [np.asarray(tree["w"]).reshape(len(tree["w"]), -1), tree["b"]], axis=1
  ).astype(np.float64)


def _moments(update, gradient):
  return jax.vmap(alignment.moments)(update, gradient)


@pytest.fixture
def gradient():
  return _tree(jax.random.key(0))


def test_inner_products_are_those_of_the_flat_vectors(gradient, x64):
  update = _tree(jax.random.key(1))
  found = _moments(update, gradient)
  u, s = _flat(update), -_flat(gradient)
  np.testing.assert_allclose(found.update, (u * u).sum(1), rtol=1e-6)
  np.testing.assert_allclose(found.both, (u * s).sum(1), rtol=1e-5)
  np.testing.assert_allclose(found.slope, (s * s).sum(1), rtol=1e-6)


@pytest.mark.parametrize("cosine", [1.0, 0.0, -1.0, 0.3])
def test_a_planted_cosine_is_recovered(gradient, cosine, x64):
  slope = jax.tree.map(lambda g: -np.float64(g), gradient)
  noise = jax.tree.map(np.float64, _tree(jax.random.key(2)))
  s, n = _flat(slope), _flat(noise)
  along = (n * s).sum(1) / (s * s).sum(1)
  n = n - along[:, None] * s
  n *= (np.linalg.norm(s, axis=1) / np.linalg.norm(n, axis=1))[:, None]
  u = 0.7 * (cosine * s + np.sqrt(1 - cosine**2) * n)
  update = {
    "w": jnp.array(u[:, :12].reshape(-1, 3, 4)),
    "b": jnp.array(u[:, 12:]),
    "none": None,
  }
  minus = jax.tree.map(lambda x: -jnp.array(x), slope)
  found = _moments(update, minus)
  np.testing.assert_allclose(alignment.cosine(found), cosine, atol=1e-6)
  np.testing.assert_allclose(alignment.share(found), cosine**2, atol=1e-6)
  np.testing.assert_allclose(alignment.step(found), 0.7 * cosine, atol=1e-6)


def test_gradient_descent_with_one_step_is_explained_whole(gradient):
  update = jax.tree.map(lambda g: -0.05 * g, gradient)
  found = _moments(update, gradient)
  step = alignment.common_step(found)
  assert step == pytest.approx(0.05, rel=1e-5)
  assert alignment.explained(found, step) == pytest.approx(1.0, abs=1e-6)


def test_steps_of_two_sizes_are_not_gradient_descent_with_one(gradient):
  """Each has cosine 1; the residual is that of the least-squares fit."""
  size_B = jnp.array([0.1, 1.0, 0.1, 1.0, 0.1, 1.0])
  update = jax.tree.map(
    lambda g: -jnp.expand_dims(size_B, tuple(range(1, g.ndim))) * g, gradient
  )
  found = _moments(update, gradient)
  np.testing.assert_allclose(alignment.cosine(found), 1.0, rtol=1e-6)
  u, s = _flat(update).ravel()[:, None], -_flat(gradient).ravel()
  (expected,), (residual,), *_ = np.linalg.lstsq(s[:, None], u[:, 0])
  step = alignment.common_step(found)
  assert step == pytest.approx(expected, rel=1e-5)
  explained = alignment.explained(found, step)
  assert explained == pytest.approx(1 - residual / (u**2).sum(), abs=1e-5)
  assert explained < 0.9


def test_only_what_counts_is_counted(gradient):
  update = jax.tree.map(lambda g: -0.05 * g, gradient)
  found = jax.tree.map(np.array, _moments(update, gradient))
  found.update[0], found.both[0], found.slope[0] = np.nan, np.nan, np.nan
  where = np.isfinite(found.both)
  step = alignment.common_step(found, where)
  assert step == pytest.approx(0.05, rel=1e-5)
  assert alignment.explained(found, step, where) == pytest.approx(1, abs=1e-6)
  with pytest.raises(ValueError, match="slope: must differ from zero"):
    alignment.common_step(found, np.zeros_like(where))


def test_a_stand_in_of_the_same_drop_keeps_its_direction(gradient):
  mine = _moments(_tree(jax.random.key(3)), gradient)
  theirs = _moments(_tree(jax.random.key(4)), gradient)
  found = alignment.scaled_to(theirs, mine)
  np.testing.assert_allclose(found.both, mine.both, rtol=1e-5)
  np.testing.assert_allclose(found.slope, mine.slope, rtol=1e-6)
  np.testing.assert_allclose(
    alignment.share(found), alignment.share(theirs), rtol=1e-5
  )


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
