"""A config is typed and checked before any work starts, in one line."""

import copy

import pytest

from experiments.configs import pseudo_gradient
from experiments.configs import pseudo_gradient_full
from experiments.configs import pseudo_gradient_smoke
from raml_jax import parsing
from raml_jax.config import pseudo_gradient as config_lib

FILES = (pseudo_gradient, pseudo_gradient_full, pseudo_gradient_smoke)


@pytest.fixture(scope="module")
def mapping():
  return pseudo_gradient.get_config().to_dict()


def _changed(mapping, path, value):
  mapping = copy.deepcopy(mapping)
  node = mapping
  *parents, last = path.split(".")
  for name in parents:
    node = node[name]
  node[last] = value
  return mapping


@pytest.mark.parametrize("file", FILES)
def test_every_config_is_valid_and_round_trips(file):
  config = config_lib.parse(file.get_config().to_dict())
  # The task's own options have lists where JSON has them.
  plain = parsing.plain(config)
  assert parsing.plain(config_lib.parse(plain)) == plain


def test_the_default_has_the_seeds_and_questions_that_claims_ask_for(mapping):
  config = config_lib.parse(mapping)
  assert config.seeds >= 5
  assert config.measure.questions >= 500


@pytest.mark.parametrize(
  ("path", "value", "message"),
  [
    ("seeds", 1, "config.seeds = 1: must be at least 2"),
    ("task.family", "chains", "config.task.family = 'chains': must be 'pairs'"),
    ("task.format", "plain", "config.task.format = 'plain': must be"),
    ("task.base", 16, "config.task.base = 16: must be at most 10"),
    (
      "task.options.operator",
      "-",
      "config.task.options.operator = '-': must be '+'",
    ),
    ("model.loops", 2, "config.model.loops = 2: must be 1"),
    ("model.dtype", "bfloat16", "config.model.dtype = 'bfloat16': must be"),
    ("model.positions", "rotary", "config.model.positions = 'rotary': must be"),
    ("model.heads", 5, "config.model.heads = 5: must be a divisor"),
    ("cot.microbatches", 2, "config.cot.microbatches = 2: must be 1"),
    ("cot.steps", 0, "config.cot.steps = 0: must be positive"),
    ("table.wordy", 7000, "config.table.wordy = 7000: must be at most"),
    ("measure.batch", 1, "config.measure.batch = 1: must be at least 2"),
    ("measure.controls", 50, "config.measure.controls = 50: must be a multi"),
    ("measure.rivals", 8, "config.measure.rivals = 8: must be a multiple of 4"),
    ("measure.probes", 1000, "config.measure.probes = 1000: must be at most"),
    ("measure.tuning", 3, "config.measure.tuning = 3: must be a multiple"),
    ("descent.high", 0.001, "config.descent.high = 0.001: must be above"),
    ("rivals.momentum", (1.0,), "config.rivals.momentum.0 = 1.0: must be"),
    ("rivals.adam", ((0.9, 1.0),), "config.rivals.adam.0 = (0.9, 1.0): must"),
    ("rivals.shrinkage", (), "config.rivals.shrinkage = (): must be at least"),
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
