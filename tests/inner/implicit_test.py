"""Implicit meta-gradients: closed forms, unrolled loops, and no path."""

import jax
from jax import flatten_util
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from raml_jax.inner import conjugate
from raml_jax.inner import learner
from raml_jax.inner import meta_gradients
from raml_jax.inner import optimizers
from tests.inner import problems


def _flat(tree):
  return np.asarray(flatten_util.ravel_pytree(tree)[0])


def _grads(loss, params, tasks, gradient, rule, steps, moves=None):
  made = learner.Learner(loss, rule, steps, gradient, moves=moves)
  theta = problems.double(made.init(jax.random.key(0), params))
  grads, metrics = problems.fast(made.grads)(theta, tasks)
  return _flat(grads["start"]), metrics


def _unrolled_with(strength):
  """Unrolled through the same proximal descent."""
  return meta_gradients.MetaGradient(
    meta_gradients.unrolled().estimate, strength
  )


@pytest.mark.parametrize("moves", [None, "head", "^(?!head)"])
def test_at_convergence_it_equals_unrolled(moves, x64):
  loss, params, tasks = problems.PROBLEMS["mlp"]()
  rule, steps = optimizers.fixed(optax.sgd(0.1)), 300
  exact, _ = _grads(
    loss, params, tasks, _unrolled_with(3.0), rule, steps, moves
  )
  gradient = meta_gradients.implicit(3.0, iterations=100, tolerance=1e-12)
  got, metrics = _grads(loss, params, tasks, gradient, rule, steps, moves)
  assert metrics["cg_residual"] < 1e-10
  np.testing.assert_allclose(got, exact, rtol=1e-6, atol=1e-9)


def test_on_a_quadratic_it_is_the_closed_form(x64):
  """w = (S + l I)^-1 (b + l w_0), so dL/dw_0 = l (S + l I)^-1 grad L_q(w)."""

  def loss(params, data):
    return 0.5 * jnp.mean((data[0] @ params - data[1]) ** 2)

  rng = np.random.default_rng(0)
  x, y = rng.standard_normal((1, 7, 4)), rng.standard_normal((1, 7))
  z, t = rng.standard_normal((1, 5, 4)), rng.standard_normal((1, 5))
  start, strength = rng.standard_normal(4), 0.7
  tasks = jax.tree.map(jnp.asarray, ((x, y), (z, t)))
  gradient = meta_gradients.implicit(strength, tolerance=1e-13)
  rule = optimizers.fixed(optax.sgd(0.3))
  got, _ = _grads(loss, jnp.asarray(start), tasks, gradient, rule, 300)
  s, b = x[0].T @ x[0] / 7, x[0].T @ y[0] / 7
  inverse = np.linalg.inv(s + strength * np.eye(4))
  w = inverse @ (b + strength * start)
  slope = z[0].T @ (z[0] @ w - t[0]) / 5
  np.testing.assert_allclose(got, strength * inverse @ slope, rtol=1e-9)


def test_it_does_not_depend_on_the_path_and_unrolled_does(x64):
  loss, params, tasks = problems.PROBLEMS["mlp"]()
  paths = (
    (optimizers.fixed(optax.sgd(0.1)), 400),
    (optimizers.fixed(optax.sgd(0.03, momentum=0.8)), 900),
  )
  gradient = meta_gradients.implicit(3.0, iterations=100, tolerance=1e-12)
  one, two = (_grads(loss, params, tasks, gradient, *path)[0] for path in paths)
  np.testing.assert_allclose(one, two, rtol=1e-6, atol=1e-9)
  short = _grads(loss, params, tasks, _unrolled_with(3.0), paths[0][0], 2)[0]
  assert np.linalg.norm(short - one) > 0.1 * np.linalg.norm(one)


def test_conjugate_gradients_solve_in_as_many_steps_as_there_are_eigenvalues(
  x64,
):
  rng = np.random.default_rng(0)
  q = np.linalg.qr(rng.standard_normal((6, 6)))[0]
  a = (q * np.array([1.0, 1, 2, 2, 5, 5])) @ q.T
  b = {"one": jnp.asarray(rng.standard_normal(4)), "two": jnp.ones(2)}
  _, unravel = flatten_util.ravel_pytree(b)
  product = lambda tree: unravel(jnp.asarray(a) @ _flat_jnp(tree))
  found = conjugate.solve(product, b, 50, 1e-10)
  assert found.iterations == 3
  np.testing.assert_allclose(_flat(found.x), np.linalg.solve(a, _flat(b)))
  early = conjugate.solve(product, b, 2, 1e-10)
  residual = _flat(b) - a @ _flat(early.x)
  size = np.linalg.norm(residual) / np.linalg.norm(_flat(b))
  np.testing.assert_allclose(early.residual, size, rtol=1e-9)


def _flat_jnp(tree):
  return flatten_util.ravel_pytree(tree)[0]


def test_conjugate_gradients_stop_at_negative_curvature():
  found = conjugate.solve(lambda x: -x, jnp.ones(3), 50, 1e-6)
  assert found.iterations == 1
  assert np.isfinite(found.x).all()
  assert found.residual == 1.0


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
