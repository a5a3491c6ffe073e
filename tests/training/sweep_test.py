"""The sweep is teacher forcing: the same loss, gradient and teacher."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raml_jax.models import attention
from raml_jax.tasks import regression
from raml_jax.training import objectives
from raml_jax.training import sources
from raml_jax.training import sweep
from raml_jax.training import teachers

D, SIZE = 4, 6


def _task(**changes):
  return regression.LinearRegression(jnp.eye(D), d=D, n=7, **changes)


def _grads(objective, params, batch):
  grads, metrics, _ = objective.grads(params, (), batch, None)
  return grads, metrics["loss"]


@pytest.mark.parametrize("moments_only", [True, False])
@pytest.mark.parametrize("steps", [1, 5])
def test_loss_and_gradient_are_those_of_the_model_by_autodiff(
  x64, moments_only, steps
):
  task = _task(noise=0.5, moments_only=moments_only)
  episodes = task.sample(jax.random.key(0), SIZE)
  # Any path will do, not only one that descends.
  path = jax.random.normal(jax.random.key(1), (SIZE, steps + 1, D))
  model = attention.linear_attention(D, init_scale=0.3)
  params = model.init(jax.random.key(2))
  got = _grads(sweep.imitation(), params, (episodes, path))
  expected = _grads(objectives.imitation(model), params, (episodes, path))
  assert jax.tree.structure(got) == jax.tree.structure(expected)
  for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected)):
    np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def test_each_task_is_divided_by_its_own_number_of_pairs(x64):
  episodes = _task().sample(jax.random.key(0), SIZE)
  support = dataclasses.replace(episodes.support, n=jnp.arange(1.0, SIZE + 1.0))
  batch = (
    dataclasses.replace(episodes, support=support),
    jax.random.normal(jax.random.key(1), (SIZE, 4, D)),
  )
  model = attention.linear_attention(D, init_scale=0.3)
  params = model.init(jax.random.key(2))
  _, got = _grads(sweep.imitation(), params, batch)
  _, expected = _grads(objectives.imitation(model), params, batch)
  np.testing.assert_allclose(got, expected, rtol=1e-10)


def test_its_teacher_is_the_linear_teacher(x64):
  p_DxD = jax.random.normal(jax.random.key(3), (D, D)) / 4
  task, key = _task(noise=0.5), jax.random.key(4)
  episodes, got = sweep.Taught(task, p_DxD, 5, SIZE).batch(key)
  source = sources.Taught(task, {"P": p_DxD}, teachers.linear, 5, SIZE)
  same, expected = source.batch(key)
  np.testing.assert_array_equal(episodes.latent_D, same.latent_D)
  np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
