"""Files written whole or not at all, and disks that refuse told in one line."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import logging
import os
import pathlib
import re
import sys

PREFIX = ".tmp-"
# How TensorStore ends: "...: No space left on device [os_error_code='28' ...".
_SYSTEM = re.compile(r": ([^:\[]+) \[os_error_code=")


def is_temporary(name: str) -> bool:
  """Whether a file of this name is one that was never finished."""
  return name.startswith(PREFIX)


def replace(target: pathlib.Path, content: bytes, mark: str = "") -> None:
  """Writes a file in one indivisible step; makes its folder too.

  Args:
    target: the file.
    content: all of it.
    mark: tells the writers of one file apart, if they are several.

  Raises:
    OSError: the disk is full, or refuses for another reason. What was there is
      still there.
  """
  target.parent.mkdir(parents=True, exist_ok=True)
  temporary = target.with_name(f"{PREFIX}{mark}{target.name}")
  try:
    with open(temporary, "wb") as stream:
      stream.write(content)
      stream.flush()
      os.fsync(stream.fileno())
    os.replace(temporary, target)
  except OSError:
    temporary.unlink(missing_ok=True)
    raise


@contextlib.contextmanager
def told(
  target: pathlib.Path, kind: type[Exception], *more: type[Exception]
) -> Iterator[None]:
  """What keeps the block from writing `target`, in one line.

  Args:
    target: file or folder.
    kind: raised in place of an OSError.
    *more: errors that are replaced too.
  """
  try:
    yield
  except (OSError, *more) as error:
    raise kind(
      f"{target} cannot be written ({_reason(error)}): what was there is kept;"
      " once there is room, the same command continues"
    ) from error


@contextlib.contextmanager
def one_voice() -> Iterator[None]:
  """Keeps the threads of Orbax from telling what its caller is told anyway.

  Where the block fails they stay silent: writes that were under way would
  report their failures, traceback by traceback, until the process ends.
  """
  loggers = [logging.getLogger(name) for name in ("absl", "asyncio")]
  before = [logger.level for logger in loggers], sys.unraisablehook
  for logger in loggers:
    logger.setLevel(logging.CRITICAL)
  sys.unraisablehook = lambda unraisable: None
  yield
  levels, sys.unraisablehook = before
  for logger, level in zip(loggers, levels):
    logger.setLevel(level)


def _reason(error: Exception) -> str:
  found = _SYSTEM.search(str(error))
  if found is not None:
    return found[1]
  line = (str(error).strip() or type(error).__name__).splitlines()[0]
  return getattr(error, "strerror", None) or line[:120]
