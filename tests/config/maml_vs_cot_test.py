"""A config is typed and checked before any work starts, in one line."""

import copy

import pytest

from experiments.configs import maml_vs_cot
from raml_jax import parsing
from raml_jax.config import maml_vs_cot as config_lib


@pytest.fixture(scope="module")
def mapping():
  return maml_vs_cot.get_config().to_dict()


def _changed(mapping, path, value):
  mapping = copy.deepcopy(mapping)
  node = mapping
  *parents, last = path.split(".")
  for name in parents:
    node = node[name]
  node[last] = value
  return mapping


def test_the_default_config_is_valid_and_round_trips(mapping):
  config = config_lib.parse(mapping)
  assert config_lib.parse(parsing.plain(config)) == config
  assert next(iter(config.arms)) == "isotropic"


@pytest.mark.parametrize(
  ("path", "value", "message"),
  [
    ("seeds", 1, "config.seeds = 1: must be at least 2"),
    ("seeds", "five", "config.seeds = 'five': must be of type int"),
    ("seeds", 2.5, "config.seeds = 2.5: must be of type int"),
    ("measure.tasks", 1, "config.measure.tasks = 1: must be at least 2"),
    ("task.n", -3, "config.task.n = -3: must be positive"),
    ("task.noise", -0.1, "config.task.noise = -0.1: must be at least 0"),
    ("task.d", True, "config.task.d = True: must be of type int"),
    ("imitation.steps", 0, "config.imitation.steps = 0: must be positive"),
    ("outcome.steps", (2, 0), "config.outcome.steps.1 = 0: must be positive"),
    ("regimes", ("imitaton",), "config.regimes[0] = 'imitaton': must be one"),
    ("task.law", "cauchy", "config.task.law = 'cauchy': must be one of"),
    ("task.colour", 1, "config.task.colour: unknown field"),
    ("imitation.eta", float("nan"), "config.imitation.eta = nan: must be"),
    (
      "arms.anisotropic.spectrum",
      (1.0, 2.0),
      "config.arms.anisotropic.spectrum = (1.0, 2.0): must be 10 numbers",
    ),
  ],
)
def test_bad_values_are_named_in_one_line(mapping, path, value, message):
  with pytest.raises(parsing.ConfigError) as error:
    config_lib.parse(_changed(mapping, path, value))
  assert str(error.value).startswith(message)
  assert "\n" not in str(error.value)


def test_a_missing_field_is_named(mapping):
  mapping = copy.deepcopy(mapping)
  del mapping["maml"]["alpha"]
  with pytest.raises(parsing.ConfigError, match=r"config.maml.alpha: missin"):
    config_lib.parse(mapping)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
