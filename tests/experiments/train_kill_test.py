"""Training killed at random moments ends with the same bits.

  python tests/experiments/train_kill_test.py 20

does with 20 moments what the test does with a few, and tells what was under way
at each.
"""

import pathlib
import random
import sys
import tempfile

import pytest

from tests.experiments import forks
from tests.studies import killing

_CONFIG = "--config=experiments/configs/train_smoke.py"
_FILES = ("report.md", "figures/1_training.png", "figures/2_tests.pdf")


def killed(commands, folder, count, seed=0):
  """Kills runs at `count` moments, and resumes each.

  Half of them die before some change of a file in their workdir, drawn among
  all that a whole run makes; half at some time of the clock.

  Yields:
    (what was under way, workdir of the resumed run, that of a whole run).
  """
  rng = random.Random(seed)
  whole = folder / "whole"
  for attempt in range(2):  # What is compiled is found by the second.
    done = commands.run(_CONFIG, f"--workdir={whole}{attempt}")
    assert done["code"] == 0, done["err"]
  for i in range(count):
    path = folder / f"cut{i}"
    moment = {"event": rng.randint(1, done["events"])}
    if i % 2:
      moment = {"seconds": rng.uniform(0.1, 0.95) * done["seconds"]}
    died = commands.run(_CONFIG, f"--workdir={path}", **moment)
    # The clock may find it finished.
    assert died["code"] == -9 or (i % 2 and died["code"] == 0), died["err"]
    way = under_way(path)
    resumed = commands.run(_CONFIG, f"--workdir={path}")
    assert resumed["code"] == 0, resumed["err"]
    yield f"{moment}: {way}", path, pathlib.Path(f"{whole}1")


def under_way(path) -> str:
  """What a killed run has left behind."""
  if not path.exists():
    return "nothing begun"
  unfinished = [
    entry.relative_to(path).as_posix()
    for entry in path.rglob("*")
    if "orbax-checkpoint-tmp" in entry.name or entry.name.startswith(".tmp-")
  ]
  steps = sorted(
    entry.name
    for entry in path.glob("checkpoints/decoder/*")
    if entry.name.isdecimal()
  )
  results = sorted(file.stem for file in path.glob("results/**/*.npz"))
  parts = [f"checkpoints {steps}", f"results {results}"]
  if unfinished:
    parts.append(f"half written {unfinished[0]}")
  return ", ".join(parts)


def assert_same(one, two):
  killing.assert_same(one, two)
  for name in _FILES:
    assert (one / name).read_bytes() == (two / name).read_bytes(), name


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_with_the_same_bits(tmp_path):
  with forks.Commands(tmp_path) as commands:
    for _, path, whole in killed(commands, tmp_path, 4):
      assert_same(whole, path)


if __name__ == "__main__":
  if len(sys.argv) == 2 and sys.argv[1].isdecimal():
    with tempfile.TemporaryDirectory() as folder_:
      root_ = pathlib.Path(folder_)
      with forks.Commands(root_) as commands_:
        for told, path_, whole_ in killed(commands_, root_, int(sys.argv[1])):
          assert_same(whole_, path_)
          print(f"same bits after {told}", flush=True)
    raise SystemExit(0)
  raise SystemExit(pytest.main([__file__]))
