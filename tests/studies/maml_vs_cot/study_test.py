"""The main job, killed at any moment, ends with the same bits."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from experiments.configs import maml_vs_cot_smoke
from raml_jax.config import maml_vs_cot as config_lib
from raml_jax.studies.maml_vs_cot import finders
from raml_jax.studies.maml_vs_cot import study


def _config():
  """One regime, as small as it gets."""
  config = maml_vs_cot_smoke.get_config().to_dict()
  config["regimes"] = ("imitation",)
  config["seeds"] = 2
  config["imitation"]["train"]["steps"] = 40
  config["measure"] |= {"tasks": 8, "error_tasks": 16, "spectra": 2000}
  return config_lib.parse(config)


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
    },
  )
  if wait_for is not None:
    deadline = time.monotonic() + 120
    while not list(path.glob(wait_for)):
      assert process.poll() is None, "ended before it could be killed"
      assert time.monotonic() < deadline
      time.sleep(0.01)
    process.kill()
  output, _ = process.communicate(timeout=240)
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
  code, _ = _run(broken, "checkpoints/isotropic/imitation/8*")
  assert code == -9
  code, _ = _run(broken, "results/isotropic/imitation.npz")
  assert code == -9
  code, output = _run(broken)
  assert code == 0
  expected, got = _arrays(whole), _arrays(broken)
  assert expected.keys() == got.keys()
  for name, value in expected.items():
    np.testing.assert_array_equal(got[name], value, err_msg=name)
  for name in ("results/claims.json", "metrics.jsonl", "config.json"):
    assert (broken / name).read_bytes() == (whole / name).read_bytes()
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
