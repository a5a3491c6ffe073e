"""Rivals are the rules they are called, and tuning finds the best of them."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raml_jax.config import learned_optimizer as config_lib
from raml_jax.studies.learned_optimizer import curves
from raml_jax.studies.learned_optimizer import problems
from raml_jax.studies.learned_optimizer import rivals
from tests.studies.learned_optimizer import small

STEPS = 6


def _sgd(g, state, alpha):
  return -alpha * g, state


def _momentum(g, m, alpha, mu):
  m = g + mu * m
  return -alpha * m, m


def _nesterov(g, m, alpha, mu):
  m = g + mu * m
  return -alpha * (g + mu * m), m


def _rmsprop(g, v, alpha, decay):
  v = decay * v + (1 - decay) * g**2
  return -alpha * g / np.sqrt(v + 1e-8), v


def _adam(g, state, alpha, b1, b2):
  t, m, v = state if isinstance(state, tuple) else (0, 0.0, 0.0)
  t, m, v = t + 1, b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
  root = np.sqrt(v / (1 - b2**t)) + 1e-8
  return -alpha * m / (1 - b1**t) / root, (t, m, v)


NUMPY = {
  "sgd": (_sgd, {"alpha": 0.02}),
  "momentum": (_momentum, {"alpha": 0.02, "mu": 0.7}),
  "nesterov": (_nesterov, {"alpha": 0.02, "mu": 0.7}),
  "rmsprop": (_rmsprop, {"alpha": 0.1, "decay": 0.8}),
  "adam": (_adam, {"alpha": 0.1, "b1": 0.8, "b2": 0.9}),
}


@pytest.fixture(scope="module")
def setting():
  config = small.config()
  problem = problems.quadratics(config)
  return config, problem, problem.task.sample(jax.random.key(0), 5)


def test_the_table_has_the_names_of_the_config():
  assert tuple(rivals.TABLE) == config_lib.RIVALS == tuple(NUMPY)


@pytest.mark.parametrize("name", NUMPY)
def test_its_curve_is_that_of_the_rule_in_numpy(setting, name):
  _, problem, episodes = setting
  rule, numbers = NUMPY[name]
  meta = {k: jnp.float32(v) for k, v in numbers.items()}
  got = jax.jit(
    jax.vmap(
      lambda e: curves.one_task(rivals.TABLE[name], problem, meta, e, STEPS)
    )
  )(episodes)["loss"]
  pairs = jax.tree.map(lambda a: np.asarray(a, np.float64), episodes.support)
  for b in range(5):
    w, y = pairs.x_NxD[b], pairs.y_N[b]
    x, state = np.asarray(episodes.latent_D[b], np.float64), 0.0
    expected = [np.sum((w @ x - y) ** 2)]
    for _ in range(STEPS):
      update, state = rule(2 * w.T @ (w @ x - y), state, **numbers)
      x = x + update
      expected.append(np.sum((w @ x - y) ** 2))
    np.testing.assert_allclose(got[b], expected, rtol=2e-3)


def test_a_task_that_diverges_counts_as_ten_times_its_first_loss():
  values = jnp.array([[1.0, 0.5, 9.0], [2.0, 30.0, 1.0], [1.0, jnp.nan, 0.1]])
  got, gone = curves.capped(values)
  np.testing.assert_allclose(
    got, [[1.0, 0.5, 9.0], [2.0, 20.0, 1.0], [1.0, 10.0, 0.1]]
  )
  assert gone.tolist() == [
    [False, False, False],
    [False, True, False],
    [False, True, False],
  ]


def test_tuning_finds_the_step_size_that_has_a_closed_form(setting):
  """One step of SGD from theta_0, the loss after it a parabola in alpha."""
  config, problem, episodes = setting
  x = np.asarray(episodes.latent_D, np.float64)
  pairs = jax.tree.map(lambda a: np.asarray(a, np.float64), episodes.support)
  r = np.einsum("bnd,bd->bn", pairs.x_NxD, x) - pairs.y_N
  g = 2 * np.einsum("bnd,bn->bd", pairs.x_NxD, r)
  wg = np.einsum("bnd,bd->bn", pairs.x_NxD, g)
  exact = (r * wg).sum() / (wg**2).sum()
  wanted = {"first": lambda found: found["loss"][:, 1]}
  tune = dataclasses.replace(config.tune, points=41)
  got = rivals.best("sgd", wanted, tune, problem, episodes, 1)
  assert float(got["sgd/first/alpha"]) == pytest.approx(exact, rel=0.01)
  least = np.mean(np.sum((r - exact * wg) ** 2, axis=1))
  assert got["sgd/first/value_C"].min() == pytest.approx(least, rel=1e-3)
  assert np.all(np.diff(got["sgd/first/alpha_C"]) >= 0)


def test_the_other_numbers_are_chosen_with_it(setting):
  config, problem, episodes = setting
  wanted = {"last": lambda found: found["loss"][:, STEPS]}
  tune = dataclasses.replace(config.tune, points=9, mu=(0.0, 0.3, 0.6))
  both = {}
  for mu in (tune.mu, *[(one,) for one in tune.mu]):
    one = dataclasses.replace(tune, mu=mu)
    both[mu] = rivals.best("momentum", wanted, one, problem, episodes, STEPS)
  least = {
    mu: found["momentum/last/value_C"].min() for mu, found in both.items()
  }
  together = both[tune.mu]
  apart = min(tune.mu, key=lambda mu: least[(mu,)])
  assert least[tune.mu] <= 1.05 * least[(apart,)]
  assert rivals.chosen(together, "momentum", "last").keys() == {"alpha", "mu"}
  plain = rivals.best("sgd", wanted, tune, problem, episodes, STEPS)
  np.testing.assert_allclose(
    plain["sgd/last/value_C"].min(), least[(0.0,)], rtol=1e-5
  )


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
