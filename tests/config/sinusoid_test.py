"""A config is typed and checked before any work starts, in one line."""

import copy

import pytest

from experiments.configs import sinusoid
from experiments.configs import sinusoid_published
from experiments.configs import sinusoid_smoke
from raml_jax import parsing
from raml_jax.config import sinusoid as config_lib


@pytest.fixture(scope="module")
def mapping():
  return sinusoid.get_config().to_dict()


def _changed(mapping, path, value):
  mapping = copy.deepcopy(mapping)
  node = mapping
  *parents, last = path.split(".")
  for name in parents:
    node = node[name]
  node[last] = value
  return mapping


@pytest.mark.parametrize("file", [sinusoid, sinusoid_published, sinusoid_smoke])
def test_every_config_is_valid_and_round_trips(file):
  config = config_lib.parse(file.get_config().to_dict())
  assert config_lib.parse(parsing.plain(config)) == config


def test_the_published_config_is_that_of_the_paper():
  config = config_lib.parse(sinusoid_published.get_config().to_dict())
  assert (config.iterations, config.batch) == (70_000, 25)
  assert (config.inner.alpha, config.inner.steps) == (0.01, 1)
  assert config.outer["maml"] == config_lib.Outer("adam", 0.001, "constant")
  assert (config.network.widths, config.network.scale) == ((40, 40), 0.01)
  assert (config.measure.tasks, config.measure.steps) == (600, 10)
  assert config.shots == (5, 10) and config.seeds == 5


@pytest.mark.parametrize(
  ("path", "value", "message"),
  [
    ("shots", (0,), "config.shots.0 = 0: must be positive"),
    ("shots", (5, -1), "config.shots.1 = -1: must be positive"),
    ("shots", (), "config.shots = (): must be at least one"),
    ("shots", (5, 5), "config.shots = (5, 5): must be at least one, each"),
    ("inner.steps", -1, "config.inner.steps = -1: must be positive"),
    ("reptile.steps", 0, "config.reptile.steps = 0: must be positive"),
    ("measure.steps", -10, "config.measure.steps = -10: must be positive"),
    ("methods", ("mamel",), "config.methods[0] = 'mamel': must be one of"),
    ("outer", {}, "config.outer = (): must be given for 'maml' too"),
    ("outer.maml.rule", "lbfgs", "config.outer.maml.rule = 'lbfgs': must be"),
    ("imaml.strength", 0.0, "config.imaml.strength = 0.0: must be positive"),
    ("imaml.mu", 1.0, "config.imaml.mu = 1.0: must be below 1"),
    ("paths.strong.reference", "up", "config.paths.strong.reference = 'up': "),
    ("imaml.strength", 5.0, "config.paths.as_trained.strength = 20.0: must be"),
    ("tune.high", 1e-5, "config.tune.high = 1e-05: must be above tune.low"),
    ("seeds", 1, "config.seeds = 1: must be at least 2"),
    ("measure.shown", 601, "config.measure.shown = 601: must be at most"),
    ("colour", 1, "config.colour: unknown field"),
  ],
)
def test_bad_values_are_named_in_one_line(mapping, path, value, message):
  with pytest.raises(parsing.ConfigError) as error:
    config_lib.parse(_changed(mapping, path, value))
  assert str(error.value).startswith(message)
  assert "\n" not in str(error.value)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
