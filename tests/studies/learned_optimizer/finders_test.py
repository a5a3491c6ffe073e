"""Claims stand on the numbers that they name."""

import numpy as np
import pytest

from raml_jax.config import learned_optimizer as config_lib
from raml_jax.studies import claims
from raml_jax.studies.learned_optimizer import finders
from raml_jax.studies.learned_optimizer import summaries
from tests.studies.learned_optimizer import small

SEEDS, NAMES = 3, ("learned", "sgd", "adam")


@pytest.fixture(scope="module")
def config():
  return small.config()


def _curve(rate, steps, rng):
  """2 rate^t, and a little of the seed."""
  noise = rng.uniform(0.99, 1.01, (SEEDS, 1))
  return 2.0 * noise * rate ** np.arange(steps + 1)


def _results(config, rates, distances):
  """Losses that fall at given rates, chains at given distances."""
  rng = np.random.default_rng(0)
  steps = config.measure.beyond * config.length
  curves = {
    f"{name}/loss_SxT": _curve(rates.get(name, 1.0), steps, rng)
    for name in ("learned", "other_problem", "untrained")
  }
  for name in config_lib.RIVALS:
    for criterion in ("area", "final"):
      curve = _curve(rates.get(name, 0.9), steps, rng)
      curves[f"{name}/{criterion}/loss_SxT"] = curve
  out = {"quadratics/curves": curves, "regression/curves": curves}
  for chain in ("imitation", "untrained", "outcome_full_k2"):
    wobble = rng.uniform(0.99, 1.01, (SEEDS, 1))
    values = wobble * np.array([distances])
    kinds = ("path", "interventions", "free", "other", "shuffled")
    out[f"chains/{chain}"] = {f"{kind}_SxR": values for kind in kinds}
    out[f"chains/{chain}"]["names_R"] = np.array(NAMES)
  return out


def _verdicts(config, results):
  rows = claims.decide(config.claims, finders.TABLE, 8, config, results)
  return {row["id"]: row["verdict"] for row in rows}


def test_a_rule_that_is_better_everywhere_is_called_so(config):
  found = _verdicts(config, _results(config, {"learned": 0.5}, (0.1, 0.4, 0.2)))
  assert set(found.values()) == {"supported"}
  assert set(found) == {
    "cot-update-nearest-rule",
    "generalises-past-unroll",
    "generalises-past-unroll-on-regression",
    "learned-beats-tuned",
    "learned-beats-tuned-on-regression",
  }


def test_one_better_rival_refutes(config):
  rates = {"learned": 0.5, "rmsprop": 0.4}
  found = _verdicts(config, _results(config, rates, (0.4, 0.1, 0.2)))
  assert found["learned-beats-tuned"] == "refuted"
  assert found["generalises-past-unroll"] == "refuted"
  assert found["cot-update-nearest-rule"] == "refuted"


def test_a_rule_that_rises_past_its_training_does_not_generalise(config):
  results = _results(config, {"learned": 0.5}, (0.1, 0.4, 0.2))
  curves = results["quadratics/curves"] = dict(results["quadratics/curves"])
  risen = curves["learned/loss_SxT"].copy()
  risen[:, config.length + 1 :] = 1.1 * risen[:, [config.length]]
  curves["learned/loss_SxT"] = risen
  found = _verdicts(config, results)
  assert found["learned-beats-tuned"] == "supported"
  assert found["generalises-past-unroll"] == "refuted"
  assert found["generalises-past-unroll-on-regression"] == "supported"


def test_nearer_is_the_logarithm_of_learned_over_descent():
  found = {
    "names_R": np.array(["sgd", "learned"]),
    "path_SxR": np.array([[0.2, 0.02], [0.0, 0.1]]),
  }
  np.testing.assert_allclose(finders.nearer(found, "path"), [-1.0, 11.0])


def test_rounding_does_not_count():
  got = summaries.log_ratio(np.array([1e-15, 1e-3]), np.array([1e-18, 0]), 1e-9)
  np.testing.assert_allclose(got, [0.0, 6.0])


def test_the_area_leaves_out_the_start_and_what_is_beyond():
  loss = np.array([[100.0, 3.0, 1.0, 50.0]])
  assert summaries.area(loss, 2).tolist() == [2.0]


def test_the_best_rival_is_that_of_its_own_criterion():
  curves = {}
  for name in config_lib.RIVALS:
    for criterion in ("area", "final"):
      curves[f"{name}/{criterion}/loss_SxT"] = np.array([[9.0, 5.0, 5.0]])
  curves["adam/area/loss_SxT"] = np.array([[9.0, 1.0, 6.0]])
  curves["sgd/final/loss_SxT"] = np.array([[9.0, 8.0, 4.0]])
  assert summaries.best_rival(curves, "area", 2) == "adam"
  assert summaries.best_rival(curves, "final", 2) == "sgd"


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
