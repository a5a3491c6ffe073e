"""Figures, report, verdicts of MAML on trajectories, from planted numbers."""

import json
import subprocess
import sys

import numpy as np
import pytest

from experiments.configs import maml_vs_cot_arithmetic
from raml_jax import parsing
from raml_jax.config import maml_vs_cot_arithmetic as config_lib
from raml_jax.plotting import crossings
from raml_jax.plotting import likeness
from raml_jax.plotting import modes
from raml_jax.studies import claims as claims_lib
from raml_jax.studies.maml_vs_cot_arithmetic import finders
from raml_jax.studies.maml_vs_cot_arithmetic import report
from raml_jax.training import workdir as workdir_lib

SEEDS, LINES, BLOCKS, QUESTIONS = 5, 2, 2, 4
NAMES = (*config_lib.ARMS, "untrained", "embeddings")


@pytest.fixture(scope="module")
def config():
  return config_lib.parse(maml_vs_cot_arithmetic.get_config().to_dict())


def _numbers(rng, alike):
  """One arm; the loss in both modes and SimAOU as given."""
  out = {}
  for kind in config_lib.KINDS:
    loss = rng.normal(0, 1e-3, (SEEDS, 2, LINES + 1, QUESTIONS))
    loss += np.array([2.0, 1.0, 0.5])[:, None] + (kind != "own")
    out[f"{kind}/loss_SxMxPxB"] = loss
    out[f"{kind}/right_SxMxPxB"] = loss < 1.0
    out[f"{kind}/rec2ftp_S"] = rng.uniform(0, 1, SEEDS)
    for form in ("both", "apart"):
      level = alike if (kind, form) == ("own", "both") else 0.1
      for what in ("stream", "attention", "scores"):
        value = rng.normal(level, 1e-3, (SEEDS, LINES, BLOCKS))
        if what == "scores":
          value[..., 0] = np.nan
        out[f"{kind}/{form}/{what}_SxLxK"] = value
  return out


def _results(alike=0.5, cka=0.95):
  rng = np.random.default_rng(0)
  out = {}
  for name in NAMES:
    trained = name not in ("untrained", "embeddings", "direct")
    out[f"numbers/{name}"] = _numbers(rng, alike if trained else 0.1)
    if name not in config_lib.MAML:
      out[f"tuned/{name}"] = {
        "alpha": np.float32(0.1),
        "repeats": np.int64(4),
        "loss_SxNxG": rng.uniform(1, 2, (SEEDS, 2, 9)),
      }
  for name in ("cot", "second_order", "first_order", "untrained"):
    out[f"changes/{name}"] = {
      "cosine_SxJxKxN": rng.normal(0, 0.1, (SEEDS, 3, LINES, BLOCKS)),
      "size_SxJxKxN": rng.uniform(0, 1, (SEEDS, 3, LINES, BLOCKS)),
      "angles_SxIxKxNx4xR": rng.uniform(0, 1, (SEEDS, 4, LINES, BLOCKS, 4, 4)),
      "off_SxB": rng.uniform(0, 1e-6, (SEEDS, QUESTIONS)),
    }
  names = [f"{name}/{mode}" for name in NAMES for mode in config_lib.MODES]
  shape = (SEEDS, LINES, BLOCKS, len(names), len(names))
  out["cka"] = {
    "names_N": np.array(names),
    "cka_SxLxKxNxN": np.full(shape, cka),
    "floor_SxLxKxNxN": np.full(shape, 0.1),
    "across_SxLxKxNxN": np.full(shape, 0.97),
  }
  out["probes"] = {"chance_R": np.full(3, 0.3)} | {
    f"{name}/right_SxKx3x3": rng.uniform(0, 1, (SEEDS, BLOCKS, 3, 3))
    for name in NAMES
  }
  out["written"] = {
    f"{what}_SxB": rng.uniform(0, 1, (SEEDS, QUESTIONS)) < 0.5
    for what in ("right", "sound")
  }
  out["costs"] = {
    f"{name}/{what}": np.float64(2e9)
    for name in config_lib.ARMS
    for what in ("flops", "numbers")
  }
  return out


def _verdicts(config, results):
  rows = claims_lib.decide(config.claims, finders.TABLE, 4, config, results)
  return {row["id"]: row["verdict"] for row in rows}


def test_planted_likeness_is_found_and_its_absence_too(config):
  same = _verdicts(config, _results())
  maml = len(config_lib.MAML)
  assert len(same) == maml + 2 * (1 + maml)
  assert set(same.values()) == {"supported"}
  found = _verdicts(config, _results(alike=0.1, cka=0.5))
  assert found["maml-cot-interchangeable/head"] == "refuted"
  assert found["simaou-above-controls/cot"] == "refuted"
  assert found["crossings/cot"] == "supported"


def test_a_crossing_that_fails_is_refuted_in_its_own_direction(config):
  results = _results()
  loss = results["numbers/cot"]["own/loss_SxMxPxB"]
  loss[:, 1, -1] += 0.3  # By inner steps.
  found = _verdicts(config, results)
  assert found["crossings/cot"] == "refuted"
  assert found["maml-cot-interchangeable/second_order"] == "supported"
  loss = results["numbers/second_order"]["own/loss_SxMxPxB"]
  loss[:, 1, -1] += 0.3
  found = _verdicts(config, results)
  assert found["crossings/second_order"] == "supported"
  assert found["maml-cot-interchangeable/second_order"] == "refuted"


def test_no_change_of_states_has_nothing_in_common_and_no_direction(config):
  results = _results()
  names = list(results["cka"]["names_N"])
  i, j = names.index("head/inner"), names.index("cot/context")
  for at in ((i, j), (j, i)):
    results["cka"]["cka_SxLxKxNxN"][(..., *at)] = np.nan
  for kind in config_lib.KINDS:
    for form in ("both", "apart"):
      key = f"{kind}/{form}/attention_SxLxK"
      results["numbers/head"][key][:] = np.nan
  found = _verdicts(config, results)
  assert found["maml-cot-interchangeable/head"] == "refuted"
  assert "simaou-above-controls/head" not in found
  assert (modes.cka(results, "head/inner", "cot/context") == 0).all()


def test_sim_am_is_the_mean_over_the_blocks_where_it_is_defined():
  results = _results()
  last = results["numbers/cot"]["own/both/scores_SxLxK"][:, -1]
  np.testing.assert_array_equal(
    modes.published(results, "cot", "scores"), last[:, 1]
  )


def test_every_figure_names_its_arms_and_its_controls(config):
  for figure in (*crossings.TABLE, *likeness.TABLE):
    drawn = figure.draw(_results(), config)
    texts = {text.get_text() for text in drawn.findobj(_is_text)}
    joined = "\n".join(texts)
    assert "MAML" in joined and "CoT" in joined or "chain of" in joined
    axes = drawn.get_axes()
    assert all(ax.lines or ax.containers for ax in axes), figure.name
    assert axes[0].get_title(loc="left").startswith("(a)"), figure.name


def _is_text(artist):
  return hasattr(artist, "get_text")


def test_the_report_is_written_from_results_alone_without_jax(
  config, tmp_path, root
):
  workdir = workdir_lib.open_workdir(tmp_path / "run", parsing.plain(config))
  results = _results()
  for name, arrays in results.items():
    workdir.save_result(name, arrays, {})
  rows = claims_lib.decide(config.claims, finders.TABLE, 4, config, results)
  workdir.save_json("results/claims.json", rows)
  code = (
    "import sys; from experiments import report;"
    " from raml_jax.training import workdir;"
    " w, c = workdir.load_workdir(sys.argv[1]);"
    " report.write(w, c['experiment']); assert 'jax' not in sys.modules"
  )
  path = str(workdir.path)
  subprocess.run([sys.executable, "-c", code, path], cwd=root, check=True)
  text = (workdir.path / "report.md").read_text()
  for row in json.loads((workdir.path / "results/claims.json").read_bytes()):
    assert f"`{row['id']}`" in text
  for figure in (*crossings.TABLE, *likeness.TABLE):
    assert (workdir.path / f"figures/{figure.name}.png").exists()
  assert report.EXPERIMENT == config.experiment


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
