"""The program ends mistakes in one line, and damages nothing."""

import json
import pathlib
import re
import shutil
import socket
import subprocess
import sys

import numpy as np
import pytest

from raml_jax.tasks import vocab
from raml_jax.training import workdir as workdir_lib
from tests.experiments import forks
from tests.experiments import train_kill_test
from tests.studies import killing

_CONFIG = "--config=experiments/configs/train_smoke.py"
_DAMAGED = "addition/simplified_2/1.0.0"


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
  with forks.Commands(tmp_path_factory.mktemp("compiled")) as started:
    yield started


@pytest.fixture(scope="module")
def whole(commands, tmp_path_factory):
  """A run that nothing happened to, and how many files it changed."""
  path = tmp_path_factory.mktemp("train") / "whole"
  done = commands.run(_CONFIG, f"--workdir={path}")
  assert done["code"] == 0, done["err"]
  assert f"report: {path}/report.md" in done["out"]
  return path, done["events"]


def test_what_is_reported_is_what_was_answered(whole):
  """Shares from the answers' own verdicts, and every section there."""
  path, _ = whole
  workdir, config = workdir_lib.load_workdir(path)
  assert config["vocabulary"] == vocab.CHARACTERS
  (claim,) = json.loads((path / "results/claims.json").read_text())
  found = workdir.load_result("tests/held_out")[0]
  share = found["right_SxB"].mean()
  assert claim["estimate"] == pytest.approx(share)
  assert set(claim["controls"]) == {"untrained", "other question's answer"}
  assert found["right_SxB"].shape == found["untrained_SxB"].shape == (2, 16)
  for text, right in zip(found["answers"], found["right_SxB"][0]):
    asked = re.match(r"Input:\n(\d+)\+(\d+)\nTarget:\n", text)
    total = int(asked[1]) + int(asked[2])
    assert right == text.endswith(f".\n{total}|")
  samples = workdir.load_result("samples")[0]
  np.testing.assert_allclose(
    samples["pass_SxK"][:, 0], samples["correct_SxB"].mean(axis=1) / 2
  )
  text = (path / "report.md").read_text()
  for words in ("## Claims", "## Tests", "| longer | digits = 3 |", "Pass@k"):
    assert words in text
  for name in ("1_training", "2_tests", "3_samples"):
    assert f"figures/{name}.png" in text
    for kind in ("png", "pdf"):
      assert (path / f"figures/{name}.{kind}").stat().st_size > 1000


def _refused(done) -> str:
  """The one line that a command ended with."""
  assert done["code"] == 1, done
  assert done["out"] == ""
  assert done["err"].startswith("error: ") and done["err"].count("\n") == 1
  return done["err"].removeprefix("error: ").strip()


@pytest.mark.parametrize(
  "flag, message",
  [
    (
      "--config.task.options.digits=0",
      "config.task.options: digits = 0: must be at least 1",
    ),
    (
      "--config.model.context=10",
      "config.model.context = 10: must be at least 7",
    ),
    ("--config.mesh.data=3", "mesh: data=3 times model=1 is 3, but there are "),
    ("--process=0", "coordinator: must be given too"),
    ("--cluster=slurm", "cluster='slurm': allowed is 'auto'"),
    (
      "--config.fit.weights.answer=-1",
      "config.fit.weights.answer = -1.0: must be at least 0",
    ),
    (
      "--config.measure.questions=2000",
      "config.measure.questions: count = 2000: only ",
    ),
  ],
)
def test_mistakes_are_one_line_before_any_work(
  commands, tmp_path, flag, message
):
  path = tmp_path / "run"
  done = commands.run(_CONFIG, f"--workdir={path}", flag)
  assert _refused(done).startswith(message)
  assert not path.exists()


def test_a_damaged_data_set_is_one_line(commands, tmp_path):
  damaged = tmp_path / _DAMAGED / "dataset_info.json"
  damaged.parent.mkdir(parents=True)
  damaged.write_text('{"name": "addi')
  said = _refused(
    commands.run(
      _CONFIG,
      f"--workdir={tmp_path / 'run'}",
      f"--config.data.folder={tmp_path}",
      "--config.data.dataset=addition/simplified_2",
    )
  )
  assert f"{damaged.parent} is damaged" in said and "prepare it again" in said


def test_another_vocabulary_is_refused_wherever_it_hides(
  commands, whole, tmp_path
):
  """Characters in another order: every array still has the same shape."""
  path, _ = whole
  turned = vocab.CHARACTERS[::-1]
  said = _refused(commands.run(_CONFIG, f"--workdir={path}", characters=turned))
  assert said.startswith(f"workdir {path} was made with vocabulary=")
  # Its checkpoints alone, moved into a run of the other vocabulary.
  other = tmp_path / "other"
  died = commands.run(_CONFIG, f"--workdir={other}", characters=turned, event=8)
  assert died["code"] == -9 and (other / "config.json").exists()
  shutil.rmtree(other / "checkpoints", ignore_errors=True)
  shutil.copytree(path / "checkpoints", other / "checkpoints")
  said = _refused(
    commands.run(_CONFIG, f"--workdir={other}", characters=turned)
  )
  assert "phase 'decoder': none of its 2 checkpoints verifies" in said
  assert "belongs to another run" in said


def test_a_full_disk_is_one_line_and_spoils_nothing(commands, whole, tmp_path):
  """Files may not grow beyond 20 kB: a checkpoint is larger."""
  path, events = whole
  cut = tmp_path / "cut"
  died = commands.run(_CONFIG, f"--workdir={cut}", event=events // 2)
  assert died["code"] == -9

  def state():
    return {
      file.relative_to(cut): file.read_bytes()
      for file in cut.rglob("*")
      if file.is_file() and "tmp" not in file.as_posix().split("cut/")[1]
    }

  before = state()
  done = commands.run(_CONFIG, f"--workdir={cut}", blocks=20_000)
  # Progress may stand above.
  *above, last = done["err"].splitlines()
  assert done["code"] == 1 and not [x for x in above if " % " not in x], done
  assert last.startswith(f"error: {cut}")
  assert "cannot be written (File too large): what was there is kept" in last
  # Only lines of metrics are new.
  for name, content in state().items():
    old = before.get(name, b"")
    same = (
      content.startswith(old) if name.suffix == ".jsonl" else content == old
    )
    assert same, name
  done = commands.run(_CONFIG, f"--workdir={cut}")
  assert done["code"] == 0, done["err"]
  train_kill_test.assert_same(path, cut)


def _two(path, *flags):
  """What two processes of one run end with."""
  with socket.socket() as probe:
    probe.bind(("localhost", 0))
    port = probe.getsockname()[1]
  running = [
    subprocess.Popen(
      [
        *(sys.executable, "-m", "experiments.train", _CONFIG),
        f"--workdir={path}",
        f"--coordinator=localhost:{port}",
        "--processes=2",
        f"--process={i}",
        *flags,
      ],
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
      cwd=pathlib.Path(__file__).parents[2],
    )
    for i in range(2)
  ]
  try:
    return [(*one.communicate(timeout=240), one.returncode) for one in running]
  finally:
    for one in running:
      one.kill()


@pytest.mark.slow
def test_two_processes_train_as_one_and_the_first_alone_speaks(whole, tmp_path):
  path, _ = whole
  both = tmp_path / "both"
  (out, err, code), (out_1, err_1, code_1) = _two(both, "--config.mesh.data=2")
  assert (code, code_1) == (0, 0), err + err_1
  assert f"report: {both}/report.md" in out and "report" not in out_1
  lines = [
    workdir_lib.load_workdir(folder)[0].read_metrics()
    for folder in (path, both)
  ]
  losses = [
    [line["metrics"]["loss"]["per_seed"] for line in of] for of in lines
  ]
  np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
  one, two = killing.arrays(path), killing.arrays(both)
  assert one.keys() == two.keys()
  # Claims and figures are there as well.
  for file in ("results/claims.json", "figures/1_training.png"):
    assert (both / file).exists()


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
