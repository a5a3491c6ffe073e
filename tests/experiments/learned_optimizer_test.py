"""The program ends mistakes in one line, before any work."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
  ("flag", "message"),
  [
    (
      "--config.length=30",
      "error: config.length = 30: must be a multiple of unroll = 20\n",
    ),
    (
      "--config.rule.depth=2",
      "error: config.rule.depth: unknown field; known are layers, preprocess,"
      " scale, second_derivatives, width\n",
    ),
  ],
)
def test_mistakes_fit_on_one_line(root, tmp_path, flag, message):
  workdir = tmp_path / "run"
  done = subprocess.run(
    [
      sys.executable,
      "-m",
      "experiments.learned_optimizer",
      flag,
      f"--workdir={workdir}",
    ],
    cwd=root,
    capture_output=True,
    text=True,
  )
  assert (done.returncode, done.stdout) == (1, "")
  assert done.stderr == message
  assert not workdir.exists()


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
