"""A config is typed and checked before any work starts, in one line."""

import copy

import pytest

from experiments.configs import calibration
from experiments.configs import calibration_smoke
from raml_jax import parsing
from raml_jax.config import calibration as config_lib
from raml_jax.studies.calibration import finders


@pytest.mark.parametrize("file", [calibration, calibration_smoke])
def test_every_config_is_valid_and_every_claim_has_a_finder(file):
  config = config_lib.parse(file.get_config().to_dict())
  assert config_lib.parse(parsing.plain(config)) == config
  assert set(config.claims) == set(finders.TABLE)


def test_the_default_is_the_setting_that_theory_speaks_of():
  """d = 10, n = 20, step .4: there descent scores .82 to .87 in its steps."""
  config = config_lib.parse(calibration.get_config().to_dict())
  c = config.linear
  assert (c.task.d, c.task.n, c.steps) == (10, 20, 5)
  assert (c.teachers.eta, c.teachers.degrees) == (0.4, 60.0)
  assert config.seeds >= 5 and config.measure.tasks >= 500
  margins = config.claims["instrument-calibrated"].margins
  assert margins["answer_descent"] == (0.82, 0.87)
  assert margins["answer_straight"] == (0.999, 1.001)


@pytest.mark.parametrize(
  ("path", "value", "message"),
  [
    ("seeds", 1, "config.seeds = 1: must be at least 2"),
    ("linear.task.d", 5, "config.linear.task.d = 5: must be even"),
    ("linear.line", 4, "config.linear.line = 4: must be at least linear.steps"),
    ("decoder.steps", 2, "config.decoder.steps = 2: must be at least 3"),
    ("decoder.width", 9, "config.decoder.heads = 4: must be a divisor"),
    ("decoder.width", 8, "config.decoder.width = 8: must be above"),
    ("adaptation.beyond", 3, "config.adaptation.beyond = 3: must be at least"),
    ("adaptation.high", 0.001, "config.adaptation.high = 0.001: must be above"),
    ("adaptation.points", 1, "config.adaptation.points = 1: must be at least"),
    ("measure.tasks", 500, "config.measure.at_once = 32: must be a divisor"),
    ("decoder.train.batch", 0, "config.decoder.train.batch = 0: must be pos"),
    ("decoder.mlp", 0, "config.decoder.mlp = 0: must be positive"),
  ],
)
def test_what_cannot_be_run_is_refused(path, value, message):
  mapping = copy.deepcopy(calibration.get_config().to_dict())
  node = mapping
  *parents, last = path.split(".")
  for name in parents:
    node = node[name]
  node[last] = value
  with pytest.raises(parsing.ConfigError) as error:
    config_lib.parse(mapping)
  assert str(error.value).startswith(message)
  assert "\n" not in str(error.value)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
