"""The learned-optimizer config is checked in one line, its job included."""

import copy

import pytest

from experiments.configs import learned_optimizer
from experiments.configs import learned_optimizer_smoke
from raml_jax import parsing
from raml_jax.config import learned_optimizer as config_lib


@pytest.fixture(scope="module")
def mapping():
  return learned_optimizer.get_config().to_dict()


def _changed(mapping, path, value):
  mapping = copy.deepcopy(mapping)
  node = mapping
  *parents, last = path.split(".")
  for name in parents:
    node = node[name]
  node[last] = value
  return mapping


@pytest.mark.parametrize("module", [learned_optimizer, learned_optimizer_smoke])
def test_the_configs_are_valid_and_round_trip(module):
  config = config_lib.parse(module.get_config().to_dict())
  assert config_lib.parse(parsing.plain(config)) == config


def test_the_seeds_of_the_job_are_those_of_the_study(mapping):
  config = config_lib.parse(_changed(mapping, "seeds", 3))
  assert config.chains.job.seeds == 3


@pytest.mark.parametrize(
  ("path", "value", "message"),
  [
    ("seeds", 1, "config.seeds = 1: must be at least 2"),
    ("length", 90, "config.length = 90: must be a multiple of unroll = 20"),
    ("unroll", 0, "config.unroll = 0: must be positive"),
    ("rule.width", -1, "config.rule.width = -1: must be positive"),
    ("rule.depth", 1, "config.rule.depth: unknown field"),
    ("tune.high", 1e-4, "config.tune.high = 0.0001: must be above tune.low"),
    ("tune.points", 2, "config.tune.points = 2: must be at least 3"),
    ("tune.mu", (0.5, 1.0), "config.tune.mu = (0.5, 1.0): must be numbers"),
    ("tune.b1", (), "config.tune.b1 = (): must be numbers"),
    ("measure.tasks", 1, "config.measure.tasks = 1: must be at least 2"),
    ("measure.scales", (), "config.measure.scales = (): must be at least one"),
    ("chains.workdir", "", "config.chains.workdir = '': must be the name"),
    (
      "chains.job.regimes",
      ("imitation",),
      "config.chains.job.regimes = ('imitation',): must be",
    ),
    ("chains.job.task.n", -3, "config.chains.job.task.n = -3: must be posit"),
    ("chains.job.colour", 1, "config.chains.job.colour: unknown field"),
  ],
)
def test_bad_values_are_named_in_one_line(mapping, path, value, message):
  with pytest.raises(parsing.ConfigError) as error:
    config_lib.parse(_changed(mapping, path, value))
  assert str(error.value).startswith(message)
  assert "\n" not in str(error.value)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
