"""Inner loops are gradient descent, exactly, and differentiable through."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from raml_jax.inner import loop
from raml_jax.inner import maml
from raml_jax.inner import optimizers
from raml_jax.models import reasoners
from raml_jax.tasks import regression


def _support(seed=0, d=4):
  task = regression.LinearRegression(jnp.eye(d), d=d, n=6)
  return jax.tree.map(
    lambda a: jnp.asarray(np.asarray(a)[0], jnp.float64),
    task.sample(jax.random.key(seed), 1).support,
  )


_METAS = {
  "shared": {"alpha": 0.3},
  "per_step": {"alpha": [0.1, 0.2, 0.4]},
  "per_coordinate": {"alpha": [0.1, 0.2, 0.3, 0.4]},
  "preconditioner": {"P": (0.1 * np.ones((4, 4)) + 0.2 * np.eye(4)).tolist()},
  "shrunk": {"alpha": 0.5, "beta": 0.8},
}


def _numpy_step(name, meta, s, b, w, t):
  """One step of each rule, written again in NumPy."""
  gradient = s @ w - b
  if name == "shrunk":
    return w - meta["alpha"] * (s @ (meta["beta"] * w) - b)
  if name == "per_step":
    return w - meta["alpha"][t] * gradient
  if name == "preconditioner":
    return w - np.array(meta["P"]) @ gradient
  return w - np.array(meta["alpha"]) * gradient


def _meta(name):
  return {k: jnp.asarray(v, jnp.float64) for k, v in _METAS[name].items()}


@pytest.mark.parametrize("name", optimizers.TABLE)
def test_every_rule_takes_the_steps_of_its_equation(name, x64):
  support = _support()
  s, b = map(np.asarray, regression.moments(support))
  start = jnp.arange(4.0, dtype=jnp.float64)
  loss = functools.partial(regression.loss, support=support)
  adapted = loop.adapt(loss, start, optimizers.TABLE[name], _meta(name), 3)
  w = np.asarray(start)
  for t in range(3):
    w = _numpy_step(name, _METAS[name], s, b, w, t)
    np.testing.assert_allclose(adapted.iterates[t + 1], w, rtol=1e-12)
  np.testing.assert_array_equal(adapted.params, adapted.iterates[-1])
  np.testing.assert_allclose(adapted.losses[-1], loss(jnp.asarray(w)), 1e-12)


def test_heavy_ball_is_polyaks_recurrence(x64):
  support = _support()
  s, b = map(np.asarray, regression.moments(support))
  loss = functools.partial(regression.loss, support=support)
  meta = {"alpha": jnp.float64(0.2), "mu": jnp.float64(0.5)}
  start = jnp.ones(4, jnp.float64)
  got = loop.adapt(loss, start, optimizers.MOMENTUM, meta, 4).iterates
  path = [np.ones(4), np.ones(4)]
  for _ in range(4):
    w, previous = path[-1], path[-2]
    path.append(w - 0.2 * (s @ w - b) + 0.5 * (w - previous))
  np.testing.assert_allclose(got, path[1:], rtol=1e-12)


@pytest.mark.parametrize("name", optimizers.TABLE)
def test_meta_gradients_equal_finite_differences(name, x64):
  support, other = _support(0), _support(1)

  def outer(meta, start):
    loss = functools.partial(regression.loss, support=support)
    adapted = loop.adapt(loss, start, optimizers.TABLE[name], meta, 3)
    return regression.loss(adapted.params, other)

  point = (_meta(name), jnp.full(4, 0.3, jnp.float64))
  flat, unravel = jax.flatten_util.ravel_pytree(point)
  exact = jax.flatten_util.ravel_pytree(jax.grad(outer, (0, 1))(*point))[0]
  step = 1e-5
  for i in range(flat.size):
    ahead = outer(*unravel(flat.at[i].add(step)))
    behind = outer(*unravel(flat.at[i].add(-step)))
    slope = (ahead - behind) / (2 * step)
    np.testing.assert_allclose(exact[i], slope, rtol=1e-6, atol=1e-8)


def test_adapt_serves_any_pytree_and_any_optax_rule(x64):
  def loss(params):
    return jnp.sum((params["a"] * params["b"][0] - 1.0) ** 2)

  rule = optimizers.InnerOptimizer(
    lambda *unused: {}, lambda meta: optax.adam(0.1)
  )
  start = {"a": jnp.ones(3), "b": [jnp.full(3, 2.0)]}
  adapted = loop.adapt(loss, start, rule, {}, 30)
  assert adapted.iterates["b"][0].shape == (31, 3)
  assert adapted.losses[-1] < 0.1 * adapted.losses[0]


def test_zero_steps_return_the_start():
  adapted = loop.adapt(
    jnp.sum, jnp.ones(2), optimizers.SGD, {"alpha": jnp.ones(())}, 0
  )
  np.testing.assert_array_equal(adapted.iterates, jnp.ones((1, 2)))


@pytest.mark.parametrize("name", optimizers.TABLE)
def test_the_maml_reasoner_is_the_inner_loop(name, x64):
  support = _support()
  rule = optimizers.TABLE[name]
  params = {"start": jnp.zeros(4, jnp.float64), "meta": _meta(name)}
  path = reasoners.rollout(maml.reasoner(rule), params, support, 3)
  loss = functools.partial(regression.loss, support=support)
  expected = loop.adapt(loss, params["start"], rule, params["meta"], 3)
  np.testing.assert_allclose(path, expected.iterates, rtol=1e-12)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
