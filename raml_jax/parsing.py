"""Plain data to typed dataclasses and back, with errors in one line."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import types
import typing
from typing import Any, Literal


class ConfigError(ValueError):
  """A config that cannot be run; the message is one line."""


def plain(config: Any) -> Any:
  """The config as nested dicts, lists and scalars, for JSON."""
  if dataclasses.is_dataclass(config):
    fields = dataclasses.fields(config)
    return {f.name: plain(getattr(config, f.name)) for f in fields}
  if isinstance(config, Mapping):
    return {key: plain(value) for key, value in config.items()}
  if isinstance(config, tuple):
    return [plain(value) for value in config]
  return config


def convert(kind: Any, value: Any, path: str) -> Any:
  """The value as `kind`: a dataclass, a tuple, a mapping, a literal, a scalar.

  Args:
    kind: a type annotation; `Any` for whatever it is.
    value: plain data.
    path: what to call it in errors.

  Raises:
    ConfigError: an unknown, missing or ill-typed field.
  """
  if kind is Any:
    return value
  origin = typing.get_origin(kind)
  if dataclasses.is_dataclass(kind):
    return _convert_fields(kind, value, path)
  if origin in (typing.Union, types.UnionType):
    if value is None:
      return None
    inner = [k for k in typing.get_args(kind) if k is not types.NoneType]
    return convert(inner[0], value, path)
  if origin is Literal:
    allowed = typing.get_args(kind)
    if value not in allowed:
      names = ", ".join(map(repr, allowed))
      raise ConfigError(f"{path} = {value!r}: must be one of {names}")
    return value
  if origin is tuple:
    return _convert_tuple(typing.get_args(kind), value, path)
  if isinstance(origin, type) and issubclass(origin, Mapping):
    if not isinstance(value, Mapping):
      raise ConfigError(f"{path} = {value!r}: must be a mapping")
    inner = typing.get_args(kind)[1]
    return {k: convert(inner, v, f"{path}.{k}") for k, v in value.items()}
  if kind is float and type(value) is int:
    return float(value)
  if type(value) is not kind:
    raise ConfigError(f"{path} = {value!r}: must be of type {kind.__name__}")
  return value


def _convert_tuple(kinds, value, path):
  if not isinstance(value, (tuple, list)):
    raise ConfigError(f"{path} = {value!r}: must be a tuple")
  if kinds[-1] is Ellipsis:
    kinds = (kinds[0],) * len(value)
  if len(kinds) != len(value):
    raise ConfigError(f"{path} = {value!r}: must have {len(kinds)} entries")
  pairs = enumerate(zip(kinds, value, strict=True))
  return tuple(convert(k, v, f"{path}[{i}]") for i, (k, v) in pairs)


def _convert_fields(kind, value, path):
  if not isinstance(value, Mapping):
    raise ConfigError(f"{path} = {value!r}: must be a mapping")
  hints = typing.get_type_hints(kind)
  fields = {f.name: f for f in dataclasses.fields(kind)}
  for name in value:
    if name not in fields:
      known = ", ".join(fields)
      raise ConfigError(f"{path}.{name}: unknown field; known are {known}")
  for name, field in fields.items():
    if name not in value and field.default is dataclasses.MISSING:
      raise ConfigError(f"{path}.{name}: missing")
  return kind(
    **{
      name: convert(hints[name], value[name], f"{path}.{name}")
      for name in value
    }
  )
