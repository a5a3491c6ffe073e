"""Objectives are the losses they say, and their gradients are exact."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raml_jax.inner import maml
from raml_jax.inner import optimizers
from raml_jax.models import attention
from raml_jax.models import reasoners
from raml_jax.tasks import regression
from raml_jax.training import objectives
from raml_jax.training import sources
from raml_jax.training import teachers

D, N = 4, 8


def _task(**changes):
  return regression.LinearRegression(jnp.eye(D), d=D, n=N, **changes)


def _grads(objective, params, batch):
  extra = objective.init_extra(params)
  grads, metrics, _ = objective.grads(params, extra, batch, jax.random.key(0))
  return grads, metrics["loss"]


def test_imitation_of_gradient_descent_is_zero_at_the_construction():
  source = sources.Taught(
    _task(), {"P": 0.3 * jnp.eye(D)}, teachers.linear, 3, 16
  )
  model = attention.linear_attention(D)
  params = attention.construction(-0.3 * jnp.eye(D), jnp.eye(D))
  batch = source.batch(jax.random.key(1))
  _, loss = _grads(objectives.imitation(model), params, batch)
  assert loss < 1e-10
  wrong = attention.construction(-0.2 * jnp.eye(D), jnp.eye(D))
  _, loss = _grads(objectives.imitation(model), wrong, batch)
  assert loss > 1e-3


def test_imitation_counts_the_rows_that_carry_no_weights():
  """A model that writes into the last row of its token pays for it."""
  source = sources.Taught(
    _task(), {"P": 0.3 * jnp.eye(D)}, teachers.linear, 3, 16
  )
  model = attention.linear_attention(D)
  params = attention.construction(-0.3 * jnp.eye(D), jnp.eye(D))
  v = params["layer_0"]["V"].at[-1, 0].set(0.5)
  params = {"layer_0": {**params["layer_0"], "V": v}}
  batch = source.batch(jax.random.key(1))
  assert _grads(objectives.imitation(model), params, batch)[1] > 1e-3


def test_outcome_judges_the_last_iterate_and_one_step_is_direct():
  model = attention.linear_attention(D)
  eta = N / (N + D + 1)
  params = attention.construction(-eta * jnp.eye(D), jnp.eye(D))
  batch = _task().sample(jax.random.key(2), 20_000)
  objective = objectives.outcome(reasoners.reasoner(model), 1)
  _, loss = _grads(objective, params, batch)
  assert loss == pytest.approx(D * (D + 1) / (N + D + 1), rel=0.03)


def test_query_loss_is_used_where_there_are_queries():
  model = attention.linear_attention(D)
  params = attention.construction(-0.2 * jnp.eye(D), jnp.eye(D))
  batch = _task(queries=5).sample(jax.random.key(3), 8)
  objective = objectives.outcome(reasoners.reasoner(model), 2)
  w = np.zeros((8, D))
  for b in range(8):
    x, y = (
      np.asarray(a)[b]
      for a in (batch.support.pairs.x_NxD, batch.support.pairs.y_N)
    )
    for _ in range(2):
      w[b] -= 0.2 * x.T @ (x @ w[b] - y) / N
  predicted = np.einsum("bmd,bd->bm", batch.query.x_NxD, w)
  expected = np.mean((predicted - np.asarray(batch.query.y_N)) ** 2)
  assert _grads(objective, params, batch)[1] == pytest.approx(expected, 1e-4)


def test_a_mask_keeps_parameters_where_they_are():
  model = attention.linear_attention(D)
  params = model.init(jax.random.key(4))
  mask = attention.restricted_mask(D)
  batch = _task().sample(jax.random.key(5), 8)
  objective = objectives.outcome(reasoners.reasoner(model), 2, mask)
  grads, _ = _grads(objective, params, batch)
  for name in ("V", "W"):
    outside = np.asarray(grads["layer_0"][name]) * (1 - mask["layer_0"][name])
    assert np.abs(outside).max() == 0.0
    assert np.abs(grads["layer_0"][name]).max() > 0.0


def test_a_task_beyond_the_cap_counts_as_the_cap_and_has_no_gradient():
  model = attention.linear_attention(D)
  reasoner = reasoners.reasoner(model)
  params = model.init(jax.random.key(6))
  batch = _task().sample(jax.random.key(7), 8)
  wild = jax.tree.map(lambda a: a.at[0].mul(1e30), batch.support.gram_ExE)
  support = dataclasses.replace(batch.support, gram_ExE=wild)
  bad = dataclasses.replace(batch, support=support)
  capped = objectives.outcome(reasoner, 3, cap=50.0)
  grads, loss = _grads(capped, params, bad)
  assert np.isfinite(loss)
  rest = jax.tree.map(lambda a: a[1:], batch)
  plain = objectives.outcome(reasoner, 3)
  rest_grads, rest_loss = _grads(plain, params, rest)
  expected = (50.0 + 7 * float(rest_loss)) / 8
  assert float(loss) == pytest.approx(expected, rel=1e-5)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, 7 / 8 * b, atol=1e-6),
    grads,
    rest_grads,
  )


@pytest.mark.parametrize("variant", ["per_step", "shrunk"])
def test_maml_gradients_equal_finite_differences(variant, x64):
  rule = optimizers.named(variant, 0.3)
  params = maml.init(rule, D, 3, jax.random.key(8))
  params = jax.tree.map(lambda a: jnp.asarray(a, jnp.float64), params)
  batch = jax.tree.map(
    lambda a: jnp.asarray(np.asarray(a, np.float64)),
    _task().sample(jax.random.key(9), 4),
  )
  objective = objectives.outcome(maml.reasoner(rule), 3)
  flat, unravel = jax.flatten_util.ravel_pytree(params)
  grads, _ = _grads(objective, params, batch)
  exact = jax.flatten_util.ravel_pytree(grads)[0]
  step = 1e-5
  for i in range(0, flat.size, max(1, flat.size // 6)):
    ahead = _grads(objective, unravel(flat.at[i].add(step)), batch)[1]
    behind = _grads(objective, unravel(flat.at[i].add(-step)), batch)[1]
    slope = (ahead - behind) / (2 * step)
    np.testing.assert_allclose(exact[i], slope, rtol=1e-6, atol=1e-8)


def test_the_block_rotation_turns_every_vector_by_its_angle(x64):
  r = np.asarray(teachers.block_rotation(6, 60.0))
  np.testing.assert_allclose(r.T @ r, np.eye(6), atol=1e-6)
  v = np.random.default_rng(0).normal(size=(20, 6))
  cosine = np.einsum("bd,bd->b", v, v @ r.T) / (v**2).sum(1)
  np.testing.assert_allclose(cosine, 0.5, atol=1e-6)


def test_the_straight_path_heads_for_the_answer():
  episode = jax.tree.map(lambda a: a[0], _task().sample(jax.random.key(10), 1))
  path = teachers.straight_path({"eta": jnp.float32(0.4)}, episode, 3)
  share = 1 - 0.6 ** np.arange(4)
  np.testing.assert_allclose(
    path, share[:, None] * np.asarray(episode.latent_D), rtol=1e-5
  )


def test_teachers_are_traced_per_episode():
  path = functools.partial(teachers.heavy_ball, steps=2)
  meta = {"alpha": jnp.float32(0.2), "mu": jnp.float32(0.0)}
  episode = jax.tree.map(lambda a: a[0], _task().sample(jax.random.key(11), 1))
  plain = teachers.linear({"P": 0.2 * jnp.eye(D)}, episode, 2)
  np.testing.assert_allclose(path(meta, episode), plain, rtol=1e-5, atol=1e-6)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
