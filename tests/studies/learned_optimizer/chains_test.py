"""Chains are the main job's: read where they fit, else trained the same way."""

import dataclasses

import jax
import numpy as np
import pytest

from raml_jax import parsing
from raml_jax.studies import running
from raml_jax.studies.learned_optimizer import chains
from raml_jax.studies.maml_vs_cot import study as main_job
from raml_jax.training import progress as progress_lib
from raml_jax.training import workdir as workdir_lib
from tests.studies.learned_optimizer import small


def _files(path):
  return {
    str(file.relative_to(path)): file.read_bytes()
    for file in sorted(path.rglob("*"))
    if file.is_file()
  }


def _with_workdir(config, path):
  changed = dataclasses.replace(config.chains, workdir=str(path))
  return dataclasses.replace(config, chains=changed)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
  """A run of the main job, and what it trained."""
  path = tmp_path_factory.mktemp("main") / "run"
  job = small.config().chains.job
  workdir = workdir_lib.open_workdir(path, parsing.plain(job))
  arm = main_job.train_arm(
    job, "isotropic", workdir, progress_lib.Progress(9), running.Clock()
  )
  return path, arm.params


def _obtain(config, path):
  workdir = workdir_lib.open_workdir(path, parsing.plain(config))
  progress, clock = progress_lib.Progress(9), running.Clock()
  return chains.obtain(config, workdir, progress, clock)


def _assert_equal(one, two):
  jax.tree.map(np.testing.assert_array_equal, one, two)


def test_a_finished_run_is_read_kept_and_not_touched(
  finished, tmp_path, capsys
):
  path, params = finished
  config = _with_workdir(small.config(), path)
  before = _files(path)
  got = _obtain(config, tmp_path / "own")
  assert f"read from {path}" in capsys.readouterr().out
  assert set(got) == {"imitation", "outcome_full_k2", "untrained"}
  for name, value in got.items():
    _assert_equal(value, params[name])
  assert _files(path) == before
  # Kept: the other run may go, or change, from now on.
  path.rename(path.with_name("gone"))
  try:
    again = _obtain(config, tmp_path / "own")
  finally:
    path.with_name("gone").rename(path)
  _assert_equal(again, got)


def test_a_run_that_does_not_fit_is_named_and_left_alone(
  finished, tmp_path, capsys
):
  path, _ = finished
  config = _with_workdir(small.config(), path)
  for changed, reason in (
    ({"seed": 1}, "its seed is another"),
    (
      {"imitation": dataclasses.replace(config.chains.job.imitation, eta=0.1)},
      "its imitation is another",
    ),
  ):
    job = dataclasses.replace(config.chains.job, **changed)
    other = dataclasses.replace(
      config, chains=dataclasses.replace(config.chains, job=job)
    )
    assert chains.finished(other) is None
    line = capsys.readouterr().out
    assert line == f"chains of {path} are not used: {reason}\n"


def test_an_unfinished_run_is_not_used(finished, tmp_path, capsys):
  path, _ = finished
  config = _with_workdir(small.config(), path)
  steps = config.chains.job.imitation.train.steps
  last = path / "checkpoints" / "isotropic" / "imitation" / str(steps)
  last.rename(last.with_name("hidden"))
  try:
    assert chains.finished(config) is None
  finally:
    last.with_name("hidden").rename(last)
  assert "no checkpoint of imitation at its last" in capsys.readouterr().out
  assert chains.finished(config).path == path
  assert chains.finished(_with_workdir(config, tmp_path / "nowhere")) is None


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
