"""The recomputed optima equal closed forms and beat every neighbour."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raml_jax.theory import optimum


def _wishart_moments(d, n):
  """E tr S^j, j = 0..2, of S = X X^T / n: closed forms."""
  return np.array([d, d, d + d * (d + 1) / n])


@pytest.fixture(scope="module")
def moments():
  values = optimum.spectra(jax.random.key(0), jnp.eye(10), 20, 100_000)
  return optimum.moments(values, 10)


def test_sampled_moments_agree_with_the_closed_form(moments):
  np.testing.assert_allclose(moments[:3], _wishart_moments(10, 20), rtol=3e-3)


def test_one_step_optimum_is_exact():
  exact = _wishart_moments(10, 20)
  alpha, error = optimum.best_shared(exact, 1)
  assert alpha == pytest.approx(20 / 31, rel=1e-6)
  assert error == pytest.approx(110 / 31, rel=1e-9)
  steps, error = optimum.best_per_step(exact, 1)
  assert steps[0] == pytest.approx(20 / 31, rel=1e-9)
  assert error == pytest.approx(110 / 31, rel=1e-9)


def test_two_step_end_points_of_per_step_and_shrunk_forms_coincide(moments):
  _, per_step = optimum.best_per_step(moments, 2)
  _, _, shrunk = optimum.best_shrunk(moments, 2)
  assert shrunk == pytest.approx(per_step, rel=1e-6)


@pytest.mark.parametrize("k", [1, 2, 3, 4, 5])
def test_no_perturbed_step_sizes_do_better(moments, k):
  alpha, error = optimum.best_per_step(moments, k)
  rng = np.random.default_rng(k)
  for _ in range(50):
    other = alpha * (1 + 0.02 * rng.normal(size=k))
    residual = optimum.per_step_residual(other)
    assert optimum.error(residual, moments) >= error * (1 - 1e-9)


def test_residuals_describe_the_iteration_itself():
  """p(S) w* is what running the rule leaves."""
  rng = np.random.default_rng(0)
  x = rng.normal(size=(20, 3))
  s, w_star = x.T @ x / 20, rng.normal(size=3)
  w = np.zeros(3)
  for _ in range(4):
    w = w - 0.5 * s @ (0.8 * w - w_star)
  residual = optimum.shrunk_residual(0.5, 0.8, 4)
  powers = [np.linalg.matrix_power(s, j) for j in range(len(residual))]
  left = sum(c * p for c, p in zip(residual, powers, strict=True)) @ w_star
  np.testing.assert_allclose(w_star - w, left, rtol=1e-10)


def test_one_step_preconditioner_zeroes_the_gradient_of_the_expected_loss():
  """P E[S^2] = E[S], E S^2 = (1 + 1/n) Sigma^2 + tr(Sigma) Sigma / n."""
  sigma = np.diag([0.3, 1.0, 2.5])
  second = (1 + 1 / 7) * sigma @ sigma + np.trace(sigma) * sigma / 7
  p = optimum.one_step_preconditioner(sigma, 7)
  np.testing.assert_allclose(p @ second, sigma, atol=1e-12)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
