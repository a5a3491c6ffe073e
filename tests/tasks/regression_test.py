"""Linear-regression tasks have the law and the gradients they claim."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raml_jax.tasks import regression


def _task(**changes):
  fields = {"d": 4, "n": 7, "noise": 0.3, "queries": 2}
  return regression.LinearRegression(jnp.eye(4), **(fields | changes))


def test_moments_and_gradient_agree_with_numpy_on_the_pairs():
  episode = jax.tree.map(lambda a: a[0], _task().sample(jax.random.key(0), 3))
  x, y = map(
    np.asarray, (episode.support.pairs.x_NxD, episode.support.pairs.y_N)
  )
  w = np.arange(4.0, dtype=np.float32)
  residual = x @ w - y
  got = regression.gradient(jnp.asarray(w), episode.support)
  np.testing.assert_allclose(got, x.T @ residual / 7, rtol=1e-4, atol=1e-5)
  loss = regression.loss(jnp.asarray(w), episode.support)
  np.testing.assert_allclose(loss, (residual**2).sum() / 14, rtol=1e-5)


def test_gradient_is_that_of_the_loss():
  episode = jax.tree.map(lambda a: a[0], _task().sample(jax.random.key(1), 1))
  w = jnp.array([1.0, -2.0, 0.5, 3.0])
  np.testing.assert_allclose(
    jax.grad(regression.loss)(w, episode.support),
    regression.gradient(w, episode.support),
    rtol=1e-5,
  )


@pytest.mark.parametrize("law", regression.LAWS)
def test_inputs_have_the_covariance_and_range_of_their_law(law):
  root = regression.covariance_root(4, "eigenvalues", (0.5, 1.0, 1.5, 2.0))
  task = _task(law=law, scale=0.5, n=50)
  task = dataclasses.replace(task, root_DxD=root)
  x = np.asarray(task.sample(jax.random.key(2), 4000).support.pairs.x_NxD)
  variance = {"normal": 1.0, "uniform": 1 / 3}[law] * 0.25
  expected = variance * np.asarray(root @ root.T)
  got = np.einsum("bnd,bne->de", x, x) / (4000 * 50)
  np.testing.assert_allclose(got, expected, atol=0.01 * np.trace(expected))


def test_given_eigenvalues_lie_in_one_fixed_rotation():
  root = regression.covariance_root(5, "eigenvalues", (1, 2, 3, 4, 5))
  sigma = np.asarray(root @ root.T)
  np.testing.assert_allclose(
    np.linalg.eigvalsh(sigma), [1, 2, 3, 4, 5], rtol=1e-5
  )
  assert abs(sigma - np.diag(np.diag(sigma))).max() > 0.1


def test_power_law_has_mean_eigenvalue_one_and_its_exponent():
  root = regression.covariance_root(6, "power", (2.0,))
  values = np.sort(np.linalg.eigvalsh(np.asarray(root @ root.T)))[::-1]
  np.testing.assert_allclose(values.mean(), 1.0, rtol=1e-5)
  np.testing.assert_allclose(values / values[0], np.arange(1, 7) ** -2.0, 1e-4)


def test_sphere_prior_has_constant_norm():
  w = _task(prior="sphere", prior_scale=3.0).sample(jax.random.key(3), 50)
  np.testing.assert_allclose(
    np.linalg.norm(w.latent_D, axis=1), 3.0 * 2.0, rtol=1e-5
  )


def test_query_labels_are_noiseless():
  e = _task().sample(jax.random.key(4), 5)
  expected = np.einsum("bmd,bd->bm", e.query.x_NxD, e.latent_D)
  np.testing.assert_allclose(e.query.y_N, expected, rtol=1e-4, atol=1e-5)


def test_the_spectrum_is_that_of_s():
  support = regression.with_spectrum(
    _task().sample(jax.random.key(5), 6).support
  )
  q, s = support.spectrum.vectors_DxD, support.spectrum.values_D
  np.testing.assert_allclose(
    np.einsum("bde,be,bfe->bdf", q, s, q),
    support.gram_ExE[:, :-1, :-1],
    atol=1e-5,
  )


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
