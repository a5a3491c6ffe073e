"""Windows of an unroll join into the whole, and problems end on time."""

import dataclasses

import jax
from jax import flatten_util
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from raml_jax.inner import learned
from raml_jax.inner import loop as inner_loop
from raml_jax.inner import optimizers
from raml_jax.tasks import quadratics
from raml_jax.training import loop
from raml_jax.training import sources
from raml_jax.training import truncated
from raml_jax.training import workdir as workdir_lib

D, B = 3, 4
TASK = quadratics.Quadratics(start_scale=0.5, d=D)


def _objective(rule, unroll, length):
  return truncated.objective(
    TASK,
    rule,
    quadratics.loss,
    quadratics.start,
    batch=B,
    unroll=unroll,
    length=length,
  )


def _grads(objective, meta, extra, batch):
  run = lambda *args: objective.grads(*args, None)
  options = {"xla_backend_optimization_level": 0}
  return jax.jit(run, compiler_options=options)(meta, extra, batch)


def _double(tree):
  return jax.tree.map(lambda a: jnp.asarray(np.asarray(a), jnp.float64), tree)


def _flat(tree):
  return np.asarray(flatten_util.ravel_pytree(tree)[0])


@pytest.mark.parametrize("name", ["lstm", "momentum"])
def test_one_window_of_the_whole_length_is_the_plain_unrolled_gradient(
  x64, name
):
  rules = {
    "lstm": learned.lstm(2, 3, 10.0, 0.1, first_order=False),
    "momentum": optimizers.momentum(0.01, 0.5),
  }
  rule = rules[name]
  meta = _double(rule.init(jax.random.key(0), jnp.zeros(D), 5))
  batch = _double(TASK.sample(jax.random.key(1), B))

  def plain(meta):
    def one(episode):
      loss = lambda x: quadratics.loss(x, episode.support)
      start = episode.latent_D
      return inner_loop.adapt(loss, start, rule, meta, 5).losses[1:]

    return jnp.mean(jax.vmap(one)(batch))

  objective = _objective(rule, 5, 5)
  extra = objective.init_extra(meta)
  # Whatever has been left behind by the problem before is not looked at.
  extra = jax.tree.map(lambda a: a + 1, extra)
  grads, metrics, _ = _grads(objective, meta, extra, batch)
  value, expected = jax.jit(jax.value_and_grad(plain))(meta)
  assert float(metrics["loss"]) == pytest.approx(float(value), rel=1e-12)
  np.testing.assert_allclose(_flat(grads), _flat(expected), rtol=1e-9)
  assert metrics["where/task"] == -1


def test_windows_go_on_where_the_last_one_ended_and_then_start_afresh(x64):
  rule = learned.lstm(2, 3)
  meta = _double(rule.init(jax.random.key(0), jnp.zeros(D), 6))
  batches = [_double(TASK.sample(jax.random.key(i), B)) for i in range(4)]
  objective = _objective(rule, 2, 6)
  extra, means, positions = objective.init_extra(meta), [], []
  run = jax.jit(lambda extra, batch: objective.grads(meta, extra, batch, None))
  for batch in batches:
    _, metrics, extra = run(extra, batch)
    means.append(float(metrics["loss"]))
    positions.append(int(extra.position))
  assert positions == [2, 4, 6, 2]

  def losses(batch, steps):
    def one(episode):
      loss = lambda x: quadratics.loss(x, episode.support)
      return inner_loop.adapt(loss, episode.latent_D, rule, meta, steps).losses

    return np.asarray(jax.jit(jax.vmap(one))(batch)).mean(axis=0)

  # Three windows of the first batch; the two in between are not taken up.
  whole = losses(batches[0], 6)
  expected = [whole[1:3].mean(), whole[3:5].mean(), whole[5:].mean()]
  expected.append(losses(batches[3], 2)[1:].mean())
  np.testing.assert_allclose(means, expected, rtol=1e-10)


def test_a_window_does_not_differentiate_through_the_one_before(x64):
  """Its gradient is that of its own steps, from a start that is given."""
  rule = optimizers.sgd(0.01)
  meta = _double(rule.init(jax.random.key(0), jnp.zeros(D), 2))
  batch = _double(TASK.sample(jax.random.key(1), B))
  objective = _objective(rule, 1, 2)
  _, _, extra = _grads(objective, meta, objective.init_extra(meta), batch)
  grads, _, _ = _grads(objective, meta, extra, batch)

  def second(meta):
    def one(support, x):
      g = jax.grad(quadratics.loss)(x, support)
      return quadratics.loss(x - meta["alpha"] * g, support)

    return jnp.mean(jax.vmap(one)(extra.support, extra.params))

  expected = jax.grad(second)(meta)
  np.testing.assert_allclose(grads["alpha"], expected["alpha"], rtol=1e-10)


def test_a_problem_that_diverges_is_named_with_its_task_and_inner_step():
  rule = optimizers.sgd(1.0)
  meta = rule.init(jax.random.key(0), jnp.zeros(D), 4)
  batch = TASK.sample(jax.random.key(1), B)
  x = batch.support.x_NxD.at[2].mul(1e8)
  support = dataclasses.replace(batch.support, x_NxD=x)
  batch = dataclasses.replace(batch, support=support)
  objective = _objective(rule, 4, 4)
  _, metrics, _ = _grads(objective, meta, objective.init_extra(meta), batch)
  assert metrics["where/task"] == 2
  assert metrics["where/inner step"] in (1, 2, 3)


@pytest.mark.parametrize(("unroll", "length"), [(3, 10), (0, 10), (5, 4)])
def test_lengths_that_do_not_fit_are_named(unroll, length):
  with pytest.raises(ValueError, match=f"length: {length} must be a positive"):
    _objective(optimizers.sgd(0.1), unroll, length)


def test_killed_in_the_middle_of_a_problem_it_ends_with_the_same_bits(tmp_path):
  rule = learned.lstm(1, 3, None)
  objective = _objective(rule, 2, 8)
  optimizer = optax.adam(0.01)
  task = jax.tree.map(lambda a: jnp.full(2, a), TASK)

  def phase(steps):
    return loop.Phase(
      "rule",
      lambda key: rule.init(key, jnp.zeros(D), 8),
      objective,
      sources.Episodes(task, B),
      optimizer,
      steps,
    )

  def run(steps, workdir):
    return loop.train(
      phase(steps), key=jax.random.key(3), seeds=2, chunk=3, workdir=workdir
    )

  whole = run(9, None)
  workdir = workdir_lib.open_workdir(tmp_path, {})
  part = run(6, workdir)
  assert part.extra.position.tolist() == [4, 4]
  again = run(9, workdir)
  for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(again)):
    np.testing.assert_array_equal(a, b)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
