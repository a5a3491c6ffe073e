"""Runs jobs one after another, or one alone, and merges what is finished.

A job is a run of its experiment in a working directory of its own, with all of
its seeds. Any number of processes may run jobs of one sweep at the same time;
each of them merges whenever it has finished one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import json
import os
import pathlib
import socket
import sys
from typing import Any, NamedTuple

from raml_jax import parsing
from raml_jax.studies.sweep import grid
from raml_jax.studies.sweep import report
from raml_jax.training import disk
from raml_jax.training import loop
from raml_jax.training import workdir as workdir_lib

_JOBS, _FAILED = "jobs", "results/failed.json"


class Experiment(NamedTuple):
  """What a sweep can run.

  Attributes:
    parse: from plain data to a checked config, or a `ConfigError`.
    run: `(config, path) -> (claims, workdir)`: runs or continues.
    write: writes the report of a finished run.
  """

  parse: Callable[[Mapping[str, Any]], Any]
  run: Callable[[Any, str], tuple[list[dict], workdir_lib.Workdir]]
  write: Callable[[workdir_lib.Workdir], None]


@dataclasses.dataclass(frozen=True)
class Shared(workdir_lib.Workdir):
  """A working directory that several processes write, each file as a whole."""

  def write(self, name: str, content: bytes) -> pathlib.Path:
    """As a `Workdir` does, with temporary files of this process."""
    target = self.path / name
    mark = f"{socket.gethostname()}-{os.getpid()}-"
    with disk.told(target, workdir_lib.WorkdirError):
      disk.replace(target, content, mark)
    return target


def run(
  experiment: Experiment,
  config: Mapping[str, Any],
  changes: Mapping[str, Sequence[str]],
  path: str,
  index: int | None = None,
) -> tuple[list[dict], workdir_lib.Workdir]:
  """Runs, or continues, a sweep in the working directory `path`.

  Args:
    experiment: what is run.
    config: of the jobs, apart from their changes, as plain data.
    changes: values as text, by dotted field.
    path: the sweep's working directory.
    index: of the one job to run; None for all.

  Returns:
    The rows of all jobs that are finished, as in results/sweep.json; and the
    working directory.

  Raises:
    ConfigError: a job that cannot run; none has been started.
    WorkdirError: a working directory that cannot be used.
  """
  jobs = grid.jobs(config, changes)
  parsed = [experiment.parse(job.config) for job in jobs]
  if index is not None and not 0 <= index < len(jobs):
    raise parsing.ConfigError(
      f"--index={index}: must be 0 to {len(jobs) - 1}, as there are"
      f" {len(jobs)} jobs"
    )
  chosen = range(len(jobs)) if index is None else [index]
  workdir = _open(path, {"experiment": "sweep", "set": changes, "of": config})
  rows = _merged(workdir, jobs)
  for i in chosen:
    folder = workdir.path / _JOBS / jobs[i].name
    if not _finished(folder):
      told = ", ".join(f"{f}={v}" for f, v in jobs[i].changes.items())
      print(f"job {i} of 0 to {len(jobs) - 1}: {told}", flush=True)
      _one(experiment, parsed[i], folder)
      rows = _merged(workdir, jobs)
  return rows, workdir


def _open(path: str, config: Mapping[str, Any]) -> workdir_lib.Workdir:
  """As `workdir.open_workdir`, whoever else is opening it just now."""
  path = pathlib.Path(path).absolute()
  if not (path / "config.json").exists() and (
    path.is_file() or path.is_dir() and not _only_temporary(path)
  ):
    # It says in one line what is wrong.
    workdir_lib.open_workdir(path, config)
  if not (path / "config.json").exists():
    Shared(path).save_json("config.json", config)
  return Shared(workdir_lib.open_workdir(path, config, writes=False).path)


def _only_temporary(path: pathlib.Path) -> bool:
  return all(disk.is_temporary(entry.name) for entry in path.iterdir())


def _finished(folder: pathlib.Path) -> bool:
  # The report is the last file of a run.
  return (folder / "report.md").exists() or (folder / _FAILED).exists()


def _one(experiment, config, folder) -> None:
  """Runs one job; one whose numbers overflow is finished, and has failed."""
  try:
    _, workdir = experiment.run(config, str(folder))
    experiment.write(workdir)
  except loop.NonFiniteLoss as error:
    print(f"warning: job {folder.name} failed: {error}", file=sys.stderr)
    workdir, _ = workdir_lib.load_workdir(folder)
    workdir.save_json(_FAILED, {"error": str(error)})


def _merged(workdir: workdir_lib.Workdir, jobs: Sequence[grid.Job]):
  """Writes the table and the report of all jobs that are finished.

  Again, if one has finished meanwhile: its own process may have written before
  this one did.
  """
  folders = {job.name: workdir.path / _JOBS / job.name for job in jobs}
  written, rows = None, []
  while True:
    finished = [job for job in jobs if _finished(folders[job.name])]
    if written == finished:
      return rows
    rows = [_row(job, folders[job.name]) for job in finished]
    workdir.save_json("results/sweep.json", {"jobs": len(jobs), "rows": rows})
    report.write(workdir)
    written = finished


def _row(job: grid.Job, folder: pathlib.Path) -> dict[str, Any]:
  """What one finished job found."""
  row = {"job": job.name, "set": job.changes, "failed": None}
  if (folder / _FAILED).exists():
    row["failed"] = json.loads((folder / _FAILED).read_bytes())["error"]
  claims = folder / "results" / "claims.json"
  row["claims"] = json.loads(claims.read_bytes()) if claims.exists() else []
  # The last line of every phase of training.
  row["last"] = {
    line["phase"]: line["metrics"]
    for line in workdir_lib.Workdir(folder).read_metrics()
  }
  return row
