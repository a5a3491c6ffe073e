"""Checkpoints of another run serve if it has trained the same, to its end."""

import dataclasses

import pytest

from raml_jax import parsing
from raml_jax.studies import earlier
from raml_jax.training import workdir as workdir_lib


@dataclasses.dataclass(frozen=True)
class Config:
  experiment: str = "study"
  seed: int = 0
  margin: float = 0.5
  checkpoints: str = ""


@pytest.fixture
def run(tmp_path):
  path = tmp_path / "run"
  found = workdir_lib.open_workdir(path, parsing.plain(Config()))
  (found.checkpoints / "phase" / "4").mkdir(parents=True)
  return str(path)


def _find(steps=4, **fields):
  return earlier.workdir(Config(**fields), ("seed",), {"phase": steps})


def test_none_is_none():
  assert _find() is None


def test_what_is_not_trained_may_differ_and_nothing_is_written(run):
  found = _find(checkpoints=run, margin=0.1)
  assert str(found.path) == run and not found.writes


@pytest.mark.parametrize(
  ("fields", "said"),
  [
    ({"seed": 1}, "must be a run with the same seed"),
    ({"experiment": "other"}, "must be a run with the same experiment"),
    ({"steps": 8}, "must be a run that has trained 'phase' to its end"),
  ],
)
def test_another_training_is_refused_in_one_line(run, fields, said):
  with pytest.raises(parsing.ConfigError) as error:
    _find(checkpoints=run, **fields)
  assert str(error.value) == f"config.checkpoints = {run!r}: {said}"


def test_where_there_is_no_run_it_is_said(tmp_path):
  with pytest.raises(workdir_lib.WorkdirError, match="holds no run"):
    _find(checkpoints=str(tmp_path / "nowhere"))


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
