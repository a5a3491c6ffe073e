"""Combinations are all there, typed as the config is, and mistakes named."""

import itertools

import pytest

from raml_jax import parsing
from raml_jax.studies.sweep import grid

CONFIG = {
  "seed": 0,
  "task": {"format": "plain", "options": {"digits": 2, "operator": "+"}},
  "fit": {"rate": 1e-3, "remat": False},
  "ks": (1, 2),
  "dataset": None,
}


def _jobs(*texts):
  return grid.jobs(CONFIG, grid.changes(texts))


def test_every_combination_is_one_job_and_the_last_field_turns_fastest():
  jobs = _jobs("task.format=plain,reversed", "fit.rate=1e-3,3e-3,1e-2")
  pairs = itertools.product(("plain", "reversed"), (1e-3, 3e-3, 1e-2))
  expected = [{"task.format": f, "fit.rate": r} for f, r in pairs]
  assert [job.changes for job in jobs] == expected
  assert [job.name for job in jobs] == [f"{i:03d}" for i in range(6)]
  for job in jobs:
    assert job.config["task"]["format"] == job.changes["task.format"]
    assert job.config["fit"]["rate"] == job.changes["fit.rate"]
    rest = {"seed": 0, "ks": (1, 2), "dataset": None}
    assert {name: job.config[name] for name in rest} == rest
  assert CONFIG["task"]["format"] == "plain"


@pytest.mark.parametrize(
  "text, values",
  [
    ("seed=1,2", [1, 2]),
    ("fit.rate=1,2e-3", [1.0, 2e-3]),
    ("fit.remat=true,False", [True, False]),
    ("ks=(1,2),4,[2,4]", [(1, 2), (4,), [2, 4]]),
    ("dataset=None,addition/plain_2", [None, "addition/plain_2"]),
    ("task.options.operator=+,-,*", ["+", "-", "*"]),
  ],
)
def test_values_have_the_type_of_the_field(text, values):
  (field,) = grid.changes([text])
  found = [job.changes[field] for job in _jobs(text)]
  assert found == values
  assert [type(value) for value in found] == [type(value) for value in values]


@pytest.mark.parametrize(
  "texts, message",
  [
    ([], "--set: must be given"),
    (["seed"], "--set=seed: must be field=value"),
    (["seed=1,"], "--set=seed=1,: must be field=value"),
    (["seed=1,1"], "--set=seed=1,1: a field or value stands twice"),
    (["seed=1", "seed=2"], "--set=seed=2: a field or value stands twice"),
    (["sead=1"], "config.sead: unknown field; known are seed, task,"),
    (["task.form=1"], "config.task.form: unknown field; known are format,"),
    (["seed.x=1"], "config.seed.x: unknown field; config.seed has no fields"),
    (["task=1"], "config.task: has fields of its own, format, options"),
    (["seed=1.5"], "config.seed = '1.5': must be of type int"),
    (["fit.rate=x"], "config.fit.rate = 'x': must be of type float"),
    (["fit.remat=2"], "config.fit.remat = '2': must be of type bool"),
  ],
)
def test_mistakes_are_one_line(texts, message):
  with pytest.raises(parsing.ConfigError) as error:
    _jobs(*texts)
  assert str(error.value).startswith(message)
  assert "\n" not in str(error.value)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
