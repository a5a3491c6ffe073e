"""The config of training is typed and checked before any work."""

import copy

import pytest

from experiments.configs import addition_2
from experiments.configs import addition_3
from experiments.configs import train_smoke
from raml_jax import parsing
from raml_jax.config import train as config_lib
from raml_jax.studies.train import finders


def _plain():
  return addition_2.get_config().to_dict()


def _changed(path, value):
  mapping = copy.deepcopy(_plain())
  node = mapping
  *parents, last = path.split(".")
  for name in parents:
    node = node[name]
  node[last] = value
  return mapping


@pytest.mark.parametrize("file", [addition_2, addition_3, train_smoke])
def test_every_config_is_valid_and_round_trips(file):
  config = config_lib.parse(file.get_config().to_dict())
  assert config_lib.parse(parsing.plain(config)) == config
  assert len({type(v) for v in config.fit.weights.values()}) == 1


def test_the_defaults_are_what_is_promised():
  """Two and three digits, at least 99 %, intervals over five seeds.

  Whatever training is balanced by, the usual questions are among the tests.
  """
  for file, digits in ((addition_2, 2), (addition_3, 3)):
    config = config_lib.parse(file.get_config().to_dict())
    options = {"balance": "carries", **config.task.options}
    assert (options["operator"], options["digits"]) == ("+", digits)
    tests = {config_lib.HELD_OUT: {}, **config.measure.tests}
    asked = [{**options, **changed}["balance"] for changed in tests.values()]
    assert "carries" in asked
    assert (config.model.layers, config.model.width) == (2, 64)
    assert config.seeds == 5
    claim = config.claims["exact-match"]
    assert claim.margins == dict.fromkeys(tests, (0.99, None))


def test_every_claim_has_its_evidence():
  assert set(finders.TABLE) == set(config_lib.CLAIMS)


@pytest.mark.parametrize("path, value", [("mesh.data", 0), ("seeds", 1)])
def test_what_may_be_is_accepted(path, value):
  config_lib.parse(_changed(path, value))


@pytest.mark.parametrize(
  "path, value, message",
  [
    ("fit.steps", 0, "config.fit.steps = 0: must be positive"),
    ("fit.batch", 33, "config.fit.batch = 33: must be a multiple of 2 * micro"),
    ("fit.warmup", 5000, "config.fit.warmup = 5000: must be below steps"),
    ("fit.b2", 1.0, "config.fit.b2 = 1.0: must be below 1"),
    ("fit.weights", {"step": 0.0}, "config.fit.weights = {'step': 0.0}: must"),
    ("model.heads", 3, "config.model.heads = 3: must be a divisor of width"),
    ("model.positions", "sine", "config.model.positions = 'sine': must be one"),
    ("mesh.model", 0, "config.mesh.model = 0: must be positive"),
    ("mesh.data", -1, "config.mesh.data = -1: must be at least 0"),
    ("seeds_at_once", 2, "config.seeds_at_once = 2: must be a divisor of"),
    ("measure.ks", (9,), "config.measure.ks = (9,): must be at most samples"),
    ("measure.every", 9999, "config.measure.every = 9999: must be at most fit"),
    (
      "measure.tests",
      {"a/b": {}},
      "config.measure.tests.a/b = 'a/b': must be letters, digits and _",
    ),
    (
      "measure.tests",
      {"held_out": {}},
      "config.measure.tests.held_out = 'held_out': must be",
    ),
    (
      "claims.exact-match.margins",
      {"elsewhere": (0.5, None)},
      "config.claims.exact-match.margins = 'elsewhere': must be the name of a",
    ),
    ("claims.other", {}, "config.claims.other.statement: missing"),
    ("task.family", "sums", "config.task.family = 'sums': must be one of"),
    ("colour", 1, "config.colour: unknown field"),
  ],
)
def test_bad_values_are_named_in_one_line(path, value, message):
  with pytest.raises(parsing.ConfigError) as error:
    config_lib.parse(_changed(path, value))
  assert str(error.value).startswith(message)
  assert "\n" not in str(error.value)


def test_a_variant_of_stored_examples_is_refused():
  mapping = _changed("data.dataset", "addition/simplified_2")
  mapping["data"]["variants"] = ("empty",)
  with pytest.raises(parsing.ConfigError, match="data.variants = .*: must be"):
    config_lib.parse(mapping)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
