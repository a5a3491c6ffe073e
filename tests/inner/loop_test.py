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


_P = 0.1 * np.ones((4, 4)) + 0.2 * np.eye(4)
_METAS = {
  "sgd": {"alpha": 0.3},
  "per_step": {"alpha": [0.1, 0.2, 0.4]},
  "per_tensor": {"alpha": 0.3},
  "meta_sgd": {"alpha": [0.1, 0.2, 0.3, 0.4]},
  "preconditioned": {"P": _P.tolist()},
  "block_preconditioned": {"P": _P.tolist()},
  "shrunk": {"alpha": 0.5, "beta": 0.8},
  "momentum": {"alpha": 0.2, "mu": 0.5},
  "adam": {"alpha": 0.1},
}


def _numpy_path(name, meta, s, b, w, steps):
  """The iterates of each rule, written again in NumPy."""
  path, first, second = [w], 0.0, 0.0
  for t in range(steps):
    at = meta["beta"] * w if name == "shrunk" else w
    gradient = s @ at - b
    if name == "per_step":
      w = w - meta["alpha"][t] * gradient
    elif "preconditioned" in name:
      w = w - np.array(meta["P"]) @ gradient
    elif name == "momentum":
      first = meta["mu"] * first + gradient
      w = w - meta["alpha"] * first
    elif name == "adam":
      first = 0.9 * first + 0.1 * gradient
      second = 0.999 * second + 0.001 * gradient**2
      unbiased = second / (1 - 0.999 ** (t + 1))
      step = first / (1 - 0.9 ** (t + 1))
      w = w - meta["alpha"] * step / (np.sqrt(unbiased + 1e-8) + 1e-8)
    else:
      w = w - np.array(meta["alpha"]) * gradient
    path.append(w)
  return path


def _rule(name):
  return optimizers.named(name, 0.1)


def _meta(name):
  return {k: jnp.asarray(v, jnp.float64) for k, v in _METAS[name].items()}


@pytest.mark.parametrize("name", optimizers.TABLE)
def test_every_rule_takes_the_steps_of_its_equation(name, x64):
  support = _support()
  s, b = map(np.asarray, regression.moments(support))
  start = jnp.arange(4.0, dtype=jnp.float64)
  loss = functools.partial(regression.loss, support=support)
  adapted = loop.adapt(loss, start, _rule(name), _meta(name), 3)
  path = _numpy_path(name, _METAS[name], s, b, np.asarray(start), 3)
  np.testing.assert_allclose(adapted.iterates, path, rtol=1e-12)
  np.testing.assert_array_equal(adapted.params, adapted.iterates[-1])
  expected = [loss(jnp.asarray(w)) for w in path]
  np.testing.assert_allclose(adapted.losses, expected, rtol=1e-12)


@pytest.mark.parametrize("steps", [0, 1, 4, 13])
@pytest.mark.parametrize("options", [{}, {"checkpoint": True}])
def test_training_walks_the_same_path(steps, options, x64):
  support = _support()
  loss = functools.partial(regression.loss, support=support)
  start, rule = jnp.ones(4, jnp.float64), _rule("momentum")
  whole = loop.adapt(loss, start, rule, _meta("momentum"), steps)
  last, losses = loop.descend(
    loss, start, rule, _meta("momentum"), steps, **options
  )
  np.testing.assert_allclose(last, whole.params, rtol=1e-12)
  np.testing.assert_allclose(losses, whole.losses[:-1], rtol=1e-12)


def test_heavy_ball_is_polyaks_recurrence(x64):
  support = _support()
  s, b = map(np.asarray, regression.moments(support))
  loss = functools.partial(regression.loss, support=support)
  meta = {"alpha": jnp.float64(0.2), "mu": jnp.float64(0.5)}
  start = jnp.ones(4, jnp.float64)
  got = loop.adapt(loss, start, _rule("momentum"), meta, 4).iterates
  path = [np.ones(4), np.ones(4)]
  for _ in range(4):
    w, previous = path[-1], path[-2]
    path.append(w - 0.2 * (s @ w - b) + 0.5 * (w - previous))
  np.testing.assert_allclose(got, path[1:], rtol=1e-12)


def test_adapt_serves_any_pytree_and_any_optax_rule(x64):
  def loss(params):
    return jnp.sum((params["a"] * params["b"][0] - 1.0) ** 2)

  rule = optimizers.fixed(optax.adam(0.1))
  start = {"a": jnp.ones(3), "b": [jnp.full(3, 2.0)]}
  adapted = loop.adapt(loss, start, rule, (), 30)
  assert adapted.iterates["b"][0].shape == (31, 3)
  assert adapted.losses[-1] < 0.1 * adapted.losses[0]


def test_zero_steps_return_the_start():
  rule = _rule("sgd")
  adapted = loop.adapt(jnp.sum, jnp.ones(2), rule, {"alpha": jnp.ones(())}, 0)
  np.testing.assert_array_equal(adapted.iterates, jnp.ones((1, 2)))


@pytest.mark.parametrize("name", optimizers.TABLE)
def test_the_maml_reasoner_is_the_inner_loop(name, x64):
  support = _support()
  rule = _rule(name)
  params = {"start": jnp.zeros(4, jnp.float64), "meta": _meta(name)}
  path = reasoners.rollout(maml.reasoner(rule), params, support, 3)
  loss = functools.partial(regression.loss, support=support)
  expected = loop.adapt(loss, params["start"], rule, params["meta"], 3)
  np.testing.assert_allclose(path, expected.iterates, rtol=1e-12)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
