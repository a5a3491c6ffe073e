"""A config is typed and checked before any work starts, in one line."""

import copy

import pytest

from experiments.configs import formats
from experiments.configs import formats_full
from experiments.configs import formats_smoke
from raml_jax import parsing
from raml_jax.config import formats as config_lib
from raml_jax.studies.formats import finders


@pytest.fixture(scope="module")
def mapping():
  return formats.get_config().to_dict()


def _changed(mapping, path, value):
  mapping = copy.deepcopy(mapping)
  node = mapping
  *parents, last = path.split(".")
  for name in parents:
    node = node[name]
  node[last] = value
  return mapping


@pytest.mark.parametrize("file", [formats, formats_full, formats_smoke])
def test_every_config_is_valid_and_round_trips(file):
  config = config_lib.parse(file.get_config().to_dict())
  assert config_lib.parse(parsing.plain(config)) == config
  assert set(config.claims) == set(finders.IDS)


def test_the_full_config_is_the_published_setting():
  """Lee et al. (2023): the released configs of plain and detailed."""
  config = config_lib.parse(formats_full.get_config().to_dict())
  model = config.model
  assert (model.layers, model.heads, model.width) == (6, 6, 384)
  assert (model.positions, config.begin, config.digits) == (
    "learned",
    "anywhere",
    3,
  )
  assert config.windows["plain"] == 256 and config.windows["detailed"] == 1024
  # As many tokens as 20,000 updates on 16 windows of 1024.
  assert config.fit.steps * config.tokens == 20_000 * 16 * 1024
  assert config.fit.learning_rate == 1e-3 and config.fit.b2 == 0.99
  assert set(config.fit.weights.values()) == {1.0}


@pytest.mark.parametrize(
  ("path", "value", "message"),
  [
    ("digits", 0, "config.digits = 0: must be positive"),
    ("seeds", 1, "config.seeds = 1: must be at least 2"),
    ("seeds_at_once", 2, "config.seeds_at_once = 2: must be a divisor"),
    ("sizes", {}, "config.sizes = {}: must be at least one"),
    (
      "sizes",
      {"plane": (1, 2)},
      "config.sizes.plane = 'plane': must be 'plain'",
    ),
    ("sizes.plain", (9, 9), "config.sizes.plain = (9, 9): must be two or more"),
    ("windows", {}, "config.windows = (): must be given for"),
    ("begin", "late", "config.begin = 'late': must be one of"),
    ("begin", "anywhere", "config.cut = ('plain', 'reversed'): must be empty"),
    (
      "cut",
      {"prose": {"window": 9, "longer": 9}},
      "config.cut.prose = 'prose'",
    ),
    ("cut.plain.longer", 0, "config.cut.plain.longer = 0: must be positive"),
    ("longer", {}, "config.longer = (): must be given for"),
    ("model.heads", 3, "config.model.heads = 3: must be a divisor of width"),
    ("fit.warmup", 10**6, "config.fit.warmup = 1000000: must be below steps"),
    ("measure.threshold", 1.5, "config.measure.threshold = 1.5: must be at"),
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
