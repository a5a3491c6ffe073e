"""The study, killed at any moment, ends with the same bits."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from raml_jax.studies.learned_optimizer import finders
from raml_jax.studies.learned_optimizer import study
from tests.studies.learned_optimizer import small


def _run(path, wait_for=None):
  """Runs the job in a process of its own; kills it once a file is there."""
  process = subprocess.Popen(
    [sys.executable, __file__, str(path)],
    stdout=subprocess.PIPE,
    stderr=subprocess.DEVNULL,
    text=True,
    env=os.environ
    | {
      "PYTHONPATH": os.pathsep.join(sys.path),
      "JAX_COMPILATION_CACHE_DIR": str(path.parent / "compiled"),
      "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
      # Compiling is all that takes time here.
      "XLA_FLAGS": "--xla_backend_optimization_level=0",
    },
  )
  if wait_for is not None:
    deadline = time.monotonic() + 240
    while not list(path.glob(wait_for)):
      assert process.poll() is None, "ended before it could be killed"
      assert time.monotonic() < deadline
      time.sleep(0.01)
    process.kill()
  output, _ = process.communicate(timeout=480)
  return process.returncode, output


def _arrays(path):
  out = {}
  for file in sorted((path / "results").rglob("*.npz")):
    with np.load(file, allow_pickle=False) as arrays:
      for name in arrays.files:
        out[f"{file.relative_to(path)}/{name}"] = arrays[name]
  return out


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
  expected, got = _arrays(whole), _arrays(broken)
  assert expected.keys() == got.keys()
  for name, value in expected.items():
    np.testing.assert_array_equal(got[name], value, err_msg=name)
  for name in ("results/claims.json", "metrics.jsonl", "config.json"):
    assert (broken / name).read_bytes() == (whole / name).read_bytes()
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
