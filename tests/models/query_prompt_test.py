"""von Oswald's query-token prompt: the layer, Prop. 1 and the invariances."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raml_jax import base
from raml_jax.models import query_prompt
from raml_jax.tasks import regression

D, N = 4, 6


def episodes(batch, n=N, d=D, seed=0):
  """His setting: x ~ U(-.5, .5)^d, w ~ N(0, I), no noise."""
  task = regression.LinearRegression(
    jnp.eye(d), scale=0.5, d=d, n=n, queries=1, law="uniform"
  )
  return task.sample(jax.random.key(seed), batch)


def one_episode():
  rng = np.random.default_rng(0)
  x_NxD, y_N = rng.normal(size=(N, D)), rng.normal(size=N)
  support = regression.support_of(base.Pairs(*map(jnp.asarray, (x_NxD, y_N))))
  return support, x_NxD, y_N, rng.normal(size=D)


def random_params(seed=1):
  rng = np.random.default_rng(seed)
  return {k: jnp.asarray(rng.normal(size=(D + 1, D + 1))) for k in ("V", "W")}


def losses(params, tasks):
  """0.5 * MSE on the query."""
  predict = jax.vmap(query_prompt.predict, in_axes=(None, 0, 0))
  guess_B = predict(params, tasks.support, tasks.query.x_NxD[:, 0])
  return 0.5 * jnp.mean((guess_B - tasks.query.y_N[:, 0]) ** 2)


def test_prediction_is_minus_the_label_row_of_the_updated_query(x64):
  """Agrees with attention summed token by token, the query not its own key."""
  params = random_params()
  support, x_NxD, y_N, x_D = one_episode()
  v_ExE, w_ExE = np.asarray(params["V"]), np.asarray(params["W"])
  query_E = np.append(x_D, 0.0)
  updated_E = query_E.copy()
  for x_i_D, y_i in zip(x_NxD, y_N, strict=True):
    token_E = np.append(x_i_D, y_i)
    updated_E += (v_ExE @ token_E) * (token_E @ w_ExE @ query_E) / N
  got = query_prompt.predict(params, support, jnp.asarray(x_D))
  np.testing.assert_allclose(got, -updated_E[-1], rtol=1e-12)


def test_construction_is_one_step_of_gradient_descent_from_zero(x64):
  """Prop. 1, against the gradient of the squared error by autodiff."""
  support, x_NxD, y_N, x_D = one_episode()
  loss = lambda w_D: 0.5 * jnp.mean((x_NxD @ w_D - y_N) ** 2)
  w_1_D = -0.7 * jax.grad(loss)(jnp.zeros(D))
  params = query_prompt.construction(0.7, D)
  got = query_prompt.predict(params, support, jnp.asarray(x_D))
  np.testing.assert_allclose(got, w_1_D @ x_D, rtol=1e-12)


def test_canonical_form_keeps_the_function_and_is_unique(x64):
  """(s V, W / s) with other invisible entries has the same canonical form."""
  params = random_params()
  support, _, _, x_D = one_episode()
  x_D = jnp.asarray(x_D)
  form = query_prompt.canonical(params)
  np.testing.assert_allclose(
    query_prompt.predict(form, support, x_D),
    query_prompt.predict(params, support, x_D),
    rtol=1e-12,
  )
  np.testing.assert_allclose(form["V"][-1, -1], -1.0, rtol=1e-12)
  other = {"V": -3.0 * params["V"], "W": params["W"] / -3.0}
  other["V"] = other["V"].at[:-1].set(5.0)
  other["W"] = other["W"].at[:, -1].set(5.0)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12),
    query_prompt.canonical(other),
    form,
  )
  exact = query_prompt.construction(0.7, D)
  jax.tree.map(
    np.testing.assert_array_equal, query_prompt.canonical(exact), exact
  )


def test_interpolation_between_equal_functions_stays_at_that_function(x64):
  """The plain straight line does not: half-way it predicts zero."""
  params = random_params()
  support, _, _, x_D = one_episode()
  x_D = jnp.asarray(x_D)
  other = jax.tree.map(jnp.negative, params)
  middle = query_prompt.interpolate(params, other, 0.5)
  np.testing.assert_allclose(
    query_prompt.predict(middle, support, x_D),
    query_prompt.predict(params, support, x_D),
    rtol=1e-12,
  )
  plain = jax.tree.map(lambda a, b: 0.5 * (a + b), params, other)
  assert query_prompt.predict(plain, support, x_D) == 0.0


def test_the_best_step_and_its_loss_have_a_closed_form():
  """The reference of N = d = 10: eta 6.06, loss .2062, zero predictor .4167.

  With variance s = 1/12 and fourth moment 1/80 of each input, E S = s I and
  E S^2 = m I, so the loss is (d / 2) (s - 2 eta s^2 + eta^2 s m).
  """
  d, n, s = 10, 10, 1 / 12
  m = (1 / 80 + (d - 1) * s**2 + (n - 1) * s**2) / n
  tasks = episodes(60_000, n, d)
  loss = jax.jit(losses)
  for eta in (0.0, s / m, 1.5 * s / m):
    want = d / 2 * (s - 2 * eta * s**2 + eta**2 * s * m)
    got = loss(query_prompt.construction(eta, d), tasks)
    np.testing.assert_allclose(got, want, rtol=0.02)
  best = d / 2 * (s - s**3 / m)
  np.testing.assert_allclose([s / m, best], [6.0606, 0.20623], rtol=1e-4)


def test_gradients_reach_every_visible_entry_and_no_other():
  """All entries may be trained; the invisible ones then stay where they are."""
  params = query_prompt.init(jax.random.key(0), D)
  gradient = jax.jit(jax.grad(losses))(params, episodes(64))
  last_row = np.arange(D + 1)[:, None] == D
  np.testing.assert_array_equal(
    gradient["V"] != 0, np.broadcast_to(last_row, (D + 1, D + 1))
  )
  np.testing.assert_array_equal(
    gradient["W"] != 0, np.broadcast_to(~last_row.T, (D + 1, D + 1))
  )


if __name__ == "__main__":
  sys.exit(pytest.main([__file__]))
