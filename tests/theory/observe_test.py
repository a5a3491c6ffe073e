"""Interventions replace what they say and nothing else."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raml_jax.models import attention
from raml_jax.models import reasoners
from raml_jax.tasks import regression
from raml_jax.theory import observe

D = 4


@pytest.fixture(scope="module")
def setting():
  model = attention.linear_attention(D, init_scale=0.3)
  task = regression.LinearRegression(jnp.eye(D), d=D, n=8)
  return (
    reasoners.reasoner(model),
    model.init(jax.random.key(0)),
    task.sample(jax.random.key(1), 6).support,
  )


def test_putting_back_the_own_iterate_changes_nothing(setting):
  path = observe.paths(*setting, 4)
  update = observe.intervene(*setting, path[:, 2][:, None], 2)[:, 0]
  np.testing.assert_allclose(update, path[:, 3] - path[:, 2], atol=1e-6)


def test_fresh_answers_have_no_history_and_real_ones_do(setting):
  observed, path = observe.observe(*setting, 4, jax.random.key(2), (1.0,))
  assert observed.places == (
    "step 0",
    "step 1",
    "step 2",
    "step 3",
    "fresh 1",
    "real 1",
  )
  fresh, real = observed.update_BxTxD[:, 4], observed.update_BxTxD[:, 5]
  assert np.abs(fresh - real).max() > 1e-4
  np.testing.assert_array_equal(observed.previous_BxTxD[:, 5], path[:, 1])
  np.testing.assert_array_equal(observed.w_BxTxD[:, 4], observed.w_BxTxD[:, 5])


def test_relabelling_keeps_the_inputs_and_changes_the_labels(setting):
  support = jax.tree.map(lambda a: a[0], setting[2])
  w = jnp.arange(4.0)
  got = observe.relabel(support, w)
  x = np.asarray(support.pairs.x_NxD)
  xy = np.concatenate([x, (x @ np.arange(4.0))[:, None]], axis=1)
  np.testing.assert_allclose(got.gram_ExE, xy.T @ xy / 8, rtol=1e-4, atol=1e-5)
  np.testing.assert_allclose(got.pairs.y_N, xy[:, -1], rtol=1e-5)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
