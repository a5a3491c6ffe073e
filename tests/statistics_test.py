"""Intervals cover what they promise and verdicts follow their rule."""

import json

import numpy as np
import pytest
from scipy import stats

from raml_jax import statistics


def test_t_interval_is_scipys():
  values = [1.0, 2.0, 4.0, 8.0, 16.0]
  got = statistics.t_interval(values)
  low, high = stats.t.interval(
    0.95, df=4, loc=np.mean(values), scale=stats.sem(values)
  )
  np.testing.assert_allclose(got, (np.mean(values), low, high), rtol=1e-12)


def test_t_interval_covers_95_percent_at_five_seeds():
  rng = np.random.default_rng(0)
  draws = rng.normal(3.0, 2.0, size=(4000, 5))
  inside = [
    low <= 3.0 <= high
    for _, low, high in (statistics.t_interval(row) for row in draws)
  ]
  assert 0.94 < np.mean(inside) < 0.96


@pytest.mark.parametrize("values", [[1.0], [1.0, np.nan], [np.inf, 1.0]])
def test_t_interval_refuses_what_has_no_interval(values):
  with pytest.raises(ValueError, match="two finite values"):
    statistics.t_interval(values)


def test_bootstrap_interval_covers_the_mean_of_many_tasks():
  rng = np.random.default_rng(1)
  inside = []
  for seed in range(200):
    values = rng.exponential(2.0, size=400)
    _, low, high = statistics.bootstrap_interval(values, seed=seed)
    inside.append(low <= 2.0 <= high)
  assert 0.90 < np.mean(inside) < 0.99


@pytest.mark.parametrize(
  ("interval", "verdict"),
  [
    ((0.5, 0.2, 0.8), statistics.SUPPORTED),
    ((1.5, 1.2, 1.8), statistics.REFUTED),
    ((0.9, 0.7, 1.1), statistics.INCONCLUSIVE),
    ((0.5, -0.5, 1.5), statistics.INCONCLUSIVE),
  ],
)
def test_verdict_rule(interval, verdict):
  assert statistics.decide(statistics.Interval(*interval), (0, 1)) == verdict


def test_an_open_side_never_binds():
  interval = statistics.Interval(-50.0, -60.0, -40.0)
  assert statistics.decide(interval, (None, 0.01)) == statistics.SUPPORTED


def _claim(**changes):
  fields = {
    "id": "x",
    "statement": "s",
    "criterion": "c",
    "margins": {"a": (None, 1.0), "b": (0.9, 1.1)},
    "unit": "1",
    "controls": ("untrained",),
  }
  return statistics.Claim(**(fields | changes))


def test_one_refuted_part_refutes_the_claim_and_is_the_one_reported():
  parts = [
    statistics.Part("a", "here", [0.1, 0.11, 0.12]),
    statistics.Part("b", "there", [2.0, 2.01, 2.02]),
  ]
  row = statistics.judge(_claim(), parts, {"untrained": [5.0, 6.0]}, 10)
  assert row["verdict"] == "refuted"
  assert row["estimate"] == pytest.approx(2.01)
  assert row["deciding_part"] == "b (there)"
  assert row["seeds"] == 3
  json.dumps(row, allow_nan=False)


def test_a_claim_without_its_control_is_not_decided():
  parts = [statistics.Part("a", "here", [0.1, 0.2])]
  with pytest.raises(ValueError, match="untrained"):
    statistics.judge(_claim(), parts, {}, 10)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
