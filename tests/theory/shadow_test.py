"""A shadow stands where the other stood, with a memory of the other's path."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raml_jax.inner import maml
from raml_jax.inner import optimizers
from raml_jax.models import attention
from raml_jax.models import reasoners
from raml_jax.tasks import regression
from raml_jax.theory import observe
from raml_jax.theory import shadow

D, STEPS = 4, 4


@pytest.fixture(scope="module")
def observed():
  """Of a chain of thought that is no rule at all."""
  model = attention.linear_attention(D, init_scale=0.3)
  task = regression.LinearRegression(jnp.eye(D), d=D, n=8)
  who = reasoners.reasoner(model), model.init(jax.random.key(0))
  support = task.sample(jax.random.key(1), 6).support
  found = observe.observe(*who, support, STEPS, jax.random.key(2), (0.5, 2.0))
  return who, found


def test_the_shadow_of_oneself_does_the_same_everywhere(observed):
  (reasoner, params), (found, _) = observed
  got = shadow.updates(reasoner, params, found, STEPS)
  np.testing.assert_allclose(got, found.update_BxTxD, rtol=1e-4, atol=1e-6)


def test_heavy_ball_remembers_the_gradients_of_the_others_places(observed):
  _, (found, path) = observed
  alpha, mu = 0.2, 0.7
  rule = optimizers.momentum(alpha, mu)
  params = {"start": jnp.zeros(D), "meta": rule.init(None, None, 1)}
  got = shadow.updates(maml.reasoner(rule), params, found, STEPS)
  s = np.asarray(found.support.gram_ExE, np.float64)
  w = np.asarray(found.w_BxTxD, np.float64)
  for b in range(len(w)):
    gradient = lambda x, s=s[b]: s[:-1, :-1] @ x - s[:-1, -1]
    trace, before = np.zeros(D), []
    for t in range(STEPS):
      before.append(trace)
      trace = gradient(w[b, t]) + mu * trace
      np.testing.assert_allclose(
        got[b, t], -alpha * trace, rtol=1e-3, atol=1e-5
      )
    # Without history, then after half of the steps.
    for t, past in enumerate([np.zeros(D)] * 2 + [before[STEPS // 2]] * 2):
      place = STEPS + t
      expected = -alpha * (gradient(w[b, place]) + mu * past)
      np.testing.assert_allclose(got[b, place], expected, rtol=1e-3, atol=1e-5)


def test_one_scale_for_all_places_fitted_on_the_other_tasks():
  rng = np.random.default_rng(0)
  v = jnp.asarray(rng.standard_normal((40, 3, D)))
  sizes = jnp.array([1.0, 10.0, 0.1])[None, :, None]
  share_T, c = shadow.unexplained(-2.5 * sizes * v, sizes * v)
  assert float(c) == pytest.approx(-2.5, rel=1e-5)
  np.testing.assert_allclose(share_T, 0.0, atol=1e-10)
  # Every place counts alike: two of three ask for 1, one for 4.
  wanted = jnp.array([1.0, 1.0, 4.0])[None, :, None] * sizes * v
  share_T, c = shadow.unexplained(wanted, sizes * v)
  weights = np.array([1.0, 1.0, 1 / 16])
  expected = (weights * [1.0, 1.0, 4.0]).sum() / weights.sum()
  assert float(c) == pytest.approx(expected, rel=1e-3)
  # Even tasks say 1; on the odd ones, which ask for 2, a quarter is left.
  odd_doubled = v.at[1::2].multiply(2.0)
  share_T, c = shadow.unexplained(odd_doubled, v)
  assert float(c) == pytest.approx(1.0, rel=1e-5)
  np.testing.assert_allclose(share_T, 0.25, rtol=1e-4)


def test_updates_that_have_nothing_in_common_are_left_whole():
  key_u, key_v = jax.random.split(jax.random.key(0))
  u = jax.random.normal(key_u, (2000, 2, D))
  v = jax.random.normal(key_v, (2000, 2, D))
  share_T, c = shadow.unexplained(u, v)
  np.testing.assert_allclose(share_T, 1.0, atol=0.02)
  assert abs(float(c)) < 0.1


def test_free_running_distance_leaves_out_the_common_start():
  path = jnp.zeros((2, 3, D)).at[:, 1:].set(1.0).at[:, 0].set(7.0)
  other = path.at[:, 1:].add(0.5)
  assert float(shadow.free_running(path, other)) == pytest.approx(0.25)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
