"""Jobs are run once, survive each other, and are merged by whoever is last."""

import json
import os
import subprocess
import sys
import threading

import pytest

from raml_jax import parsing
from raml_jax import statistics
from raml_jax.studies.sweep import grid
from raml_jax.studies.sweep import report
from raml_jax.studies.sweep import study
from raml_jax.training import loop
from raml_jax.training import workdir as workdir_lib

CONFIG = {"experiment": "toy", "rate": 1.0, "word": "a"}
CHANGES = grid.changes(["rate=1,2,3", "word=a,b"])
CLAIM = statistics.Claim(
  "grows", "It grows.", "above 2", {"size": (2.0, None)}, "metres", ()
)


def _parse(mapping):
  if mapping["word"] not in "abc":
    raise parsing.ConfigError(f"config.word = {mapping['word']!r}: must be a")
  return dict(mapping)


def _run(config, path):
  """Three seeds around the rate; a line of its own for every start."""
  workdir = workdir_lib.open_workdir(path, config)
  with open(workdir.path / "starts", "a") as stream:
    stream.write("started\n")
  if config["rate"] == 2 and config["word"] == "b":
    raise loop.NonFiniteLoss("phase 'toy': not finite for seed 0 at step 3")
  values = [config["rate"] + s / 10 for s in (-1, 0, 1)]
  workdir.append_metrics("toy", 5, {"loss": values})
  part = statistics.Part("size", "all", values)
  rows = [statistics.judge(CLAIM, [part], {}, 1)]
  workdir.save_json("results/claims.json", rows)
  return rows, workdir


def _write(workdir):
  workdir.write("report.md", b"# A report\n")


TOY = study.Experiment(_parse, _run, _write)


def _starts(path) -> dict[str, int]:
  return {
    folder.name: len((folder / "starts").read_text().splitlines())
    for folder in (path / "jobs").iterdir()
  }


def _table(path):
  return json.loads((path / "results/sweep.json").read_text())


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
  path = tmp_path_factory.mktemp("sweep") / "whole"
  study.run(TOY, CONFIG, CHANGES, path)
  return path


def test_all_jobs_are_merged_with_what_they_claim(whole):
  found = _table(whole)
  assert found["jobs"] == len(found["rows"]) == 6
  for i, row in enumerate(found["rows"]):
    rate, word = 1.0 + i // 2, "ab"[i % 2]
    assert row["set"] == {"rate": rate, "word": word}
    if (rate, word) == (2.0, "b"):
      assert row["failed"].startswith("phase 'toy'") and not row["claims"]
      continue
    (claim,) = row["claims"]
    assert row["failed"] is None
    assert claim["estimate"] == pytest.approx(rate)
    assert row["last"]["toy"]["loss"]["mean"] == pytest.approx(rate)
  text = (whole / "report.md").read_text()
  assert "6 of 6 jobs are finished" in text
  assert "**SUPPORTED**" in text and "**REFUTED**" in text
  assert "- `jobs/003`: phase 'toy': not finite for seed 0 at step 3" in text
  assert (whole / "figures/1_overview.png").stat().st_size > 1000


def test_what_is_finished_is_not_run_again(whole):
  before = (whole / "results/sweep.json").read_bytes()
  study.run(TOY, CONFIG, CHANGES, whole)
  assert set(_starts(whole).values()) == {1}
  assert (whole / "results/sweep.json").read_bytes() == before


def test_a_job_that_was_killed_is_continued(whole, tmp_path):
  """Before its report, which is written last."""
  study.run(TOY, CONFIG, CHANGES, tmp_path / "run", index=4)
  (tmp_path / "run/jobs/004/report.md").unlink()
  study.run(TOY, CONFIG, CHANGES, tmp_path / "run")
  starts = _starts(tmp_path / "run")
  assert starts.pop("004") == 2 and set(starts.values()) == {1}
  assert _table(tmp_path / "run") == _table(whole)


def test_one_job_alone_runs_that_job(tmp_path):
  rows, _ = study.run(TOY, CONFIG, CHANGES, tmp_path / "run", index=2)
  assert [row["job"] for row in rows] == ["002"]
  assert _starts(tmp_path / "run") == {"002": 1}
  assert "1 of 6 jobs" in (tmp_path / "run/report.md").read_text()


def test_jobs_at_the_same_time_end_in_one_whole_table(whole, tmp_path):
  """As an array of jobs does, from an empty folder."""
  path = tmp_path / "run"
  subprocess.run(
    [sys.executable, __file__, str(path)],
    env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    check=True,
    timeout=120,
  )
  assert _table(path) == _table(whole)
  assert (path / "report.md").read_text() == (whole / "report.md").read_text()
  assert not [p for p in path.rglob("*") if p.name.startswith(".tmp-")]


def test_an_older_table_never_stays(tmp_path, monkeypatch):
  """One job merges while another, which did not see it, is still writing."""
  path = tmp_path / "run"
  write, entered, go_on = report.write, threading.Event(), threading.Event()
  slow = threading.get_ident

  def waits(workdir):
    if slow() == late.ident and not entered.is_set():
      entered.set()
      assert go_on.wait(60)
    write(workdir)

  monkeypatch.setattr(report, "write", waits)
  late = threading.Thread(
    target=study.run, args=(TOY, CONFIG, CHANGES, path, 0)
  )
  late.start()
  assert entered.wait(60)
  study.run(TOY, CONFIG, CHANGES, path, 1)
  go_on.set()
  late.join(60)
  assert [row["job"] for row in _table(path)["rows"]] == ["000", "001"]
  assert "2 of 6 jobs" in (path / "report.md").read_text()


def test_nothing_starts_where_one_job_cannot_run(tmp_path):
  changes = grid.changes(["word=a,b,x"])
  with pytest.raises(parsing.ConfigError, match="config.word = 'x'"):
    study.run(TOY, CONFIG, changes, tmp_path / "run")
  assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("index", [-1, 6])
def test_an_index_beyond_the_jobs_is_refused(tmp_path, index):
  with pytest.raises(parsing.ConfigError, match="must be 0 to 5, as there are"):
    study.run(TOY, CONFIG, CHANGES, tmp_path / "run", index)
  assert not (tmp_path / "run").exists()


def test_another_sweep_and_foreign_files_are_refused(whole, tmp_path):
  other = grid.changes(["rate=1,2"])
  with pytest.raises(workdir_lib.WorkdirError, match="was made with set"):
    study.run(TOY, CONFIG, other, whole)
  (tmp_path / "mine.txt").touch()
  with pytest.raises(workdir_lib.WorkdirError, match="is not empty"):
    study.run(TOY, CONFIG, CHANGES, tmp_path)
  with pytest.raises(workdir_lib.WorkdirError, match="is a file"):
    study.run(TOY, CONFIG, CHANGES, tmp_path / "mine.txt")
  assert os.listdir(tmp_path) == ["mine.txt"]


def _together(path) -> int:
  """Runs all jobs at once, each in a process of its own."""
  children = []
  for i in range(6):
    children.append(os.fork())
    if not children[-1]:
      study.run(TOY, CONFIG, CHANGES, path, i)
      os._exit(0)
  return sum(os.waitpid(child, 0)[1] for child in children)


if __name__ == "__main__":
  if len(sys.argv) == 2 and not sys.argv[1].startswith("-"):
    raise SystemExit(_together(sys.argv[1]) != 0)
  raise SystemExit(pytest.main([__file__]))
