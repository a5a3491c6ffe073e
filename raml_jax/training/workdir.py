"""The directory of one run: configuration, metrics and results.

Layout::

  config.json           what made this directory; another config is refused
  metrics.jsonl         one line per chunk of training steps
  checkpoints/<phase>/  written by `raml_jax.training.checkpoint`
  results/<name>.npz    arrays, with their meta as JSON inside
  results/<name>.json
  figures/, report.md   written by whoever draws

Every file but metrics.jsonl is written whole to a temporary name and renamed,
so that a run killed at any moment leaves either the old file or the new one.
Nothing written here depends on the clock, hence two equal runs give equal
bytes.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
import sys
from typing import Any

import numpy as np

from raml_jax.training import arrays as arrays_lib
from raml_jax.training import differences
from raml_jax.training import disk
from raml_jax.training import metrics as metrics_lib


class WorkdirError(ValueError):
  """A working directory that cannot be used; one line for the user."""


@dataclasses.dataclass(frozen=True)
class Workdir:
  """A directory that holds one run.

  Attributes:
    path: the directory, which exists.
    writes: whether this process writes the files. Of several processes one
      does; in the others writing does nothing.
  """

  path: pathlib.Path
  writes: bool = True

  @property
  def checkpoints(self) -> pathlib.Path:
    """The folder with one subfolder of checkpoints per phase."""
    return self.path / "checkpoints"

  @property
  def config_digest(self) -> str:
    """Hexadecimal sha256 of config.json, to tell whose a checkpoint is."""
    return hashlib.sha256((self.path / "config.json").read_bytes()).hexdigest()

  def write(self, name: str, content: bytes) -> pathlib.Path:
    """Writes `content` to the file `name` in one indivisible step.

    Raises:
      WorkdirError: the disk is full, or refuses for another reason; what was
        there is still there.
    """
    target = self.path / name
    if self.writes:
      with disk.told(target, WorkdirError):
        disk.replace(target, content)
    return target

  def save_json(self, name: str, content: Any) -> pathlib.Path:
    """Writes JSON to the file `name`, e.g. "results/claims.json".

    Args:
      name: path of the file, relative to the working directory.
      content: what JSON can hold; arrays become lists, their scalars numbers.

    Returns:
      Path of the file.

    Raises:
      ValueError: a number is NaN or infinite: JSON has neither.
    """
    return self.write(name, (_dumps(name, content, indent=2) + "\n").encode())

  def save_result(
    self, name: str, arrays: dict[str, Any], meta: dict[str, Any]
  ) -> pathlib.Path:
    """Writes arrays and their meta to results/<name>.npz.

    Args:
      name: of the result; may hold "/".
      arrays: numbers, booleans or strings of any shape; NaN is allowed here.
      meta: what JSON can hold. Keep timings out: equal runs write equal bytes.

    Returns:
      Path of the file.

    Raises:
      ValueError: an array of objects, or meta that JSON cannot hold.
    """
    content = arrays_lib.packed(name, arrays, _dumps(name, meta))
    return self.write(f"results/{name}.npz", content)

  def load_result(
    self, name: str
  ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Reads what `save_result` wrote: (arrays, meta).

    Raises:
      WorkdirError: the file is absent or broken.
    """
    path = self.path / f"results/{name}.npz"
    try:
      arrays, meta = arrays_lib.unpacked(path)
      return arrays, json.loads(meta)
    except FileNotFoundError as error:
      raise WorkdirError(f"result {path} does not exist") from error
    except ValueError as error:
      raise WorkdirError(f"result {path} is broken: {_line(error)}") from error

  def has_result(self, name: str) -> bool:
    """Whether results/<name>.npz is whole; a broken one is named on stderr."""
    if not (self.path / f"results/{name}.npz").exists():
      return False
    try:
      self.load_result(name)
    except WorkdirError as error:
      print(f"warning: {error}; it is computed anew", file=sys.stderr)
      return False
    return True

  def append_metrics(
    self, phase: str, step: int, metrics: dict[str, np.ndarray]
  ) -> None:
    """Appends one line to metrics.jsonl; it survives a killed process.

    Args:
      phase: that was trained.
      step: number of its steps done.
      metrics: values per seed, shape [seeds]; NaN and infinity become null.

    Raises:
      WorkdirError: the disk is full, or refuses for another reason.
    """
    if not self.writes:
      return
    line = metrics_lib.line(phase, step, metrics)
    target = self.path / "metrics.jsonl"
    with disk.told(target, WorkdirError), open(target, "ab") as stream:
      stream.write(line)

  def read_metrics(self) -> list[dict[str, Any]]:
    """All whole lines of metrics.jsonl, oldest first."""
    records = (metrics_lib.parsed(line) for line in self._metrics_lines())
    return [record for record in records if record is not None]

  def cut_metrics(self, phase: str, step: int) -> None:
    """Drops the lines of `phase` after `step`, and torn lines of any phase."""
    lines = self._metrics_lines()
    kept = []
    for line in lines:
      record = metrics_lib.parsed(line)
      if record is None:
        continue
      if record.get("phase") != phase or record.get("step", 0) <= step:
        kept.append(line)
    if kept != lines:
      self.write("metrics.jsonl", b"".join(kept))

  def _metrics_lines(self) -> list[bytes]:
    path = self.path / "metrics.jsonl"
    return path.read_bytes().splitlines(keepends=True) if path.exists() else []


def open_workdir(
  path: str | os.PathLike[str], config: dict[str, Any], *, writes: bool = True
) -> Workdir:
  """Opens the directory of a run, or makes it.

  Args:
    path: the directory; parents are made too.
    config: nested dict of what JSON can hold, that determines the results. It
      should name the experiment.
    writes: whether this process writes; if not, the directory must exist.

  Returns:
    The working directory, whose config.json equals `config`.

  Raises:
    WorkdirError: `path` is a file, cannot be written, holds other things, or
      was made with another config; one line that says which.
  """
  path = pathlib.Path(path).absolute()
  content = _dumps("config.json", config, indent=2) + "\n"
  if not writes:
    _check_same(path, load_workdir(path)[1], json.loads(content))
    return Workdir(path, writes=False)
  workdir = Workdir(path)
  if path.exists() and not path.is_dir():
    raise WorkdirError(f"workdir {path} is a file: use another --workdir")
  try:
    path.mkdir(parents=True, exist_ok=True)
    present = sorted(entry.name for entry in path.iterdir())
    probe = path / f"{disk.PREFIX}probe"
    probe.touch()
    probe.unlink()
  except OSError as error:
    raise WorkdirError(
      f"workdir {path} cannot be written ({error.strerror}): use another"
      " --workdir"
    ) from error
  if "config.json" in present:
    _check_same(path, _read_config(path), json.loads(content))
    return workdir
  # A run killed while it wrote config.json leaves its temporary file behind.
  foreign = [name for name in present if not disk.is_temporary(name)]
  if foreign:
    raise WorkdirError(
      f"workdir {path} is not empty ({foreign[0]!r}) and has no config.json:"
      " use another --workdir"
    )
  workdir.write("config.json", content.encode())
  return workdir


def load_workdir(
  path: str | os.PathLike[str],
) -> tuple[Workdir, dict[str, Any]]:
  """Opens the directory of an earlier run to read it: (workdir, config).

  Raises:
    WorkdirError: there is no such directory, or no readable config.json.
  """
  path = pathlib.Path(path).absolute()
  if not (path / "config.json").is_file():
    raise WorkdirError(f"workdir {path} holds no run: it has no config.json")
  return Workdir(path), _read_config(path)


def _read_config(path: pathlib.Path) -> dict[str, Any]:
  try:
    config = json.loads((path / "config.json").read_bytes())
  except (OSError, ValueError) as error:
    raise WorkdirError(
      f"workdir {path} has an unreadable config.json ({_line(error)}): use"
      " another --workdir"
    ) from error
  if not isinstance(config, dict):
    raise WorkdirError(
      f"workdir {path} has a config.json of another kind: use another --workdir"
    )
  return config


def _check_same(path: pathlib.Path, old: Any, new: Any) -> None:
  difference = differences.first(old, new)
  if difference is not None:
    field, before, now = difference
    raise WorkdirError(
      f"workdir {path} was made with {field}={before}, now {now}: use another"
      " --workdir or delete it"
    )


def _dumps(name: str, content: Any, **options: Any) -> str:
  try:
    return json.dumps(content, allow_nan=False, default=_plain, **options)
  except (ValueError, TypeError) as error:
    raise ValueError(f"{name}: not valid JSON: {_line(error)}") from error


def _plain(value: Any) -> Any:
  """NumPy and JAX arrays and scalars as Python numbers and lists."""
  if hasattr(value, "tolist"):
    return value.tolist()
  raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _line(error: BaseException) -> str:
  """The first line of an exception's message."""
  return (str(error).strip() or type(error).__name__).splitlines()[0]
