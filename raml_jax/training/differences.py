"""Where two configs in JSON differ."""

from __future__ import annotations

import json
from typing import Any

_ABSENT = object()


def first(old: Any, new: Any, field: str = "") -> tuple[str, str, str] | None:
  """The first difference: (dotted name of the field, old value, new value).

  Values are given as JSON, or "(absent)". None if nothing differs.
  """
  if isinstance(old, dict) and isinstance(new, dict):
    for key in [*new, *(key for key in old if key not in new)]:
      inner = f"{field}.{key}" if field else key
      difference = first(old.get(key, _ABSENT), new.get(key, _ABSENT), inner)
      if difference is not None:
        return difference
    return None
  # True == 1 == 1.0 in Python, though they are different configurations.
  same = type(old) is type(new) and old == new
  return None if same else (field, _shown(old), _shown(new))


def _shown(value: Any) -> str:
  return "(absent)" if value is _ABSENT else json.dumps(value)
