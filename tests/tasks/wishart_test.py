"""Second moments drawn without the pairs have the law of those of the pairs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from raml_jax.tasks import regression
from raml_jax.tasks import wishart

DRAWS = 20_000
# Fixed keys: a right sampler fails no test, a wrong one fails for good.
P_VALUE = 1e-3


def _wishart(key, p, n):
  a = np.asarray(wishart.factor(jax.random.key(key), DRAWS, p, n), np.float64)
  return a @ a.swapaxes(1, 2)


@pytest.mark.parametrize("p, n", [(3, 5), (4, 30), (5, 3)])
def test_mean_and_covariance_are_those_of_wishart_matrices(p, n):
  w = _wishart(0, p, n)
  error = 6 * n / np.sqrt(DRAWS)
  np.testing.assert_allclose(w.mean(axis=0), n * np.eye(p), atol=error)
  # Cov(W_ij, W_kl) = n (d_ik d_jl + d_il d_jk).
  flat = w.reshape(DRAWS, p * p)
  eye = np.eye(p)
  expected = np.einsum("ik,jl->ijkl", eye, eye)
  expected += np.einsum("il,jk->ijkl", eye, eye)
  expected = n * expected.reshape(p * p, p * p)
  got = np.cov(flat.T)
  np.testing.assert_allclose(got, expected, atol=30 * n / np.sqrt(DRAWS))


@pytest.mark.parametrize("p, n", [(4, 4), (4, 9), (11, 20), (3, 320), (6, 2)])
def test_spectra_have_the_law_of_explicit_draws(p, n):
  x = np.random.default_rng(1).standard_normal((DRAWS, p, n))
  expected = np.linalg.eigvalsh(x @ x.swapaxes(1, 2))
  got = np.linalg.eigvalsh(_wishart(1, p, n))
  rank = min(p, n)
  np.testing.assert_allclose(got[:, : p - rank], 0.0, atol=1e-5 * n)
  for name, a, b in (
    ("largest", got[:, -1], expected[:, -1]),
    ("smallest", got[:, p - rank], expected[:, p - rank]),
    ("trace", got.sum(axis=1), expected.sum(axis=1)),
  ):
    assert stats.ks_2samp(a, b).pvalue > P_VALUE, name


def test_the_factor_is_lower_triangular():
  a = np.asarray(wishart.factor(jax.random.key(2), 5, 4, 3))
  assert a.shape == (5, 4, 3)
  np.testing.assert_array_equal(a, np.tril(a))
  assert (np.diagonal(a, axis1=1, axis2=2) > 0).all()


@pytest.mark.parametrize("dof", [8, 9, 11, 20, 80, 1000])
def test_chi_is_the_quantile_function_to_float32(dof):
  z = np.linspace(-5.4, 5.4, 4001, dtype=np.float32)
  got = np.asarray(wishart.chi(jnp.asarray(z)[None], (dof,)))[0]
  low = np.where(z < 0, stats.norm.cdf(z), 0.5).astype(np.float64)
  high = np.where(z < 0, 0.5, stats.norm.sf(z)).astype(np.float64)
  expected = np.where(z < 0, stats.chi.ppf(low, dof), stats.chi.isf(high, dof))
  np.testing.assert_allclose(got, expected, rtol=4e-6)


@pytest.mark.parametrize("dof", [1, 2, 7, 8, 12])
def test_chi_variates_have_their_law(dof):
  size = wishart.normals_per_chi(dof)
  normals = jax.random.normal(jax.random.key(dof), (size, DRAWS))
  got = np.asarray(wishart.chi(normals, (dof,)))[0]
  assert stats.kstest(got, stats.chi(dof).cdf).pvalue > P_VALUE


def _grams(moments_only, **fields):
  root = regression.covariance_root(3, "eigenvalues", (0.5, 1.0, 1.5))
  task = regression.LinearRegression(
    root, d=3, moments_only=moments_only, **fields
  )
  episodes = task.sample(jax.random.key(3 + moments_only), DRAWS)
  assert (episodes.support.pairs is None) == moments_only
  return np.asarray(episodes.support.gram_ExE), np.asarray(episodes.latent_D)


@pytest.mark.parametrize("n", [2, 3, 8])
@pytest.mark.parametrize("noise", [0.0, 0.7])
def test_moments_of_inputs_and_labels_have_their_joint_law(n, noise):
  fields = {"n": n, "noise": noise, "scale": 1.3}
  (got, w), (expected, v) = _grams(True, **fields), _grams(False, **fields)

  def statistics(gram, w):
    s, b, c = gram[:, :-1, :-1], gram[:, :-1, -1], gram[:, -1, -1]
    residual = c - 2 * (b * w).sum(1) + np.einsum("bd,bde,be->b", w, s, w)
    yield "y y", c
    yield "x y", b[:, 0]
    yield "x x off the diagonal", s[:, 0, 1]
    yield "w x y: labels follow this task's weights", (b * w).sum(1)
    yield "noise", residual.round(4)
    yield "determinant", np.linalg.det(gram.astype(np.float64)).round(4)

  for (name, a), (_, b) in zip(statistics(got, w), statistics(expected, v)):
    assert stats.ks_2samp(a, b).pvalue > P_VALUE, name


def test_labels_without_noise_are_those_of_the_latent_weights():
  gram, w = _grams(True, n=5)
  s, b, c = gram[:, :-1, :-1], gram[:, :-1, -1], gram[:, -1, -1]
  np.testing.assert_allclose(np.einsum("bde,be->bd", s, w), b, atol=1e-4)
  np.testing.assert_allclose((b * w).sum(1), c, atol=1e-3)


def test_work_does_not_grow_with_the_number_of_pairs():
  def flops(n):
    task = regression.LinearRegression(jnp.eye(10), n=n, moments_only=True)
    draw = jax.jit(lambda key: task.sample(key, 100))
    return draw.lower(jax.random.key(0)).cost_analysis()["flops"]

  assert flops(20) == flops(320)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
