"""The study, killed at any moment, ends with the same bits."""

import json
import sys

import pytest

from raml_jax.studies.learned_optimizer import finders
from raml_jax.studies.learned_optimizer import study
from tests.studies import killing
from tests.studies.learned_optimizer import small


def _run(path, wait_for=None):
  # Compiling is all that takes time here.
  flags = "--xla_backend_optimization_level=0"
  return killing.run(__file__, path, wait_for, XLA_FLAGS=flags)


@pytest.mark.slow
def test_killed_in_training_and_in_measuring_it_ends_with_the_same_bits(
  tmp_path,
):
  whole, broken = tmp_path / "whole", tmp_path / "broken"
  assert _run(whole)[0] == 0
  # In the middle of a problem: windows of 5 steps in problems of 10.
  code, _ = _run(broken, "checkpoints/learned/quadratics/[24]*")
  assert code == -9
  code, _ = _run(broken, "results/quadratics/curves.npz")
  assert code == -9
  code, output = _run(broken)
  assert code == 0
  assert "chains of thought: trained here" not in output
  killing.assert_same(whole, broken)
  rows = json.loads((whole / "results/claims.json").read_text())
  for id_ in finders.IDS:
    assert id_ in {row["id"] for row in rows}


def test_every_claim_of_the_config_has_its_evidence():
  assert set(small.config().claims) == set(finders.IDS)


if __name__ == "__main__":
  if len(sys.argv) == 2 and not sys.argv[1].startswith("-"):
    study.run(small.config(), sys.argv[1])
    raise SystemExit(0)
  raise SystemExit(pytest.main([__file__]))
