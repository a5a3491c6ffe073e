"""Every combination of some values of some fields of a config.

changes(["task.format=plain,reversed", "fit.learning_rate=1e-3,3e-3"])
jobs(config, changes)       four configs, the last field turning fastest
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
import copy
import itertools
from typing import Any, NamedTuple

from raml_jax import parsing

_OPEN, _CLOSE = "([{", ")]}"
_TRUTH = {"true": True, "false": False}


class Job(NamedTuple):
  """One combination.

  Attributes:
    name: its folder: the number in the order of all.
    changes: the value of each field that is varied.
    config: all fields, as plain data.
  """

  name: str
  changes: dict[str, Any]
  config: dict[str, Any]


def changes(texts: Sequence[str]) -> dict[str, list[str]]:
  """Values as text, by field, from "field=value,value,...".

  Commas inside of brackets do not separate.

  Raises:
    ConfigError: not of this form, or a field or value that stands twice.
  """
  found = {}
  for text in texts:
    field, equals, rest = text.partition("=")
    values = _split(rest)
    if not equals or not field or not all(values):
      raise parsing.ConfigError(
        f"--set={text}: must be field=value,value,... as in"
        " fit.learning_rate=1e-3,3e-3"
      )
    if field in found or len(set(values)) < len(values):
      raise parsing.ConfigError(f"--set={text}: a field or value stands twice")
    found[field] = values
  if not found:
    raise parsing.ConfigError("--set: must be given, as field=value,value,...")
  return found


def jobs(
  config: Mapping[str, Any], changes: Mapping[str, Sequence[str]]
) -> list[Job]:
  """One job per combination.

  Args:
    config: as plain data.
    changes: values as text, by dotted field; each is read as the type that the
      field has in the config.

  Raises:
    ConfigError: a field that the config lacks, or a value of another type.
  """
  columns = []
  for field, texts in changes.items():
    old = _value(config, field)
    columns.append([(field, _typed(field, old, text)) for text in texts])
  found = []
  for i, combination in enumerate(itertools.product(*columns)):
    changed = copy.deepcopy(dict(config))
    for field, value in combination:
      *parents, last = field.split(".")
      node = changed
      for name in parents:
        node = node[name]
      node[last] = value
    found.append(Job(f"{i:03d}", dict(combination), changed))
  return found


def _split(text: str) -> list[str]:
  """At the commas that stand in no brackets."""
  parts, depth = [""], 0
  for character in text:
    depth += (character in _OPEN) - (character in _CLOSE)
    if character == "," and not depth:
      parts.append("")
    else:
      parts[-1] += character
  return [part.strip() for part in parts]


def _value(config, field):
  node, parent = config, "config"
  for name in field.split("."):
    if not isinstance(node, Mapping):
      raise parsing.ConfigError(
        f"{parent}.{name}: unknown field; {parent} has no fields"
      )
    if name not in node:
      known = ", ".join(node)
      raise parsing.ConfigError(
        f"{parent}.{name}: unknown field; known are {known}"
      )
    node, parent = node[name], f"{parent}.{name}"
  if isinstance(node, Mapping):
    raise parsing.ConfigError(
      f"{parent}: has fields of its own, {', '.join(node)}: vary these"
    )
  return node


def _typed(field: str, old: Any, text: str) -> Any:
  """The text as a value of the type of `old`; of None, as what it looks."""
  kind = type(old)
  try:
    if kind is bool:
      return _TRUTH[text.lower()]
    if kind in (int, float, str):
      return kind(text)
    value = _literal(text)
    if kind in (tuple, list):
      return value if isinstance(value, (tuple, list)) else (value,)
    return value
  except (KeyError, ValueError):
    raise parsing.ConfigError(
      f"config.{field} = {text!r}: must be of type {kind.__name__}"
    ) from None


def _literal(text: str) -> Any:
  try:
    return ast.literal_eval(text)
  except (SyntaxError, ValueError):
    return text
