"""Studies that are run in processes of their own, and killed there."""

import os
import subprocess
import sys
import time

import numpy as np


def run(file, path, wait_for=None, **environment):
  """Runs `file`, a study in small, in the workdir `path`.

  Args:
    file: a program that takes the workdir as its argument.
    path: the workdir; what is compiled is kept beside it.
    wait_for: kills the process once this pattern matches a file in there.
    **environment: more variables.

  Returns:
    The exit code, and what it printed.
  """
  process = subprocess.Popen(
    [sys.executable, file, str(path)],
    stdout=subprocess.PIPE,
    stderr=subprocess.DEVNULL,
    text=True,
    env=os.environ
    | {
      "PYTHONPATH": os.pathsep.join(sys.path),
      "JAX_COMPILATION_CACHE_DIR": str(path.parent / "compiled"),
      "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    | environment,
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


def arrays(path):
  """Every array of every result, by file and name."""
  out = {}
  for file in sorted((path / "results").rglob("*.npz")):
    with np.load(file, allow_pickle=False) as found:
      for name in found.files:
        out[f"{file.relative_to(path)}/{name}"] = found[name]
  return out


def assert_same(one, two):
  """Equal arrays, claims, metrics and configs, bit for bit."""
  expected, got = arrays(one), arrays(two)
  assert expected.keys() == got.keys()
  for name, value in expected.items():
    np.testing.assert_array_equal(got[name], value, err_msg=name)
  for name in ("results/claims.json", "metrics.jsonl", "config.json"):
    assert (two / name).read_bytes() == (one / name).read_bytes()
