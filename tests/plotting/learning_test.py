"""Figures and report of the learned-optimizer study, from made-up results."""

import json
import subprocess
import sys

import numpy as np
import pytest

from experiments.configs import learned_optimizer_smoke
from raml_jax import parsing
from raml_jax.config import learned_optimizer as config_lib
from raml_jax.plotting import learning
from raml_jax.studies import claims as claims_lib
from raml_jax.studies.learned_optimizer import finders
from raml_jax.studies.learned_optimizer import report
from raml_jax.training import workdir as workdir_lib

SEEDS = 3
CHAINS = {"imitation": 3, "untrained": 2, "outcome_full_k2": 2}


@pytest.fixture(scope="module")
def config():
  return config_lib.parse(learned_optimizer_smoke.get_config().to_dict())


def _curves(rng, config):
  steps = config.measure.beyond * config.length
  names = ["learned", "other_problem", "untrained"]
  names += [f"{r}/{c}" for r in config_lib.RIVALS for c in ("area", "final")]
  out = {}
  for name in names:
    rate = rng.uniform(0.5, 0.9)
    loss = rng.uniform(1, 2, (SEEDS, 1)) * rate ** np.arange(steps + 1)
    out[f"{name}/loss_SxT"] = loss
    out[f"{name}/median_SxT"] = 0.5 * loss
    out[f"{name}/gone_SxT"] = np.zeros_like(loss)
  return out


def _tuning(rng):
  out = {}
  for rival in config_lib.RIVALS:
    for criterion in ("area", "final"):
      alpha = np.geomspace(1e-3, 3, 12)
      value = 1 + np.log10(alpha / rng.uniform(0.01, 1)) ** 2
      out[f"{rival}/{criterion}/alpha"] = alpha[np.argmin(value)]
      out[f"{rival}/{criterion}/alpha_C"] = alpha
      out[f"{rival}/{criterion}/value_C"] = value
  return out


def _chain(rng, steps):
  names = ["learned", "learned_curve", *config_lib.RIVALS, "conjugate"]
  out = {"names_R": np.array(names), "error_S": rng.uniform(1, 2, SEEDS)}
  for kind in ("path", "interventions", "free", "other", "shuffled", "scale"):
    out[f"{kind}_SxR"] = rng.uniform(0.01, 1, (SEEDS, len(names)))
  out["own_error_SxR"] = rng.uniform(0.1, 1, (SEEDS, len(names)))
  out["path_SxRxK"] = rng.uniform(0.1, 1, (SEEDS, len(names), steps))
  out["rivals_SxR"] = rng.uniform(0.1, 1, (SEEDS, 12))
  out["named_S"] = np.array(["gradient"] * SEEDS)
  return out


@pytest.fixture(scope="module")
def results(config):
  rng = np.random.default_rng(0)
  out = {}
  for problem in ("quadratics", "regression"):
    out[f"{problem}/curves"] = _curves(rng, config)
    out[f"{problem}/tuning"] = _tuning(rng)
  for chain, steps in CHAINS.items():
    out[f"chains/{chain}"] = _chain(rng, steps)
  # The chains themselves stand there too, as they were trained.
  out["chains"] = {"imitation/layer_0.V": np.zeros((SEEDS, 2, 2))}
  return out


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
  for figure in learning.TABLE:
    for kind, first in (("png", b"\x89PNG"), ("pdf", b"%PDF")):
      content = (path / "figures" / f"{figure.name}.{kind}").read_bytes()
      assert content.startswith(first)
  return (path / "report.md").read_text(), json.dumps(rows)


def test_the_report_shows_every_claim_with_its_verdict(text, config):
  report_text, rows = text
  for row in json.loads(rows):
    assert f"`{row['id']}`" in report_text
    assert f"**{row['verdict'].upper()}**" in report_text
  for figure in learning.TABLE:
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
  assert tables >= 8


def test_the_numbers_are_those_of_the_results(text, results):
  loss = results["quadratics/curves"]["adam/area/loss_SxT"]
  expected = f"{10 ** np.log10(loss[:, 10]).mean():.4g}"
  (row,) = [
    line
    for line in text[0].splitlines()
    if line.startswith("| Adam, tuned for mean loss |")
    and line.split("|")[3].split()[0] == expected
  ]
  assert row


def test_the_mark_of_a_tuned_rule_stands_at_the_chosen_step_size(
  results, config
):
  fig = learning.tuning(results, config)
  for ax, problem in zip(fig.axes[:2], ("quadratics", "regression")):
    marks = [line for line in ax.lines if len(line.get_xdata()) == 1]
    chosen = [
      results[f"{problem}/tuning"][f"{rival}/area/alpha"]
      for rival in config_lib.RIVALS
    ]
    np.testing.assert_allclose([m.get_xdata()[0] for m in marks], chosen)
    (level,) = [
      line for line in ax.lines if line.get_label().startswith("lear")
    ]
    learned = results[f"{problem}/curves"]["learned/loss_SxT"]
    expected = learned[:, 1 : config.length + 1].mean()
    assert level.get_ydata()[0] == pytest.approx(expected)


def test_the_training_length_is_marked(results, config):
  fig = learning.curves(results, config)
  for ax in fig.axes:
    marked = [
      line for line in ax.lines if list(line.get_xdata()) == [config.length] * 2
    ]
    assert len(marked) == 1


def test_chains_are_told_with_their_lengths(results, config):
  assert list(learning.chains(results)) == [
    "imitation",
    "untrained",
    "outcome_full_k2",
  ]
  assert learning.chain("imitation", config) == "imitation, K = 3"
  assert learning.chain("untrained", config) == "untrained, K = 2"


def test_a_run_of_another_experiment_is_refused(tmp_path):
  workdir = workdir_lib.open_workdir(tmp_path, {"experiment": "other"})
  with pytest.raises(workdir_lib.WorkdirError, match="not 'learned_optimizer'"):
    report.write(workdir)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
