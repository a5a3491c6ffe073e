"""The loss of chains that are read out of blank tokens."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raml_jax.models import blanks
from raml_jax.models import decoder
from raml_jax.tasks import regression
from raml_jax.training import objectives
from tests.models import gpt_oracle


def test_it_is_the_squared_error_of_whole_tokens_and_its_gradient(x64):
  """Against a loop over tasks and steps, and a finite difference."""
  model = decoder.decoder(2, 1, layers=1, heads=1, width=4)
  params = jax.tree.map(
    lambda a: a.astype(jnp.float64), model.init(jax.random.key(0))
  )
  task = regression.LinearRegression(jnp.eye(2), d=2, n=3)
  episodes = task.sample(jax.random.key(1), 2)
  w_BxTxD = jax.random.normal(jax.random.key(2), (2, 4, 2))
  batch = (episodes, w_BxTxD)
  objective = objectives.blank_imitation(model)

  run = gpt_oracle.quick(lambda p: objective.grads(p, (), batch, None))

  def loss(params):
    return run(params)[1]["loss"]

  forced = gpt_oracle.quick(functools.partial(blanks.teacher_forced, model))
  total = 0.0
  for b in range(2):
    pairs = jax.tree.map(lambda a, b=b: a[b], episodes.support.pairs)
    out, target = forced(params, pairs, w_BxTxD[b])
    total += float(np.sum((np.asarray(out) - np.asarray(target)) ** 2)) / 3
  assert float(loss(params)) == pytest.approx(total / 2, rel=1e-12)
  gradient = run(params)[0]
  way = jax.tree.map(
    lambda a: jnp.asarray(np.random.default_rng(0).normal(size=a.shape)), params
  )
  ahead, behind = (
    loss(jax.tree.map(lambda p, w, s=sign: p + s * 1e-5 * w, params, way))
    for sign in (1, -1)
  )
  want = float(ahead - behind) / 2e-5
  pairs = zip(jax.tree.leaves(gradient), jax.tree.leaves(way))
  got = sum(float(jnp.sum(g * w)) for g, w in pairs)
  assert got == pytest.approx(want, rel=1e-6)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
