"""Quadratics are drawn by the law they say, and their loss is |W t - y|^2."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raml_jax.tasks import quadratics


def test_the_law_is_standard_normal_and_the_start_is_scaled():
  task = quadratics.Quadratics(start_scale=0.5, d=7)
  episodes = task.sample(jax.random.key(0), 4000)
  w, y = episodes.support.x_NxD, episodes.support.y_N
  assert w.shape == (4000, 7, 7) and y.shape == (4000, 7)
  for values, scale in ((w, 1.0), (y, 1.0), (episodes.latent_D, 0.5)):
    z = np.asarray(values).reshape(4000, -1) / scale
    error = 1 / np.sqrt(4000)
    assert np.abs(z.mean(axis=0)).max() < 5 * error
    assert np.abs((z**2).mean(axis=0) - 1).max() < 5 * np.sqrt(2) * error
    assert (z**4).mean() == pytest.approx(3.0, rel=0.05)
  # No number is used twice.
  together = np.concatenate(
    [np.asarray(a).reshape(4000, -1) for a in (w, y, episodes.latent_D)], axis=1
  )
  correlation = np.corrcoef(together.T) - np.eye(together.shape[1])
  assert np.abs(correlation).max() < 5 / np.sqrt(4000)


def test_the_default_is_the_published_setting():
  task = quadratics.Quadratics()
  episodes = task.sample(jax.random.key(0), 3)
  assert episodes.support.x_NxD.shape == (3, 10, 10)
  assert float(task.start_scale) == 0.01
  assert episodes.query is None


def test_the_loss_is_the_sum_of_squares(x64):
  rng = np.random.default_rng(0)
  episode = jax.tree.map(
    lambda a: a[0], quadratics.Quadratics().sample(jax.random.key(1), 1)
  )
  theta = rng.standard_normal(10)
  w = np.asarray(episode.support.x_NxD, np.float64)
  y = np.asarray(episode.support.y_N, np.float64)
  got = quadratics.loss(jnp.asarray(theta), episode.support)
  assert float(got) == pytest.approx(np.sum((w @ theta - y) ** 2), rel=1e-12)
  slope = jax.grad(quadratics.loss)(jnp.asarray(theta), episode.support)
  np.testing.assert_allclose(slope, 2 * w.T @ (w @ theta - y), rtol=1e-9)
  np.testing.assert_array_equal(quadratics.start(episode), episode.latent_D)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
