"""Meta-gradients beside finite differences, closed forms and each other."""

import jax
from jax import flatten_util
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from raml_jax.inner import learner
from raml_jax.inner import low_rank
from raml_jax.inner import meta_gradients
from raml_jax.inner import optimizers
from tests.inner import problems


def _flat(tree):
  return np.asarray(flatten_util.ravel_pytree(tree)[0])


def _learned(name, problem, **more):
  """(learner, theta, tasks) with a rule whose numbers are no longer equal."""
  loss, params, tasks = problems.PROBLEMS[problem]()
  rule = optimizers.named(name, 0.1)
  made = learner.Learner(loss, rule, 3, **more)
  theta = problems.double(made.init(jax.random.key(0), params))
  leaves, treedef = jax.tree.flatten(theta["meta"])
  keys = jax.random.split(jax.random.key(7), len(leaves))
  leaves = [
    leaf + 0.01 * jax.random.normal(k, leaf.shape, leaf.dtype)
    for leaf, k in zip(leaves, keys)
  ]
  theta["meta"] = jax.tree.unflatten(treedef, leaves)
  return made, theta, tasks


def _check(made, theta, tasks, step=1e-6):
  """Along six directions, beside central differences of fourth order."""
  flat, unravel = flatten_util.ravel_pytree(theta)
  e = np.random.default_rng(0).standard_normal((6, flat.size))
  e /= np.linalg.norm(e, axis=1, keepdims=True)
  grads = problems.fast(lambda t: made.grads(t, tasks))(theta)[0]
  exact = e @ _flat(grads)

  def loss(flat):
    def one(support, query):
      return made.adapt(unravel(flat), support, query).query_losses[-1]

    return jnp.mean(jax.vmap(one)(*tasks))

  shifts = step * np.array([1.0, -1.0, 2.0, -2.0])
  points = np.asarray(flat) + shifts[:, None, None] * e
  at = problems.fast(lambda points: jax.lax.map(loss, points))
  losses_4xE = at(points.reshape(-1, flat.size)).reshape(4, -1)
  slopes = np.array([8.0, -8.0, -1.0, 1.0]) @ losses_4xE / (12 * step)
  scale = np.abs(exact).max()
  np.testing.assert_allclose(exact, slopes, rtol=1e-6, atol=1e-6 * scale)


# A rule does not know what it descends: the rest would find nothing new.
_ON_TRANSFORMERS = ("sgd", "adam", "block_preconditioned")


@pytest.mark.parametrize(
  "name, problem",
  [
    pytest.param(
      name,
      problem,
      marks=pytest.mark.slow
      if problem == "transformer" and name not in _ON_TRANSFORMERS
      else (),
    )
    for name in optimizers.TABLE
    for problem in problems.PROBLEMS
  ],
)
def test_unrolled_equals_finite_differences(name, problem, x64):
  made, theta, tasks = _learned(name, problem)
  _check(made, theta, tasks)


@pytest.mark.parametrize("moves", ["head", "^(?!head)"])
def test_the_gradient_of_what_stays_still_is_exact_too(moves, x64):
  made, theta, tasks = _learned("meta_sgd", "mlp", moves=moves)
  _check(made, theta, tasks)


def test_low_rank_deltas_of_a_transformer_are_learned_through(x64):
  loss, params, tasks = problems.PROBLEMS["transformer"]()
  extended = low_rank.init(jax.random.key(0), params, "query|up", 2)
  made = learner.Learner(
    lambda p, data: loss(low_rank.merge(p), data),
    optimizers.sgd(0.1),
    3,
    moves="^delta/",
  )
  theta = problems.double(made.init(jax.random.key(1), extended))
  _check(made, theta, tasks)


@pytest.mark.parametrize(
  "problem, steps", [("mlp", 1), ("mlp", 4), ("mlp", 23), ("transformer", 7)]
)
def test_checkpointed_equals_plain(problem, steps, x64):
  loss, params, tasks = problems.PROBLEMS[problem]()
  rule = optimizers.momentum(0.05, 0.5)
  found = []
  for checkpoint in (False, True):
    gradient = meta_gradients.unrolled(checkpoint=checkpoint)
    made = learner.Learner(loss, rule, steps, gradient)
    theta = problems.double(made.init(jax.random.key(0), params))
    found.append(_flat(problems.fast(made.grads)(theta, tasks)[0]))
  np.testing.assert_allclose(found[1], found[0], rtol=1e-10, atol=1e-12)


def _temporary_bytes(steps, checkpoint):
  key = jax.random.key(0)
  sizes = (1, 40, 40, 1)
  params = [
    {"kernel": jax.random.normal(key, (i, o)), "bias": jnp.zeros(o)}
    for i, o in zip(sizes, sizes[1:])
  ]

  def loss(params, data):
    h, y = data
    for layer in params[:-1]:
      h = jax.nn.relu(h @ layer["kernel"] + layer["bias"][None])
    out = h @ params[-1]["kernel"] + params[-1]["bias"][None]
    return jnp.mean((out - y) ** 2)

  made = learner.Learner(
    loss,
    optimizers.fixed(optax.sgd(0.01)),
    steps,
    meta_gradients.unrolled(checkpoint=checkpoint),
  )
  data = (jnp.ones((25, 10, 1)), jnp.ones((25, 10, 1)))
  theta = made.init(key, params)
  compiled = jax.jit(made.grads).lower(theta, (data, data)).compile()
  return compiled.memory_analysis().temp_size_in_bytes


def test_checkpointed_memory_of_100_steps_is_at_most_twice_that_of_10():
  short, long = (_temporary_bytes(steps, True) for steps in (10, 100))
  plain = _temporary_bytes(100, False)
  assert long <= 2 * short, (short, long)
  assert plain > 2 * long, (plain, long)


def test_first_order_is_exact_where_the_hessian_vanishes(x64):
  """A support loss that is linear in the parameters; and only there."""

  def linear(params, data):
    x, y = data
    return jnp.mean(y * (x @ params["w"])) + jnp.sum(params["b"])

  def curved(params, data):
    x, y = data
    return jnp.mean((x @ params["w"] + params["b"] - y) ** 2)

  rng = np.random.default_rng(0)
  data = [jnp.asarray(rng.standard_normal((3, 8, 2))) for _ in range(2)]
  data = [(x, x[..., 0] - 2.0) for x in data]
  params = {"w": jnp.asarray([0.3, -0.2]), "b": jnp.asarray([0.1])}
  for loss, same in ((linear, True), (curved, False)):
    grads = []
    for gradient in (meta_gradients.unrolled(), meta_gradients.first_order()):
      made = learner.Learner(
        loss, optimizers.sgd(0.1), 3, gradient, query_loss=curved
      )
      theta = problems.double(made.init(jax.random.key(0), params))
      grads.append(_flat(made.grads(theta, tuple(data))[0]))
    assert np.allclose(*grads, rtol=1e-12) == same


def test_reptile_is_the_way_back_from_the_end_of_the_inner_loop(x64):
  loss, params, tasks = problems.PROBLEMS["mlp"]()
  made = learner.Learner(
    loss, optimizers.sgd(0.05), 4, meta_gradients.reptile()
  )
  theta = problems.double(made.init(jax.random.key(0), params))
  grads, metrics = made.grads(theta, tasks)
  ends = jax.vmap(lambda s, q: made.adapt(theta, s, q))(*tasks)
  expected = jax.tree.map(lambda a, b: a - b.mean(0), params, ends.params)
  np.testing.assert_allclose(_flat(grads["start"]), _flat(expected), atol=1e-14)
  np.testing.assert_array_equal(_flat(grads["meta"]), 0.0)
  np.testing.assert_allclose(metrics["loss"], ends.query_losses[:, -1].mean())


def test_evolution_finds_the_unrolled_gradient_of_a_quadratic(x64):
  """There smoothing shifts the loss by a constant, so nothing is biased."""

  def loss(params, data):
    return jnp.mean((data[0] @ params["w"] - data[1]) ** 2)

  rng = np.random.default_rng(1)
  x = jnp.asarray(rng.standard_normal((4, 6, 3)))
  tasks = ((x, x[..., 0]), (x[:, ::-1], x[:, ::-1, 0]))
  params = {"w": jnp.asarray([1.0, -1.0, 0.5])}
  found = []
  for gradient in (
    meta_gradients.unrolled(),
    meta_gradients.evolution(0.1, 3000),
  ):
    made = learner.Learner(loss, optimizers.fixed(optax.sgd(0.1)), 5, gradient)
    theta = made.init(jax.random.key(0), params)
    found.append(_flat(made.grads(theta, tasks, jax.random.key(1))[0]))
  exact, estimate = found
  # The spread of the estimate is |g| sqrt((N + 1) / draws) = 0.018 |g|.
  error = np.linalg.norm(estimate - exact) / np.linalg.norm(exact)
  assert error < 0.06


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
