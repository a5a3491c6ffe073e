"""The sinusoid study, killed at any moment, ends with the same bits."""

import json
import subprocess
import sys

import numpy as np
import pytest

from experiments.configs import sinusoid_smoke
from raml_jax.config import sinusoid as config_lib
from raml_jax.studies.sinusoid import finders
from raml_jax.studies.sinusoid import report
from raml_jax.studies.sinusoid import study
from tests.studies import killing


def _config():
  """Two methods, as small as it gets."""
  config = sinusoid_smoke.get_config().to_dict()
  config["methods"] = ("maml", "pretrained")
  config["claims"].pop("imaml-path-independent")
  return config_lib.parse(config)


def _run(path, wait_for=None):
  return killing.run(__file__, path, wait_for)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
  path = tmp_path_factory.mktemp("study") / "whole"
  assert _run(path)[0] == 0
  return path


def test_killed_in_training_and_in_measuring_it_ends_with_the_same_bits(whole):
  broken = whole.parent / "broken"
  code, _ = _run(broken, "checkpoints/k5/maml/8*")
  assert code == -9
  code, _ = _run(broken, "results/k5/floors.npz")
  assert code == -9
  code, output = _run(broken)
  assert code == 0, output
  killing.assert_same(whole, broken)


def test_curves_of_every_task_are_kept_and_decide_the_mean(whole):
  arrays = killing.arrays(whole)
  for name in ("maml", "pretrained", "untrained"):
    found = {
      key.rpartition("/")[2]: value
      for key, value in arrays.items()
      if key.startswith(f"results/k5/{name}.npz/")
    }
    assert found["support_SxBxT"].shape == (2, 10, 4)
    expected = found["query_SxBxT"].mean(axis=1)
    np.testing.assert_allclose(found["error_SxT"], expected, rtol=1e-5)


def test_claims_stay_open_without_their_methods_or_controls(whole):
  rows = json.loads((whole / "results/claims.json").read_text())
  assert {row["id"] for row in rows} == {
    "maml-beats-task-agnostic",
    "keeps-falling-past-training",
  }
  for row in rows:
    assert set(row["controls"]) == {"pretrained", "untrained"}


def test_the_report_tells_claims_settings_and_figures(whole):
  text = (whole / "report.md").read_text()
  for words in ("## Claims", "## Settings", "Departures", "![Figure 1"):
    assert words in text
  for kind in ("png", "pdf"):
    assert (whole / f"figures/1_errors.{kind}").stat().st_size > 1000
    assert not (whole / f"figures/4_paths.{kind}").exists()


def test_every_claim_of_the_config_has_its_evidence():
  assert set(sinusoid_smoke.get_config().claims) == set(finders.IDS)


@pytest.mark.parametrize(
  ("flag", "message"),
  [
    ("--config.shots=(0,)", "config.shots.0 = 0: must be positive"),
    ("--config.inner.steps=-1", "config.inner.steps = -1: must be positive"),
    ("--config.methods=('mamel',)", "config.methods[0] = 'mamel': must be"),
  ],
)
def test_bad_flags_are_one_line_before_any_work(root, tmp_path, flag, message):
  done = subprocess.run(
    [
      sys.executable,
      "-m",
      "experiments.sinusoid",
      f"--workdir={tmp_path / 'run'}",
      flag,
    ],
    cwd=root,
    capture_output=True,
    text=True,
  )
  assert (done.returncode, done.stdout) == (1, "")
  assert done.stderr.startswith(f"error: {message}")
  assert done.stderr.count("\n") == 1
  assert not (tmp_path / "run").exists()


if __name__ == "__main__":
  if len(sys.argv) == 2 and not sys.argv[1].startswith("-"):
    _, workdir_ = study.run(_config(), sys.argv[1])
    report.write(workdir_)
    raise SystemExit(0)
  raise SystemExit(pytest.main([__file__]))
