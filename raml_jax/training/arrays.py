"""Named arrays as the bytes of an npz file, the same bytes every time."""

import io
import os
from typing import Any
import zipfile
import zlib

import numpy as np

_META = "__meta__"
# What reading damaged bytes as an npz raises.
_BROKEN = (
  ValueError,
  KeyError,
  EOFError,
  RuntimeError,
  zipfile.BadZipFile,
  zlib.error,
)


def packed(name: str, arrays: dict[str, Any], meta: str) -> bytes:
  """The npz file that holds `arrays` and the text `meta`.

  Raises:
    ValueError: an array of objects, which only pickle could hold.
  """
  members = {key: np.asarray(value) for key, value in arrays.items()}
  if _META in members:
    raise ValueError(f"result {name!r}: the array name {_META!r} is taken")
  for key, array in members.items():
    if array.dtype.kind not in "biufcU":
      raise ValueError(
        f"result {name!r}: array {key!r} has dtype {array.dtype}; allowed are"
        " numbers, booleans and strings"
      )
  members[_META] = np.array(meta)
  buffer = io.BytesIO()
  # Not np.savez, which cannot hold an array that is called "file".
  with zipfile.ZipFile(buffer, "w") as archive:
    for key, array in members.items():
      with archive.open(f"{key}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array(member, array, allow_pickle=False)
  return buffer.getvalue()


def unpacked(
  path: str | os.PathLike[str],
) -> tuple[dict[str, np.ndarray], str]:
  """Reads what `packed` made: (arrays, meta).

  Raises:
    OSError: the file cannot be opened.
    ValueError: it is damaged.
  """
  try:
    with np.load(path, allow_pickle=False) as members:
      arrays = {key: members[key] for key in members.files}
    return arrays, str(arrays.pop(_META))
  except _BROKEN as error:
    raise ValueError(str(error) or type(error).__name__) from error
