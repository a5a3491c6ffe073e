"""The main job, killed at any moment, ends with the same bits."""

import json
import sys

import pytest

from experiments.configs import maml_vs_cot_smoke
from raml_jax.config import maml_vs_cot as config_lib
from raml_jax.studies.maml_vs_cot import finders
from raml_jax.studies.maml_vs_cot import study
from tests.studies import killing


def _config():
  """One regime, as small as it gets."""
  config = maml_vs_cot_smoke.get_config().to_dict()
  config["regimes"] = ("imitation",)
  config["seeds"] = 2
  config["imitation"]["train"]["steps"] = 40
  config["measure"] |= {"tasks": 8, "error_tasks": 16, "spectra": 2000}
  return config_lib.parse(config)


def _run(path, wait_for=None):
  return killing.run(__file__, path, wait_for)


def test_killed_in_training_and_in_measuring_it_ends_with_the_same_bits(
  tmp_path,
):
  whole, broken = tmp_path / "whole", tmp_path / "broken"
  assert _run(whole)[0] == 0
  code, _ = _run(broken, "checkpoints/isotropic/imitation/8*")
  assert code == -9
  code, _ = _run(broken, "results/isotropic/imitation.npz")
  assert code == -9
  code, output = _run(broken)
  assert code == 0
  killing.assert_same(whole, broken)
  rows = json.loads((whole / "results/claims.json").read_text())
  # Claims whose controls were not trained stay open.
  assert {r["id"] for r in rows} == {"construction-is-gd", "order-invariant"}
  assert {r["verdict"] for r in rows} <= {
    "supported",
    "refuted",
    "inconclusive",
  }


def test_every_claim_of_the_config_has_its_evidence():
  assert set(_config().claims) == set(finders.IDS)


if __name__ == "__main__":
  if len(sys.argv) == 2 and not sys.argv[1].startswith("-"):
    study.run(_config(), sys.argv[1])
    raise SystemExit(0)
  raise SystemExit(pytest.main([__file__]))
