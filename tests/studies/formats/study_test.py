"""The study of formats, killed at any moment, ends with the same bits."""

import json
import subprocess
import sys

import numpy as np
import pytest

from experiments.configs import formats_smoke
from raml_jax.config import formats as config_lib
from raml_jax.studies.formats import finders
from raml_jax.studies.formats import report
from raml_jax.studies.formats import study
from tests.studies import killing


def _config():
  """Two formats, as small as it gets."""
  config = formats_smoke.get_config().to_dict()
  config["sizes"] = {"plain": (20, 40), "reversed": (20, 40)}
  config["windows"] = {"plain": 32, "reversed": 32}
  config["model"] |= {"width": 8, "mlp": 1}
  config["fit"] |= {"steps": 10, "batch": 4}
  config["measure"]["questions"] = 6
  return config_lib.parse(config)


def _run(path, wait_for=None):
  return killing.run(__file__, path, wait_for)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
  path = tmp_path_factory.mktemp("study") / "whole"
  assert _run(path)[0] == 0
  return path


@pytest.mark.slow
def test_killed_in_training_and_in_measuring_it_ends_with_the_same_bits(whole):
  broken = whole.parent / "broken"
  code, _ = _run(broken, "checkpoints/plain/n40/4*")
  assert code == -9
  code, _ = _run(broken, "results/reversed/n20.npz")
  assert code == -9
  code, output = _run(broken)
  assert code == 0, output
  killing.assert_same(whole, broken)


@pytest.mark.slow
def test_the_summary_holds_the_means_of_the_verdicts(whole):
  arrays = killing.arrays(whole)
  for format in ("plain", "reversed"):
    for protocol in ("bare",):
      found = arrays[f"results/summary.npz/{format}/{protocol}/right_SxN"]
      for n, size in enumerate((20, 40)):
        name = f"results/{format}/n{size}.npz/{protocol}/right_SxB"
        assert arrays[name].shape == (2, 6)
        np.testing.assert_array_equal(found[:, n], arrays[name].mean(axis=1))


@pytest.mark.slow
def test_claims_that_need_the_other_formats_are_left_out(whole):
  rows = json.loads((whole / "results/claims.json").read_text())
  assert {row["id"] for row in rows} == {"plain-plateaus", "newline-artefact"}
  for row in rows:
    assert set(row["controls"]) == set(finders.CONTROLS)


@pytest.mark.slow
def test_the_report_tells_claims_numbers_and_figures(whole):
  text = (whole / "report.md").read_text()
  for words in ("## Claims", "## Departures", "![Figure 1", "> 40"):
    assert words in text
  for kind in ("png", "pdf"):
    assert (whole / f"figures/1_curves.{kind}").stat().st_size > 1000


@pytest.mark.parametrize(
  ("flag", "message"),
  [
    ("--config.digits=0", "config.digits = 0: must be positive"),
    ("--config.sizes.plain=(9,)", "config.sizes.plain = (9,): must be two"),
    ("--config.windows.plain=8", "config.windows.plain = 8: must be at least"),
    ("--config.fit.weights.answer=-1.0", "config.fit.weights.answer = -1.0"),
  ],
)
def test_bad_flags_are_one_line_before_any_work(root, tmp_path, flag, message):
  done = subprocess.run(
    [
      sys.executable,
      "-m",
      "experiments.formats",
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
