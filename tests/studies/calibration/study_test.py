"""The calibration study, killed at any moment, ends with the same bits."""

import json
import subprocess
import sys

import jax
import numpy as np
import pytest

from experiments.configs import calibration_smoke
from raml_jax.config import calibration as config_lib
from raml_jax.plotting import calibration
from raml_jax.studies.calibration import adaptation
from raml_jax.studies.calibration import decoders
from raml_jax.studies.calibration import finders
from raml_jax.studies.calibration import lines
from raml_jax.studies.calibration import report
from raml_jax.studies.calibration import students
from raml_jax.studies.calibration import study
from tests.studies import killing


def _config(*parts):
  config = calibration_smoke.get_config()
  config.parts = parts
  return config_lib.parse(config.to_dict())


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
  path = tmp_path_factory.mktemp("study") / "whole"
  assert killing.run(__file__, path)[0] == 0
  return path


@pytest.mark.slow
def test_killed_in_training_and_in_measuring_it_ends_with_the_same_bits(whole):
  broken = whole.parent / "broken"
  for moment in ("checkpoints/linear/rotated/8*", "results/linear/rules.npz"):
    code, _ = killing.run(__file__, broken, moment)
    assert code == -9
  code, output = killing.run(__file__, broken)
  assert code == 0, output
  killing.assert_same(whole, broken)


def _claims(path):
  rows = json.loads((path / "results/claims.json").read_text())
  return {row["id"]: row for row in rows}


@pytest.mark.slow
def test_claims_of_parts_that_were_not_run_stay_open(whole):
  (row,) = _claims(whole).values()
  assert row["id"] == "instrument-calibrated" and row["seeds"] == 2
  assert set(row["controls"]) == {"untrained", *lines.CONTROLS}


@pytest.mark.slow
def test_exact_rules_are_read_as_theory_says_however_short_the_run(whole):
  """Nothing of it is trained: the parts on rules alone."""
  found = _claims(whole)["instrument-calibrated"]["parts"]
  parts = {(part["quantity"], part["where"]): part for part in found}
  for key, want in {
    ("answer_straight", "the path itself"): 1.0,
    ("support_cosine", "rule"): 1.0,
    ("support_explained", "rule"): 1.0,
    ("support_rotated", "rule"): 0.5,
  }.items():
    assert parts[key]["estimate"] == pytest.approx(want, abs=1e-9), key
  for name in ("gradient", "straight_path", "rotated", "shrunk"):
    assert parts["gap", f"rule of {name}"]["high"] < 1e-9


@pytest.mark.slow
def test_the_report_tells_claims_numbers_and_figures(whole):
  text = (whole / "report.md").read_text()
  for words in ("## Claims", "## Numbers: linear attention", "![Figure 2"):
    assert words in text
  assert "softmax decoder" not in text.partition("## Claims")[2]
  for kind in ("png", "pdf"):
    assert (whole / f"figures/1_linear_attention.{kind}").stat().st_size > 1000
    assert not (whole / f"figures/3_decoder_cosine.{kind}").exists()


@pytest.mark.slow
def test_a_decoder_is_measured_by_the_claims_and_drawn():
  """Untrained in every role: its path is exact, and figures need no more."""
  config = _config("decoder")
  episodes = decoders.episodes(config)
  phase = students.phases(config)["decoder/gradient"]
  params = jax.vmap(phase.init)(jax.random.split(jax.random.key(0), 2))
  found = decoders.measured(config, params, episodes)
  for form in ("rank_one", "preserving"):
    assert found[f"{form}/exact_S"].max() < 1e-5
  assert found["preserving/moved_S"].max() < 1e-5
  assert found["rank_one/moved_S"].max() > 1e-4
  names = (*finders.TAUGHT, "untrained", "shuffled_steps")
  results = {f"decoder/{name}": found for name in names}
  claimed = [
    id_
    for id_, find in finders.TABLE.items()
    for _, (parts, controls) in find(results)
    if parts and controls
  ]
  assert set(claimed) == {
    "decoder-path-exact",
    "decoder-ordered-answer",
    "decoder-ordered-support",
    "decoder-descent-explained",
  }
  drawn = [figure.draw(results, config) for figure in calibration.TABLE]
  assert [fig is not None for fig in drawn] == [False, False, True, True, False]


def test_inner_steps_are_those_of_a_plain_loop():
  """The error after two inner steps, one task at a time."""
  config = _config("decoder", "maml")
  episodes = decoders.episodes(config)
  phase = students.phases(config)["maml/second_order"]
  theta = jax.vmap(phase.init)(jax.random.split(jax.random.key(0), 2))
  w = np.zeros((2, config.measure.tasks, config.decoder.steps, 2), np.float32)
  w[..., 0] = np.arange(1, config.decoder.steps + 1)
  found = adaptation.adapted(config, theta, episodes, w)
  method = students.learner(config.decoder, 1.0, "first_order")
  first = jax.tree.map(lambda leaf: leaf[0], theta)
  slope = jax.jit(jax.grad(method.loss))
  total = 0.0
  for b in range(config.measure.tasks):
    one = jax.tree.map(lambda leaf, b=b: leaf[0, b], episodes)
    params = first["start"]
    for _ in range(2):
      gradient = slope(params, one.support.pairs)
      params = jax.tree.map(
        lambda p, g: p - first["meta"]["alpha"] * g, params, gradient
      )
    total += 2 * float(method.loss(params, one.query))
  want = total / config.measure.tasks
  assert found["error_SxT"][0, 2] == pytest.approx(want, rel=1e-4)


def test_controls_stand_beside_exact_descent():
  """Directions of another origin: other tasks' 0, shuffled ones not."""
  config = _config("linear")
  found = lines.rules(config, lines.episodes(config))
  assert np.all(found["gradient/support/cosine_S"] > 0.999)
  for name in lines.CONTROLS:
    assert np.all(found[f"{name}/support/cosine_S"] < 0.999)


@pytest.mark.parametrize(
  ("flag", "message"),
  [
    ("--config.decoder.task.d=3", "config.decoder.task.d = 3: must be even"),
    ("--config.decoder.heads=3", "config.decoder.heads = 3: must be a divisor"),
    ("--config.measure.at_once=7", "config.measure.at_once = 7: must be a"),
    ("--config.parts=('maml',)", "config.parts = ('maml',): must be with"),
    ("--config.linear.steps=2", "config.linear.steps = 2: must be at least 3"),
  ],
)
def test_bad_flags_are_one_line_before_any_work(root, tmp_path, flag, message):
  done = subprocess.run(
    [
      sys.executable,
      "-m",
      "experiments.calibration",
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
    _, workdir_ = study.run(_config("linear"), sys.argv[1])
    report.write(workdir_)
    raise SystemExit(0)
  raise SystemExit(pytest.main([__file__]))
