"""The pseudo-gradient study, killed at any moment, ends with the same bits."""

import json
import subprocess
import sys

import numpy as np
import pytest

from experiments.configs import pseudo_gradient
from experiments.configs import pseudo_gradient_smoke
from raml_jax.config import pseudo_gradient as config_lib
from raml_jax.config import pseudo_gradient_rows as rows_lib
from raml_jax.studies.pseudo_gradient import finders
from raml_jax.studies.pseudo_gradient import report
from raml_jax.studies.pseudo_gradient import study
from tests.studies import killing


def _config():
  """One layer, as small as it gets."""
  config = pseudo_gradient_smoke.get_config().to_dict()
  config["model"] |= {"layers": 1, "width": 32, "mlp": 1, "heads": 1}
  return config_lib.parse(config)


def _run(path, wait_for=None):
  # Compiling takes far longer than running: without the optimiser.
  flags = "--xla_backend_optimization_level=0"
  return killing.run(__file__, path, wait_for, XLA_FLAGS=flags)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
  path = tmp_path_factory.mktemp("study") / "whole"
  code, output = _run(path)
  assert code == 0, output
  return path


@pytest.mark.slow
def test_killed_in_training_and_in_measuring_it_ends_with_the_same_bits(whole):
  broken = whole.parent / "broken"
  assert _run(broken, "checkpoints/cot/4*")[0] == -9
  assert _run(broken, "results/preserving/wordy/s0.npz")[0] == -9
  code, output = _run(broken)
  assert code == 0, output
  killing.assert_same(whole, broken)


@pytest.mark.slow
def test_every_claim_is_decided_with_its_controls(whole):
  rows = json.loads((whole / "results/claims.json").read_text())
  asked = set(pseudo_gradient.get_config().claims)
  assert {row["id"].partition("/")[0] for row in rows} == asked
  assert asked == set(finders.IDS)
  by_id = {row["id"]: row for row in rows}
  for id_ in ("path-is-exact", "question-preserved"):
    assert by_id[id_]["verdict"] == "supported", by_id[id_]
  assert by_id["tokens-descend"]["by_construction"]


@pytest.mark.slow
def test_moments_are_those_of_vectors(whole):
  """Cauchy and Schwarz, of all that is measured."""
  arrays = killing.arrays(whole)
  for form in rows_lib.FORMS:
    for name in rows_lib.CONDITIONS:
      prefix = f"results/{form}/{name}/s0.npz/"
      update, both, slope = (
        np.float64(arrays[f"{prefix}{key}"])
        for key in ("update_BxTxKxW", "both_YxBxTxKxW", "slope_YxBxTxKxW")
      )
      limit = np.sqrt(update[None] * slope) * (1 + 1e-4) + 1e-12
      assert (np.abs(both) <= limit).all(), prefix
      assert (update > 0).any()


@pytest.mark.slow
def test_the_report_tells_claims_numbers_and_figures(whole):
  text = (whole / "report.md").read_text()
  for words in ("## Claims", "## The instrument", "A->", "![Figure 1"):
    assert words in text
  names = {path.stem for path in (whole / "figures").glob("*.png")}
  assert len(names) == 6
  assert {path.stem for path in (whole / "figures").glob("*.pdf")} == names


@pytest.mark.parametrize(
  ("flag", "message"),
  [
    ("--config.seeds=1", "config.seeds = 1: must be at least 2"),
    (
      "--config.measure.questions=4000",
      "config.measure.questions: 4000: only",
    ),
    ("--config.task.options.digits=0", "config.task.options: digits = 0"),
  ],
)
def test_bad_flags_are_one_line_before_any_work(root, tmp_path, flag, message):
  done = subprocess.run(
    [
      sys.executable,
      "-m",
      "experiments.pseudo_gradient",
      "--config=experiments/configs/pseudo_gradient_smoke.py",
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
