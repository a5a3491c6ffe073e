"""MAML on trajectories, killed at any moment, ends with the same bits."""

import json
import subprocess
import sys

import numpy as np
import pytest

from experiments.configs import maml_vs_cot_arithmetic_smoke
from raml_jax.config import maml_vs_cot_arithmetic as config_lib
from raml_jax.studies.maml_vs_cot_arithmetic import finders
from raml_jax.studies.maml_vs_cot_arithmetic import report
from raml_jax.studies.maml_vs_cot_arithmetic import study
from tests.studies import killing


def _config():
  """One MAML beside the chain of thought, as small as it gets."""
  config = maml_vs_cot_arithmetic_smoke.get_config().to_dict()
  config["arms"] = ("cot", "first_order", "direct")
  config["model"].update({"width": 16, "mlp": 1})
  config["fit"].update({"steps": 10, "batch": 2, "warmup": 1})
  config["measure"].update(
    {"questions": 6, "control_questions": 3, "update_questions": 2, "reads": 2}
  )
  return config_lib.parse(config)


def _run(path, wait_for=None):
  # Nearly all of the time is XLA's, which need not try hard.
  flags = "--xla_backend_optimization_level=0"
  return killing.run(__file__, path, wait_for, XLA_FLAGS=flags)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
  path = tmp_path_factory.mktemp("study") / "whole"
  assert _run(path)[0] == 0
  return path


@pytest.mark.slow
def test_killed_in_training_and_in_measuring_it_ends_with_the_same_bits(whole):
  broken = whole.parent / "broken"
  code, _ = _run(broken, "checkpoints/first_order/4*")
  assert code == -9
  # Of the two results of one computation only the first is there.
  code, _ = _run(broken, "results/numbers/cot.npz")
  assert code == -9
  (broken / "results/states/cot.npz").unlink(missing_ok=True)
  code, output = _run(broken)
  assert code == 0, output
  killing.assert_same(whole, broken)


@pytest.mark.slow
def test_both_modes_begin_with_the_same_plain_model(whole):
  arrays = killing.arrays(whole)
  for name in ("cot", "first_order", "direct", "untrained", "embeddings"):
    for kind in config_lib.KINDS:
      key = f"results/numbers/{name}.npz/{kind}/loss_SxMxPxB"
      loss_SxMxPxB = arrays[key]
      assert loss_SxMxPxB.shape == (2, 2, 3, 6 if kind == "own" else 3)
      np.testing.assert_array_equal(
        loss_SxMxPxB[:, 0, 0], loss_SxMxPxB[:, 1, 0]
      )
      own_SxB = arrays[f"results/numbers/{name}.npz/own/loss_SxMxPxB"][:, 0, 0]
      # Without a trajectory it does not matter which.
      np.testing.assert_allclose(
        loss_SxMxPxB[:, 0, 0], own_SxB[:, : loss_SxMxPxB.shape[-1]], rtol=1e-5
      )


@pytest.mark.slow
def test_every_claim_is_decided_with_its_controls(whole):
  rows = json.loads((whole / "results/claims.json").read_text())
  found = {row["id"]: row for row in rows}
  assert set(found) == {
    "maml-cot-interchangeable/first_order",
    "crossings/cot",
    "crossings/first_order",
    "simaou-above-controls/cot",
    "simaou-above-controls/first_order",
  }
  specs = maml_vs_cot_arithmetic_smoke.get_config().claims
  for id_, row in found.items():
    assert set(row["controls"]) == set(specs[id_.partition("/")[0]].controls)
  parts = found["maml-cot-interchangeable/first_order"]["parts"]
  assert [part["quantity"] for part in parts] == [
    "loss",
    "loss",
    "accuracy",
    "cka",
  ]


@pytest.mark.slow
def test_the_report_tells_claims_numbers_and_figures(whole):
  text = (whole / "report.md").read_text()
  for words in ("## Claims", "## Settings", "GFLOP", "![Figure 6"):
    assert words in text
  for name in ("1_four_curves", "4_cka", "6_parameters"):
    assert (whole / f"figures/{name}.png").stat().st_size > 1000


def test_every_claim_of_the_config_has_its_evidence():
  claims = maml_vs_cot_arithmetic_smoke.get_config().claims
  assert set(claims) == set(finders.IDS)


@pytest.mark.parametrize(
  ("flag", "message"),
  [
    ("--config.seeds=1", "config.seeds = 1: must be at least 2"),
    ("--config.tune.low=-1.0", "config.tune.low = -1.0: must be positive"),
    ("--config.arms=('maml',)", "config.arms[0] = 'maml': must be"),
    ("--config.inner.head=nothing", "config.inner.head: moves = 'nothing'"),
    ("--config.measure.questions=5000", "config.measure, 5000 questions"),
    ("--config.measure.reads=9", "config.measure.reads = 9: must be at most 3"),
    ("--config.experiment=other", "config.experiment = 'other': must be"),
  ],
)
def test_bad_flags_are_one_line_before_any_work(root, tmp_path, flag, message):
  done = subprocess.run(
    [
      sys.executable,
      "-m",
      "experiments.maml_vs_cot",
      "--config=experiments/configs/maml_vs_cot_arithmetic_smoke.py",
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
