"""A config is typed and checked before any work starts, in one line."""

import copy

import pytest

from experiments.configs import lengths
from experiments.configs import lengths_full
from experiments.configs import lengths_scratchpad
from experiments.configs import lengths_smoke
from raml_jax import parsing
from raml_jax.config import lengths as config_lib


def _changed(path, value):
  mapping = copy.deepcopy(lengths.get_config().to_dict())
  node = mapping
  *parents, last = path.split(".")
  for name in parents:
    node = node[name]
  node[last] = value
  return mapping


@pytest.mark.parametrize(
  "file", [lengths, lengths_scratchpad, lengths_full, lengths_smoke]
)
def test_every_config_is_valid_and_round_trips(file):
  config = config_lib.parse(file.get_config().to_dict())
  assert config_lib.parse(parsing.plain(config)) == config


@pytest.mark.parametrize("file", [lengths, lengths_scratchpad, lengths_full])
def test_every_scheme_is_trained_with_five_seeds_and_tested_to_twice(file):
  config = config_lib.parse(file.get_config().to_dict())
  assert config.seeds >= 5
  assert set(config.schemes) == set(config_lib.SCHEMES)
  for arm in config.formats.values():
    assert list(arm.lengths) == list(range(1, 2 * arm.digits + 1))


def test_abacus_places_reach_the_longest_sum():
  """A sum of two numbers with n digits has up to n + 1."""
  config = config_lib.parse(lengths.get_config().to_dict())
  assert config.decoder("abacus", 6).digits == 7


@pytest.mark.parametrize(
  ("path", "value", "message"),
  [
    (
      "formats.mirrored.digits",
      0,
      "config.formats.mirrored.digits = 0: must be positive",
    ),
    (
      "formats.mirrored.fit.steps",
      -5,
      "config.formats.mirrored.fit.steps = -5: must be positive",
    ),
    (
      "formats.mirrored.fit.warmup",
      10**6,
      "config.formats.mirrored.fit.warmup = 1000000: must be below steps",
    ),
    ("formats", {}, "config.formats = (): must be at least one"),
    ("schemes", (), "config.schemes = (): must be at least one"),
    (
      "schemes",
      ("none", "none"),
      "config.schemes = ('none', 'none'): must be at least one, each",
    ),
    ("schemes", ("alibi",), "config.schemes[0] = 'alibi': must be one of"),
    ("base", 37, "config.base = 37: must be 2 to 36"),
    ("seeds", 1, "config.seeds = 1: must be at least 2"),
    ("seeds_at_once", 2, "config.seeds_at_once = 2: must be a divisor of"),
    ("questions", 0, "config.questions = 0: must be positive"),
    ("network.heads", 3, "config.network.heads = 3: must be a divisor of"),
    ("network.heads", 64, "config.network.heads = 64: must be such that"),
    ("colour", 1, "config.colour: unknown field"),
  ],
)
def test_bad_values_are_named_in_one_line(path, value, message):
  with pytest.raises(parsing.ConfigError) as error:
    config_lib.parse(_changed(path, value))
  assert str(error.value).startswith(message)
  assert "\n" not in str(error.value)


def test_an_unknown_format_is_named_in_one_line():
  mapping = lengths.get_config().to_dict()
  mapping["formats"]["plain"] = mapping["formats"].pop("mirrored")
  with pytest.raises(parsing.ConfigError, match="config.formats.plain = 'pla"):
    config_lib.parse(mapping)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
