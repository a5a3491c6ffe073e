"""Checkpoints of an earlier run, which serve a new one again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
import dataclasses
from typing import Any

from raml_jax import parsing
from raml_jax.training import workdir as workdir_lib


def workdir(
  config: Any, same: Iterable[str], steps: Mapping[str, int]
) -> workdir_lib.Workdir | None:
  """The run that `config.checkpoints` names, to be read alone; None if none.

  Args:
    config: of the new run.
    same: fields that decide what is trained.
    steps: of every phase of training, by name.

  Raises:
    WorkdirError: there is no such run.
    ConfigError: it has not trained the same, or not to its end.
  """
  if not config.checkpoints:
    return None
  found, plain = workdir_lib.load_workdir(config.checkpoints)
  mine = parsing.plain(config)

  def check(fine, allowed):
    if not fine:
      raise parsing.ConfigError(
        f"config.checkpoints = {config.checkpoints!r}: must be a run {allowed}"
      )

  for field in ("experiment", *same):
    check(plain.get(field) == mine[field], f"with the same {field}")
  for name, last in steps.items():
    done = (found.checkpoints / name / str(last)).is_dir()
    check(done, f"that has trained {name!r} to its end")
  return dataclasses.replace(found, writes=False)
