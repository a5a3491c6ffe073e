"""What the programs share: flags, and errors that fit on one line.

`ml_collections.config_flags` and absl answer a bad flag or config file with a
traceback or a usage text. Here the default config file is loaded when flags are
parsed, not when they are defined, so that every mistake surfaces in one place
and ends as one line on stderr and exit code 1, before any work starts.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
import contextlib
import dataclasses
import pathlib
import re
import runpy
import sys
from typing import Any, NoReturn

from absl import app
from absl import flags

from raml_jax import parsing
from raml_jax.training import workdir as workdir_lib

# Flags belong to the program that asks for them, so that --help shows them.
flags.disclaim_key_flags()

# The folder that holds this package, wherever it is installed.
_ROOT = pathlib.Path(__file__).resolve().parents[1]
_FILE = re.compile(r"--?config(=|$)")
_REFUSED = re.compile(r"flag --(config\.[^=]*)=(.*?): ", re.DOTALL)
_OVERRIDE = re.compile(r"--?(?:no)?(config\.[^=]*)")


@dataclasses.dataclass(frozen=True)
class Defined:
  """The flags of a program that trains.

  Attributes:
    config: the config file where --config does not name one.
    parse: from plain data to a checked config, or a `ConfigError`.
    values: parsed by `run`.
  """

  config: pathlib.Path
  parse: Callable[[Mapping[str, Any]], Any]
  values: flags.FlagValues


def define(file: str, parse: Callable[[Mapping[str, Any]], Any]) -> Defined:
  """Defines --config, with its overrides, and --workdir.

  Args:
    file: the default config, e.g. "experiments/configs/x.py".
    parse: from plain data to a checked config, or a `ConfigError`.
  """
  from ml_collections import config_flags

  config_flags.DEFINE_config_file(
    "config",
    None,
    f"config file (default: {file}); any field of it is set by"
    " --config.field=value",
    lock_config=True,
  )
  define_workdir("where the run is kept (default: runs/ and the config's name)")
  return Defined(_ROOT / file, parse, flags.FLAGS)


def define_workdir(text: str) -> None:
  """Defines --workdir alone, with its help text."""
  flags.DEFINE_string("workdir", None, text)


def no_arguments(argv: Sequence[str]) -> None:
  """Ends the program if anything that is no flag stands on the command line."""
  if len(argv) > 1:
    fail(f"unknown argument {argv[1]!r}: flags are written --name=value")


def config_and_workdir(defined: Defined) -> tuple[Any, pathlib.Path]:
  """The checked config, and the path of the working directory."""
  values = defined.values
  with one_line_errors():
    config = defined.parse(values.config.to_dict())
  if values.workdir is None:
    file = values["config"].config_filename.partition(":")[0]
    return config, pathlib.Path("runs", pathlib.Path(file).stem)
  if not values.workdir:
    fail("--workdir=: name a directory")
  return config, pathlib.Path(values.workdir)


@contextlib.contextmanager
def one_line_errors(*more: type[Exception]) -> Iterator[None]:
  """Turns errors that are the user's to mend into one line and exit code 1.

  Args:
    *more: classes of errors beside `ConfigError` and `WorkdirError`.
  """
  try:
    yield
  except (parsing.ConfigError, workdir_lib.WorkdirError, *more) as error:
    fail(str(error))
  except KeyboardInterrupt:
    print("interrupted: the same command continues", file=sys.stderr)
    sys.exit(130)


def fail(message: str) -> NoReturn:
  """Ends the program with one line on stderr and exit code 1."""
  print(f"error: {' '.join(message.split())}", file=sys.stderr)
  sys.exit(1)


def run(main: Callable, defined: Defined | None = None) -> None:
  """`app.run`, whose flag errors fit on one line.

  Args:
    main: takes the arguments that are no flags.
    defined: the flags, if the program has a config.
  """
  app.run(main, flags_parser=lambda argv: _parse(argv, defined))


def _parse(argv: list[str], defined: Defined | None) -> list[str]:
  try:
    if defined is not None:
      argv, file = _with_file(argv, defined.config)
      _check_fields(argv, _load(file))
    rest = flags.FLAGS(argv)
  except flags.IllegalFlagValueError as error:
    override = _REFUSED.match(str(error))
    if override is None:
      fail(str(error))
    name, value = override.groups()
    kind = flags.FLAGS[name].flag_type()
    # Any string will do for a string: refused, it is the parser of a dict.
    kind = {"multi tuple": "tuple", "string": "dict"}.get(kind, kind)
    fail(f"{name} = {value!r}: must be of type {kind}")
  except (flags.Error, TypeError, ValueError) as error:
    fail(str(error))
  if flags.FLAGS["verbosity"].using_default_value:
    # By default absl would show the every step of fontTools and Orbax.
    flags.FLAGS.verbosity = -1
  return rest


def _with_file(argv: list[str], default: pathlib.Path) -> tuple[list[str], str]:
  """The command line with a config file that can be found, and that file.

  The default is put in front; a relative path may also start where this package
  is, so that a command does not depend on the directory it is given in.
  """
  given = [i for i, arg in enumerate(argv) if _FILE.match(arg)]
  if not given:
    return [argv[0], f"--config={default}", *argv[1:]], str(default)
  at = given[-1]
  _, equals, value = argv[at].partition("=")
  rest = argv[at + 1 :]
  if not equals:
    value, *rest = rest or [""]
  path, colon, argument = value.partition(":")
  for folder in (pathlib.Path(), _ROOT):
    if path and (folder / path).is_file():
      file = f"{folder / path}{colon}{argument}"
      return [*argv[:at], f"--config={file}", *rest], file
  fail(f"--config={value}: there is no such file")


def _load(file: str) -> Mapping[str, Any]:
  """The config in the file, or the end of the program.

  `config_flags` loads it once more, but hides or wraps what goes wrong.
  """
  path, colon, argument = file.partition(":")
  try:
    get_config = runpy.run_path(path).get("get_config")
    if get_config is None:
      fail(f"--config={path}: the file defines no get_config()")
    config = get_config(argument) if colon else get_config()
  except Exception as error:
    fail(f"--config={path}: {type(error).__name__}: {error}")
  if not hasattr(config, "to_dict"):
    kind = type(config).__name__
    fail(f"--config={path}: get_config() returns no ConfigDict but a {kind}")
  return config.to_dict()


def _check_fields(argv: list[str], config: Mapping[str, Any]) -> None:
  """Ends the program at an override of a field that the config lacks."""
  for override in filter(None, map(_OVERRIDE.match, argv[1:])):
    node, parent = config, "config"
    for name in override[1].split(".")[1:]:
      if not isinstance(node, Mapping):
        fail(f"{parent}.{name}: unknown field; {parent} has no fields")
      if name not in node:
        known = ", ".join(node)
        fail(f"{parent}.{name}: unknown field; known are {known}")
      if not name.isidentifier():
        fail(f"{parent}.{name}: no flag can set it; write a config file")
      node, parent = node[name], f"{parent}.{name}"
