"""Each rival takes the steps of its textbook, written again in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raml_jax.models import reasoners
from raml_jax.tasks import regression
from raml_jax.theory import rules

D, N, K = 4, 9, 4


def _support():
  task = regression.LinearRegression(jnp.eye(D), d=D, n=N, noise=0.2)
  support = task.sample(jax.random.key(0), 1).support
  with jax.enable_x64(True):
    support = jax.tree.map(
      lambda a: jnp.asarray(np.asarray(a, np.float64)[0]), support
    )
    return regression.with_spectrum(support)


def _run(name, theta=None):
  rule = rules.TABLE[name]
  theta = rule.example(D, K) if theta is None else theta
  return np.asarray(
    reasoners.rollout(rules.reasoner(rule), theta, _support(), K)
  )


def _problem():
  support = _support()
  s, b = map(np.asarray, regression.moments(support))
  return s, b


def _descend(step):
  s, b = _problem()
  w, previous, out = np.zeros(D), np.zeros(D), [np.zeros(D)]
  for t in range(K):
    w, previous = w + step(s, b, w, previous, t), w
    out.append(w)
  return np.array(out)


def test_conjugate_gradients_solve_in_d_steps(x64):
  s, b = _problem()
  w, r = np.zeros(D), b.copy()
  p, path = r.copy(), [np.zeros(D)]
  for _ in range(K):
    alpha = r @ r / (p @ s @ p)
    w, new = w + alpha * p, r - alpha * s @ p
    p, r = new + (new @ new) / (r @ r) * p, new
    path.append(w)
  np.testing.assert_allclose(_run("conjugate"), path, rtol=1e-8, atol=1e-10)
  np.testing.assert_allclose(path[-1], np.linalg.solve(s, b), rtol=1e-6)


def test_newton_is_the_iteration_on_matrices(x64):
  s, b = _problem()
  m, w, path = 0.1 * s, np.zeros(D), [np.zeros(D)]
  for _ in range(K):
    w = w + m @ (b - s @ w)
    m = 2 * m - m @ s @ m
    path.append(w)
  np.testing.assert_allclose(_run("newton"), path, rtol=1e-8)


def test_ridge_and_least_squares_jump_to_their_solutions(x64):
  s, b = _problem()
  ridge = np.linalg.solve(s + 0.3 * np.eye(D), b)
  np.testing.assert_allclose(_run("ridge")[1:], np.tile(ridge, (K, 1)), 1e-9)
  exact = np.linalg.lstsq(s, b, rcond=None)[0]
  np.testing.assert_allclose(
    _run("least_squares")[1:], np.tile(exact, (K, 1)), rtol=1e-7
  )


def test_adaptive_minimises_the_loss_on_its_plane(x64):
  s, b = _problem()

  def step(s, b, w, previous, t):
    r = b - s @ w
    basis = np.stack([r, s @ r], axis=1)
    return basis @ np.linalg.lstsq(basis.T @ s @ basis, basis.T @ r)[0]

  np.testing.assert_allclose(_run("adaptive"), _descend(step), rtol=1e-6)


@pytest.mark.parametrize(
  ("name", "theta", "step"),
  [
    (
      "gd_plus_plus",
      {"eta": 0.4, "gamma": 0.2},
      lambda s, b, w, v, t: (
        0.4 * np.linalg.matrix_power(np.eye(D) - 0.2 * s, 2) @ (b - s @ w)
      ),
    ),
    (
      "momentum",
      {"eta": 0.2, "mu": 0.5},
      lambda s, b, w, v, t: 0.2 * (b - s @ w) + 0.5 * (w - v),
    ),
    (
      "shrunk",
      {"alpha": 0.5, "beta": 0.8},
      lambda s, b, w, v, t: 0.5 * (b - 0.8 * s @ w),
    ),
    (
      "per_step",
      {"eta_K": np.array([0.1, 0.2, 0.3, 0.4])},
      lambda s, b, w, v, t: 0.1 * (t + 1) * (b - s @ w),
    ),
  ],
)
def test_linear_rules(name, theta, step, x64):
  theta = jax.tree.map(jnp.asarray, theta)
  np.testing.assert_allclose(_run(name, theta), _descend(step), rtol=1e-9)


def test_gd_plus_plus_is_descent_on_transformed_inputs(x64):
  """von Oswald's x <- (I - gamma S) x, w in the coordinates of plain x."""
  support = _support()
  x, y = map(np.asarray, (support.pairs.x_NxD, support.pairs.y_N))
  s = x.T @ x / N
  mix = np.eye(D) - 0.2 * s
  w_hat, path = np.zeros(D), [np.zeros(D)]
  for _ in range(K):
    # y is that of the plain inputs; the weights of x are (I - gamma S) w_hat.
    gradient = (x @ mix).T @ (x @ mix @ w_hat - y) / N
    w_hat = w_hat - 0.4 * gradient
    path.append(mix @ w_hat)
  theta = {"eta": 0.4, "gamma": 0.2}
  np.testing.assert_allclose(_run("gd_plus_plus", theta), path, rtol=1e-8)


def test_a_rule_that_needs_the_spectrum_says_so():
  support = regression.LinearRegression(jnp.eye(D), d=D, n=N).sample(
    jax.random.key(0), 1
  )
  support = jax.tree.map(lambda a: a[0], support.support)
  with pytest.raises(ValueError, match="with_spectrum"):
    reasoners.rollout(
      rules.reasoner(rules.TABLE["ridge"]), {"lambda": 1.0}, support, 1
    )


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
