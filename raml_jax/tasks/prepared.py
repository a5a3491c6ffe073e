"""Whether a prepared data set is what it should be, and whole.

    folder/addition-train.array_record-00000-of-00001 is damaged (chunk data
    hash mismatch ...): delete that folder and prepare it again

A truncated file is noticed by neither TFDS nor array_record when it is opened:
the one takes the number of records from its own notes, the other says that
there are none. Reading raises a RuntimeError, with the name of no file and
sometimes without any text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
import json
import os
import pathlib
from typing import Any

REMEDY = "delete that folder and prepare it again"
_INFO, _METADATA = "dataset_info.json", "metadata.json"
# Records that are read at once.
_BLOCK = 4096


class DatasetError(ValueError):
  """A data set that cannot be prepared or used; one line for the user."""


def check(
  folder: os.PathLike[str],
  metadata: Mapping[str, Any],
  files: Iterable[tuple[os.PathLike[str], int]],
) -> None:
  """Checks a data set in full.

  Args:
    folder: of one version of it.
    metadata: what its own must be.
    files: the path and the number of records of each.

  Raises:
    DatasetError: there is no such folder, its metadata are others, or a file is
      damaged or missing.
  """
  folder = pathlib.Path(folder)
  if not folder.exists():
    others = sorted(p.name for p in folder.parent.glob("*") if p.is_dir())
    there = f" (what is there: {', '.join(others)})" if others else ""
    raise DatasetError(
      f"{folder} is not prepared{there}: call download_and_prepare"
    )
  if not (folder / _INFO).exists():
    raise DatasetError(f"{folder / _INFO} is missing: {REMEDY}")
  try:
    recorded = dict(json.loads((folder / _METADATA).read_text()))
  except (OSError, ValueError, TypeError) as error:
    reason = f"{type(error).__name__}: {line(error)}"
    raise DatasetError(
      f"{folder / _METADATA} is damaged ({reason}): {REMEDY}"
    ) from error
  for name, expected in metadata.items():
    found = recorded.get(name)
    if found != expected:
      raise DatasetError(
        f"{folder} was prepared with {name} = {found!r}, not {expected!r}: use"
        f" another data_dir or another name for the config, or {REMEDY}"
      )
  for path, count in files:
    check_file(path, count)


def check_file(path: os.PathLike[str], count: int) -> None:
  """Reads every record of a file, and so verifies every checksum.

  This takes about 0.1 s for 10,000 examples.

  Args:
    path: an array_record file.
    count: the number of records that it should have.

  Raises:
    DatasetError: it has another number, or is damaged or missing.
  """
  # Here, for the core is also used where this package is absent.
  from array_record.python import array_record_data_source

  path = os.fspath(path)
  reason = "it is missing"
  if os.path.exists(path):
    try:
      records = array_record_data_source.ArrayRecordDataSource(path)
      reason = f"{len(records)} of {count} records can be found"
      if len(records) == count:
        for first in range(0, count, _BLOCK):
          records.__getitems__(range(first, min(first + _BLOCK, count)))
        return
    except RuntimeError as error:
      reason = line(error)
  raise DatasetError(f"{path} is damaged ({reason}): {REMEDY}")


def line(error: Exception) -> str:
  """The first line of an error that may have none or many."""
  return (str(error).splitlines() or ["it ends too early"])[0]
