"""Every rule, run as a reasoner, is named for what it is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raml_jax.tasks import regression
from raml_jax.theory import fitting
from raml_jax.theory import measure
from raml_jax.theory import observe
from raml_jax.theory import rules

D, K, S, B = 6, 5, 2, 96
SCALES = (0.3, 1.0, 3.0)


@pytest.fixture(scope="module")
def episodes():
  task = regression.LinearRegression(jnp.eye(D), d=D, n=12)
  drawn = measure.evaluation_tasks(task, jax.random.key(1), S, B)
  support = regression.with_spectrum(drawn.support)
  return type(drawn)(support, drawn.query, drawn.latent_D)


def _stacked(theta):
  return jax.tree.map(lambda a: jnp.stack([jnp.asarray(a)] * S), theta)


def _measured(name, episodes):
  rule = rules.TABLE[name]
  return measure.measure(
    rules.reasoner(rule),
    _stacked(rule.example(D, K)),
    episodes,
    K,
    jax.random.key(2),
    SCALES,
  )


@pytest.mark.parametrize("name", rules.TABLE)
def test_the_confusion_matrix_is_diagonal(name, episodes):
  found = _measured(name, episodes)
  assert list(found["named_S"]) == [name] * S
  own = list(rules.TABLE).index(name)
  assert found["rivals_SxR"][:, own].max() < 1e-3
  if name != "adaptive":
    assert found["free_running_SxR"][:, own].max() < 1e-3


def test_gradient_descent_has_equal_coefficients_and_no_memory(episodes):
  found = _measured("gradient", episodes)
  np.testing.assert_allclose(found["a_S"], 0.3, rtol=1e-4)
  np.testing.assert_allclose(found["ratio_S"], 0.0, atol=1e-4)
  assert found["unexplained_S"].max() < 1e-6
  assert found["history_S"].max() < 1e-8
  assert found["swapped_S"].max() < 1e-6
  assert found["anisotropy_S"].max() < 1e-3
  np.testing.assert_allclose(found["cosine_SxK"], 1.0, atol=1e-4)
  np.testing.assert_allclose(found["norm_ratio_SxK"], 0.3, rtol=1e-3)


def test_interventions_see_a_shrunk_iterate(episodes):
  found = _measured("shrunk", episodes)
  np.testing.assert_allclose(found["ratio_S"], 0.775 - 1.0, atol=1e-3)
  assert found["unexplained_S"].min() > 0.01


def test_momentum_is_seen_in_history_and_not_in_fresh_answers(episodes):
  found = _measured("momentum", episodes)
  assert found["history_S"].min() > 0.01
  scales = len(SCALES)
  fresh = found["unexplained_SxT"][:, :scales]
  np.testing.assert_allclose(found["eta_SxK"][:, 0], 0.2, rtol=1e-3)
  assert fresh.max() < found["unexplained_SxT"][:, scales:].min()


def test_the_preconditioner_and_its_anisotropy_are_recovered(episodes):
  found = _measured("preconditioned", episodes)
  p = np.diag(np.linspace(0.15, 0.45, D))
  np.testing.assert_allclose(found["P_SxDxD"], np.stack([p] * S), atol=1e-3)
  off = np.linalg.norm(p - np.trace(p) / D * np.eye(D)) / np.linalg.norm(p)
  np.testing.assert_allclose(found["anisotropy_S"], off, rtol=1e-2)


def test_fits_use_one_half_of_the_tasks_and_scores_the_other(episodes):
  observed, _ = observe.observe(
    rules.reasoner(rules.TABLE["gradient"]),
    {"eta": 0.3},
    jax.tree.map(lambda a: a[0], episodes.support),
    K,
    jax.random.key(0),
    SCALES,
  )
  fit_on, score_on = observe.split(observed)
  both = np.concatenate([fit_on.w_BxTxD, score_on.w_BxTxD])
  assert len(fit_on.w_BxTxD) == len(score_on.w_BxTxD) == B // 2
  assert len(np.unique(both[:, -1], axis=0)) == B


def test_the_simplest_rule_within_the_tie_is_named():
  counts = {"gradient": 1, "shrunk": 2, "preconditioned": 36}
  name = fitting.simplest_adequate
  tied = {"gradient": 0.012, "shrunk": 0.011, "preconditioned": 0.003}
  assert name(tied, counts) == "gradient"
  apart = {"gradient": 0.04, "shrunk": 0.011, "preconditioned": 0.003}
  assert name(apart, counts) == "shrunk"
  hopeless = {"gradient": 0.9, "shrunk": 0.8, "preconditioned": 0.3}
  assert name(hopeless, counts) == fitting.NOBODY
  broken = {"gradient": np.nan, "shrunk": 0.001, "preconditioned": np.inf}
  assert name(broken, counts) == "shrunk"


def test_divergence_is_a_result(episodes):
  rule = rules.TABLE["gradient"]
  found = measure.errors(
    rules.reasoner(rule), _stacked({"eta": 50.0}), episodes, 200
  )
  assert np.isfinite(found["error_SxK"]).all()
  assert (found["diverged_at_S"] == 1).all()
  fine = measure.errors(
    rules.reasoner(rule), _stacked({"eta": 0.2}), episodes, 20
  )
  assert (fine["diverged_at_S"] == -1).all()


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
