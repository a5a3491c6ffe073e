"""A config is typed and checked before any work starts, in one line."""

import copy

import pytest

from experiments.configs import maml_vs_cot_arithmetic
from experiments.configs import maml_vs_cot_arithmetic_full
from experiments.configs import maml_vs_cot_arithmetic_smoke
from experiments.configs import maml_vs_cot_arithmetic_tokens
from raml_jax import parsing
from raml_jax.config import maml_vs_cot_arithmetic as config_lib


def _changed(path, value):
  mapping = copy.deepcopy(maml_vs_cot_arithmetic.get_config().to_dict())
  node = mapping
  *parents, last = path.split(".")
  for name in parents:
    node = node[name]
  node[last] = value
  return mapping


@pytest.mark.parametrize(
  "file",
  [
    maml_vs_cot_arithmetic,
    maml_vs_cot_arithmetic_full,
    maml_vs_cot_arithmetic_smoke,
    maml_vs_cot_arithmetic_tokens,
  ],
)
def test_every_config_is_valid_and_round_trips(file):
  config = config_lib.parse(file.get_config().to_dict())
  assert config_lib.parse(parsing.plain(config)) == config


@pytest.mark.parametrize(
  ("path", "value", "message"),
  [
    ("seeds", 1, "config.seeds = 1: must be at least 2"),
    ("arms", ("cot", "cot"), "config.arms = ('cot', 'cot'): must be at least"),
    ("arms", ("head",), "config.arms = ('head',): must be 'cot' and others"),
    ("arms", ("maml",), "config.arms[0] = 'maml': must be one of"),
    (
      "learning_rates",
      {"maml": 0.1},
      "config.learning_rates.maml = 'maml': must be cot or",
    ),
    ("learning_rates", {"cot": 0.0}, "config.learning_rates.cot = 0.0: must"),
    ("task.format", "plain", "config.task.format = 'plain': must be 'simpl"),
    ("model.positions", "abacus", "config.model.positions = 'abacus': must"),
    ("model.dtype", "bfloat16", "config.model.dtype = 'bfloat16': must be"),
    ("model.heads", 3, "config.model.heads = 3: must be a divisor"),
    ("model.loops", 2, "config.model.loops = 2: must be 1"),
    ("fit.microbatches", 2, "config.fit.microbatches = 2: must be 1"),
    ("fit.warmup", 10**6, "config.fit.warmup = 1000000: must be below steps"),
    ("inner.unit", "word", "config.inner.unit = 'word': must be one of"),
    (
      "inner.alphas",
      {"cot": 0.1},
      "config.inner.alphas.cot = 'cot': must be second_order or",
    ),
    ("inner.repeats", 0, "config.inner.repeats = 0: must be positive"),
    ("inner.rank", -1, "config.inner.rank = -1: must be positive"),
    ("tune.high", 1e-9, "config.tune.high = 1e-09: must be above tune.low"),
    ("tune.points", 1, "config.tune.points = 1: must be at least 2"),
    ("tune.repeats", (), "config.tune.repeats = (): must be at least one"),
    ("tune.repeats", (0,), "config.tune.repeats.0 = 0: must be positive"),
    (
      "measure.control_questions",
      501,
      "config.measure.control_questions = 501: must be 2 to measure.questions",
    ),
    ("measure.ridge", -1.0, "config.measure.ridge = -1.0: must be positive"),
    ("experiment", "maml", "config.experiment = 'maml': must be one of"),
  ],
)
def test_the_error_names_field_value_and_what_is_allowed(path, value, message):
  with pytest.raises(parsing.ConfigError) as caught:
    config_lib.parse(_changed(path, value))
  assert str(caught.value).startswith(message)
  assert "\n" not in str(caught.value)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
