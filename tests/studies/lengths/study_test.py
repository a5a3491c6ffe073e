"""The length study, killed at any moment, ends with the same bits."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest

from experiments.configs import lengths_smoke
from raml_jax.config import lengths as config_lib
from raml_jax.studies.lengths import finders
from raml_jax.studies.lengths import measure
from raml_jax.studies.lengths import report
from raml_jax.studies.lengths import study
from tests.studies import killing


def _config():
  """One scheme in the shortest format, as small as it gets."""
  config = config_lib.parse(lengths_smoke.get_config().to_dict())
  return dataclasses.replace(
    config,
    formats={"mirrored": config.formats["simplified"]},
    schemes=("abacus",),
  )


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
  code, _ = _run(broken, "checkpoints/mirrored/abacus/4*")
  assert code == -9
  code, _ = _run(broken, "results/mirrored/abacus.npz")
  assert code == -9
  code, output = _run(broken)
  assert code == 0, output
  killing.assert_same(whole, broken)


def test_claims_on_one_scheme_are_decided_and_no_comparison(whole):
  rows = json.loads((whole / "results/claims.json").read_text())
  ids = {row["id"] for row in rows}
  assert ids == {
    f"{claim}/mirrored/abacus"
    for claim in ("in-distribution-solved", "length-generalises", "loses-count")
  }
  for row in rows:
    assert row["controls"] and row["seeds"] == 2


def test_the_report_tells_claims_notes_and_figures(whole):
  text = (whole / "report.md").read_text()
  for words in ("## Claims", "never get a gradient", "![Figure 1", "untrained"):
    assert words in text
  for name in ("1_exact_match", "2_what_fails", "3_counts"):
    for kind in ("png", "pdf"):
      assert (whole / f"figures/{name}.{kind}").stat().st_size > 1000


def test_every_claim_of_the_config_has_its_evidence():
  assert set(lengths_smoke.get_config().claims) == set(finders.IDS)


# Two seeds, trained to two digits; by hand.
_TEXTS = (
  ("$1+2=3$|", "$12+34=64$|", "$12+39=15$|", "$123+456=975$|"),
  ("$1+2=30$|", "$12+34=6$|", "$12+39=14$|", "$123+456=97$|"),
)
_BY_HAND = {
  "accuracy_SxN": [[1, 1, 1], [0, 0, 0]],
  "miscounted_SxN": [[0, 0, 0], [1, 0.5, 1]],
  "columns_SxN": [[0, 0, 0], [1, -0.5, -1]],
  "begun_SxN": [[1, 1, 1], [1, 0, 1]],
  "lucky_SxN": [[0, 0, 0], [0, 0, 0]],
}


def test_what_is_measured_is_what_is_counted_by_hand():
  digits_B = np.array([1, 2, 2, 3])
  found = measure.summary(_TEXTS, digits_B, 2, 10)
  for name, value in _BY_HAND.items():
    np.testing.assert_allclose(found[name], value, err_msg=name)
  np.testing.assert_allclose(found["kind_SxNxK"].sum(axis=2), 1)
  share = dict(zip(found["names_K"], found["kind_SxNxK"][1].T))
  assert list(share["carry"]) == [0, 0.5, 0]
  assert list(share["early"]) == [0, 0.5, 1]
  assert list(share["late"]) == [1, 0, 0]


def test_a_right_answer_behind_a_wrong_step_is_right_by_luck():
  text = "Input:\n12+34\nTarget:\nA->6 , C->1\nA->4 , C->0.\n46|"
  found = measure.summary([[text]], np.array([2]), 2, 10)
  assert found["accuracy_SxN"] == found["lucky_SxN"] == 1
  assert found["names_K"][found["kind_SxB"][0, 0]] == "right"


def _results(config, **exact):
  """Made-up exact match, [seeds, lengths], by scheme."""
  out = {}
  for scheme, values in exact.items():
    for suffix, factor in (("", 1.0), ("_untrained", 0.0)):
      values_SxN = factor * np.array(values, float)
      out[f"mirrored/{scheme}{suffix}"] = {
        "accuracy_SxN": values_SxN,
        "miscounted_SxN": 1 - values_SxN,
      }
  return out


def test_claims_beyond_training_do_not_see_what_is_inside():
  """Trained to one digit, tested to two: entry 0 is inside, entry 1 beyond."""
  config = dataclasses.replace(_config(), schemes=("none", "abacus"))
  exact = {"none": [[0.9, 0.2], [1, 0.4]], "abacus": [[0.5, 0.8], [0.7, 0.9]]}
  results = _results(config, **exact)

  def values(claim, suffix):
    found = dict(finders.TABLE[claim](config, results))
    return [list(part.values_S) for part in found[suffix][0]]

  def close(claim, suffix, wanted):
    np.testing.assert_allclose(values(claim, suffix), [wanted])

  close("in-distribution-solved", "/mirrored/none", [0.9, 1])
  close("length-generalises", "/mirrored/none", [0.2, 0.4])
  close("loses-count", "/mirrored/abacus", [0.2, 0.1])
  close("abacus-best", "/mirrored", [0.6, 0.5])


@pytest.mark.parametrize(
  ("flag", "message"),
  [
    (
      "--config.formats.mirrored.digits=0",
      "config.formats.mirrored.digits = 0: must be positive",
    ),
    (
      "--config.formats.mirrored.fit.weights.step=-1.0",
      "config.formats.mirrored.fit.weights.step = -1.0: must be at least 0",
    ),
    ("--config.schemes=('alibi',)", "config.schemes[0] = 'alibi': must be"),
  ],
)
def test_bad_flags_are_one_line_before_any_work(root, tmp_path, flag, message):
  done = subprocess.run(
    [
      sys.executable,
      "-m",
      "experiments.lengths",
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
