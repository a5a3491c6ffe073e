"""Figures and report of the length study, from made-up results."""

import json
import subprocess
import sys

import numpy as np
import pytest

from experiments.configs import lengths
from raml_jax import parsing
from raml_jax.config import lengths as config_lib
from raml_jax.plotting import lengths as plots
from raml_jax.studies import claims as claims_lib
from raml_jax.studies.lengths import finders
from raml_jax.studies.lengths import report
from raml_jax.training import workdir as workdir_lib


@pytest.fixture(scope="module")
def config():
  return config_lib.parse(lengths.get_config().to_dict())


def _measured(rng, config, arm, level):
  shape = config.seeds, arm.tested
  share_SxNxK = rng.dirichlet(np.ones(len(plots.KINDS)), shape)
  return {
    "digits_N": np.arange(1, arm.tested + 1),
    "names_K": np.array(list(plots.KINDS)[::-1]),
    "kind_SxNxK": share_SxNxK,
    "accuracy_SxN": level * share_SxNxK[..., -1],
    "columns_SxN": rng.normal(size=shape),
    "miscounted_SxN": rng.uniform(size=shape),
    "begun_SxN": rng.uniform(size=shape),
    "lucky_SxN": rng.uniform(size=shape),
    "shown_NxE": np.full((arm.tested, 2), "$1+2=3$|"),
  }


@pytest.fixture(scope="module")
def results(config):
  rng = np.random.default_rng(0)
  return {
    f"{format}/{scheme}{suffix}": _measured(rng, config, arm, level)
    for format, arm in config.formats.items()
    for scheme in config.schemes
    for suffix, level in (("", 1.0), ("_untrained", 0.0))
  }


@pytest.fixture(scope="module")
def text(tmp_path_factory, config, results, root):
  """The report, written by the program in a process of its own."""
  path = tmp_path_factory.mktemp("run") / "run"
  workdir = workdir_lib.open_workdir(path, parsing.plain(config))
  for name, arrays in results.items():
    workdir.save_result(name, arrays, {"name": name})
  rows = claims_lib.decide(config.claims, finders.TABLE, 8, config, results)
  workdir.save_json("results/claims.json", rows)
  program = """
import runpy, sys
try:
  runpy.run_module(sys.argv.pop(1), run_name="__main__")
finally:
  heavy = {"jax", "flax", "orbax", "ml_collections", "matplotlib.pyplot"}
  assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
  done = subprocess.run(
    [sys.executable, "-c", program, "experiments.report", f"--workdir={path}"],
    cwd=root,
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stderr
  for figure in plots.TABLE:
    for kind, first in (("png", b"\x89PNG"), ("pdf", b"%PDF")):
      content = (path / "figures" / f"{figure.name}.{kind}").read_bytes()
      assert content.startswith(first)
  return (path / "report.md").read_text(), json.dumps(rows)


def test_the_report_shows_every_claim_with_its_verdict(text):
  report_text, rows = text
  for row in json.loads(rows):
    assert f"`{row['id']}`" in report_text
    assert f"**{row['verdict'].upper()}**" in report_text
  for figure in plots.TABLE:
    assert f"figures/{figure.name}.png" in report_text


def test_tables_have_as_many_cells_in_every_row(text):
  tables, width = 0, None
  for line in text[0].splitlines():
    if not line.startswith("|"):
      width = None
      continue
    cells = line.replace("\\|", "").count("|")
    tables += width is None
    assert width in (None, cells), line
    width = cells
  # Claims, exact match, what fails, parts.
  assert tables == 4


def test_curves_show_means_and_the_end_of_training_is_marked(results, config):
  fig = plots.accuracy(results, config)
  for ax, (format, arm) in zip(fig.axes, config.formats.items()):
    shown = [line.get_ydata() for line in ax.lines]
    for scheme in config.schemes:
      for suffix in ("", "_untrained"):
        found = results[f"{format}/{scheme}{suffix}"]["accuracy_SxN"]
        assert any(
          len(y) == arm.tested and np.allclose(y, found.mean(0)) for y in shown
        )
    limits = [x for line in ax.lines for x in set(line.get_xdata())]
    assert arm.digits + 0.5 in limits


def test_bars_stack_up_to_all_answers_each_kind_in_its_place(results, config):
  """The kinds of the results stand in another order than they are drawn in."""
  fig = plots.failures(results, config)
  (format, arm), scheme = next(iter(config.formats.items())), config.schemes[0]
  found = results[f"{format}/{scheme}"]
  bars = [bar.get_height() for bar in fig.axes[0].patches]
  height_KxN = np.reshape(bars, (len(plots.KINDS), arm.tested))
  np.testing.assert_allclose(height_KxN.sum(axis=0), 1)
  at = list(found["names_K"]).index("late")
  expected = found["kind_SxNxK"][:, :, at].mean(axis=0)
  drawn = height_KxN[list(plots.KINDS).index("late")]
  np.testing.assert_allclose(drawn, expected)


def test_a_run_of_another_experiment_is_refused(tmp_path):
  workdir = workdir_lib.open_workdir(tmp_path, {"experiment": "other"})
  with pytest.raises(workdir_lib.WorkdirError, match="not 'lengths'"):
    report.write(workdir)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
