"""The comparison sees every iterate, not the end point alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raml_jax.inner import maml
from raml_jax.inner import optimizers
from raml_jax.models import attention
from raml_jax.models import reasoners
from raml_jax.tasks import regression
from raml_jax.theory import compare

D = 5
SCALES = (0.3, 3.0)


@pytest.fixture(scope="module")
def episodes():
  task = regression.LinearRegression(jnp.eye(D), d=D, n=10, queries=3)
  return task.sample(jax.random.key(0), 32)


def _maml(variant, **meta):
  reasoner = maml.reasoner(optimizers.named(variant, 0.3))
  meta = jax.tree.map(jnp.asarray, meta)
  return reasoner, {"start": jnp.zeros(D), "meta": meta}


def _chain(a, b):
  model = attention.linear_attention(D)
  params = attention.construction(a * jnp.eye(D), b * jnp.eye(D))
  return reasoners.reasoner(model), params


def _compare(one, two, episodes, steps):
  return compare.compare(*one, *two, episodes, steps, jax.random.key(1), SCALES)


def test_the_construction_is_maml_in_every_respect(episodes):
  found = _compare(_chain(-0.3, 1.0), _maml("sgd", alpha=0.3), episodes, 4)
  for name in ("distance_K", "interventions_T", "prediction"):
    assert np.max(found[name]) < 1e-9
  np.testing.assert_allclose(found["sensitivity"], 1.0, atol=1e-5)
  np.testing.assert_allclose(found["update_cosine_K"], 1.0, atol=1e-4)


def test_the_pair_that_agrees_at_its_end_alone_is_told_apart(episodes):
  """w_2 = (a_1 + a_2) b - a_1 a_2 S b = 2 a b - a^2 beta S b."""
  alpha, beta = 0.8, 0.775
  total, product = 2 * alpha, alpha**2 * beta
  root = np.sqrt(total**2 / 4 - product)
  steps = [total / 2 - root, total / 2 + root]
  found = _compare(
    _chain(-alpha, beta), _maml("per_step", alpha=np.array(steps)), episodes, 2
  )
  assert found["distance_K"][0] > 0.05
  assert found["distance_K"][1] < 1e-8
  assert found["prediction"] < 1e-8
  assert np.min(found["interventions_T"]) > 0.01


def test_sensitivity_equals_finite_differences(episodes, x64):
  one = jax.tree.map(
    lambda a: jnp.asarray(np.asarray(a, np.float64)[:1]), episodes
  )
  reasoner, params = _maml("sgd", alpha=0.3)
  params = jax.tree.map(lambda a: jnp.asarray(a, jnp.float64), params)
  got = compare._sensitivity(reasoner, params, one, 3)[0]
  x, y = (
    np.asarray(a)[0] for a in (one.support.pairs.x_NxD, one.support.pairs.y_N)
  )
  query = np.asarray(one.query.x_NxD)[0, 0]

  def predict(flat):
    inputs = flat.reshape(x.shape)
    w = np.zeros(D)
    for _ in range(3):
      w = w - 0.3 * inputs.T @ (inputs @ w - y) / len(y)
    return w @ query

  flat, step = x.ravel(), 1e-6
  for i in range(0, flat.size, 7):
    shift = step * np.eye(flat.size)[i]
    slope = (predict(flat + shift) - predict(flat - shift)) / (2 * step)
    np.testing.assert_allclose(got[i], slope, rtol=1e-6, atol=1e-8)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
