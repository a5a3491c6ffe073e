"""The report says what the results say, and needs nothing but them."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest

from raml_jax import parsing
from raml_jax.config import maml_vs_cot as config_lib
from raml_jax.plotting import maml_vs_cot as figures
from raml_jax.studies import report as report_lib
from raml_jax.studies import tables
from raml_jax.studies.maml_vs_cot import cells
from raml_jax.studies.maml_vs_cot import comparisons
from raml_jax.studies.maml_vs_cot import numbers
from raml_jax.studies.maml_vs_cot import report
from raml_jax.training import workdir as workdir_lib


def _saved(path, config, results, claims):
  workdir = workdir_lib.open_workdir(path, parsing.plain(config))
  for name, arrays in results.items():
    workdir.save_result(name, arrays, {"name": name})
  if claims is not None:
    workdir.save_json("results/claims.json", claims)
  return workdir


@pytest.fixture(scope="module")
def workdir(tmp_path_factory, config, results, claims):
  path = tmp_path_factory.mktemp("run") / "run"
  # One arm: every figure once.
  arms = {"isotropic": config.arms["isotropic"]}
  config = dataclasses.replace(config, arms=arms)
  return _saved(path, config, results, claims)


@pytest.fixture(scope="module")
def text(workdir, root):
  """The report, written by the program in a process of its own."""
  program = """
import runpy, sys
try:
  runpy.run_module(sys.argv.pop(1), run_name="__main__")
finally:
  heavy = {"jax", "flax", "orbax", "ml_collections", "matplotlib.pyplot"}
  assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
  module, workdir_flag = "experiments.report", f"--workdir={workdir.path}"
  done = subprocess.run(
    [sys.executable, "-c", program, module, workdir_flag],
    cwd=root,
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stderr
  assert done.stdout == f"report: {workdir.path}/report.md\n"
  assert done.stderr == ""
  return (workdir.path / "report.md").read_text()


def test_every_claim_has_its_row_in_bold(text, claims):
  assert {claim["verdict"] for claim in claims} > {"refuted"}
  for claim in claims:
    (row,) = [
      line
      for line in text.splitlines()
      if line.startswith("| **") and f"`{claim['id']}`" in line
    ]
    assert f"**{claim['verdict'].upper()}**" in row
    assert claim["deciding_part"] in row
    assert all(name in row for name in claim["controls"])
    assert ("by construction" in row) == claim["by_construction"]


def test_every_part_of_every_claim_is_listed(text, claims):
  section = text.partition("## All parts of the claims")[2]
  for claim in claims:
    for part in claim["parts"]:
      row = f"| `{claim['id']}` | {part['quantity']} ({part['where']}) |"
      assert row in section


def test_every_table_is_rectangular(text):
  blocks, block = [], []
  for line in [*text.splitlines(), ""]:
    if line.startswith("|"):
      block.append(line.replace("\\|", "").count("|"))
    elif block:
      blocks.append(block)
      block = []
  assert len(blocks) > 10
  assert all(len(set(block)) == 1 for block in blocks)


def test_every_figure_of_the_report_exists_in_both_formats(text, workdir):
  shown = [
    line.partition("](")[2].rstrip(")")
    for line in text.splitlines()
    if line.startswith("![")
  ]
  assert len(shown) == len(figures.TABLE)
  for name in shown:
    path = workdir.path / name
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.with_suffix(".pdf").read_bytes().startswith(b"%PDF")


def test_key_numbers_are_told(text, results, config):
  direct_S = results["isotropic/direct"]["error_SxK"][:, 1]
  assert f"| error at k = 1 | {tables.cell(direct_S, worst=True)} |" in text
  for k in config.outcome.steps:
    bound = results["isotropic/optimum"][f"per_step_k{k}"][-1]
    row = f"| k = {k} | bound of all fixed coefficients | {bound:.4g} |"
    assert row in text


def test_cell_is_median_interval_and_worst():
  half = 4.302653 * np.std([1, 2, 6], ddof=1) / np.sqrt(3)
  expected = f"2 [{3 - half:.4g}, {3 + half:.4g}], worst 6"
  assert tables.cell([1.0, 2.0, 6.0], worst=True) == expected
  assert tables.cell([1.0, np.inf]) == "not finite"


def test_diverged_errors_are_named_not_averaged():
  error_SxK = np.array([[4.0, 3.0, 2.0], [4.0, 3.0, 40.0]])
  assert cells.error(error_SxK, 1).startswith("3 [3, 3]")
  assert cells.error(error_SxK, 2) == "diverged"
  assert cells.error(error_SxK, 3) == ""
  assert cells.diverged(np.array([-1, 2])) == "2, never"


def test_missing_regimes_are_left_out(tmp_path, results, claims, without):
  changed, left = without(results, "maml", "decoys", "outcome_full")
  left = {
    name: found
    for name, found in left.items()
    if not name.endswith(("weights", "rules")) and name != "von_oswald"
  }
  workdir = _saved(tmp_path / "run", changed, left, claims[:1])
  config, rows, loaded = report_lib.load(
    workdir, report.EXPERIMENT, config_lib.parse
  )
  assert (len(rows), loaded.keys()) == (1, left.keys())
  lines = "\n".join(numbers.of_arm(loaded, config, "isotropic"))
  assert "imitation" in lines
  assert "Chains of thought beside MAML" not in lines
  assert comparisons.rules(loaded, config) == []
  assert comparisons.von_oswald(loaded) == []


def _experiment(workdir):
  config = json.loads((workdir.path / "config.json").read_text())
  config["experiment"] = "another"
  workdir.save_json("config.json", config)


@pytest.mark.parametrize(
  "spoil, words",
  [
    (lambda w: (w.path / "config.json").unlink(), "holds no run"),
    (
      lambda w: (w.path / "results/claims.json").unlink(),
      "has no results/claims.json: the run has not come to its end",
    ),
    (lambda w: w.write("results/claims.json", b"{"), "is broken"),
    (lambda w: w.write("results/a.npz", b"x"), "is broken"),
    (_experiment, "holds the experiment 'another', not 'maml_vs_cot'"),
  ],
)
def test_what_cannot_be_reported_is_one_line(
  tmp_path, config, claims, spoil, words
):
  workdir = _saved(tmp_path / "run", config, {}, claims)
  spoil(workdir)
  with pytest.raises(workdir_lib.WorkdirError, match=words) as caught:
    report.write(workdir)
  assert "\n" not in str(caught.value)
  assert not (workdir.path / "report.md").exists()


def test_the_program_tells_in_one_line_which_experiments_have_a_report(
  tmp_path, root, config, claims
):
  workdir = _saved(tmp_path / "run", config, {}, claims)
  _experiment(workdir)
  done = subprocess.run(
    [
      sys.executable,
      "-m",
      "experiments.report",
      f"--workdir={workdir.path}",
    ],
    cwd=root,
    capture_output=True,
    text=True,
  )
  assert (done.returncode, done.stdout) == (1, "")
  words = f"error: workdir {workdir.path} holds the experiment 'another', not "
  assert done.stderr.startswith(words) and "'maml_vs_cot'" in done.stderr
  assert done.stderr.count("\n") == 1


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
