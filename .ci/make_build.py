"""Writes the BUILD file of every package from what its modules import.

    python3 .ci/make_build.py

One target per file: a py_test for `*_test.py`, a py_binary for a program of
`experiments/`, a py_library for everything else. A target's deps are what the
file imports, inside functions too. Two things no import shows: tests load the
conftest.py above them, and tests and programs start programs and read config
files by name, so a string that names such a file is a dep as well.
"""

import ast
import collections
import pathlib
import re
import sys
import tomllib

TOP = ("raml_jax", "experiments", "tests")  # The folders that hold packages.
# Distributions whose name is not the name that is imported.
DISTRIBUTIONS = {"absl": "absl_py", "orbax": "orbax_checkpoint"}
HEADER = "# Written by .ci/make_build.py from the imports: run it to renew.\n"


def modules(root: pathlib.Path) -> list[pathlib.Path]:
  """Returns the path, relative to `root`, of every first-party Python file."""
  files = (file for top in TOP for file in (root / top).rglob("*.py"))
  return sorted(file.relative_to(root) for file in files)


def _find(root: pathlib.Path, dotted: str) -> pathlib.Path | None:
  """Returns the file of a first-party module or package, if there is one."""
  stem = pathlib.Path(*dotted.split("."))
  for file in (stem.with_suffix(".py"), stem / "__init__.py"):
    if (root / file).is_file():
      return file
  return None


def _first_party(root, dotted, symbol, where) -> pathlib.Path:
  """Returns the file behind `import dotted` or `from dotted import symbol`."""
  found = symbol and _find(root, f"{dotted}.{symbol}")
  found = found or _find(root, dotted)
  if found is None:
    name = f"{dotted}.{symbol}" if symbol else dotted
    raise ValueError(f"{where} imports {name}, which does not exist")
  return found


def imports(
  root: pathlib.Path, path: pathlib.Path
) -> tuple[set[pathlib.Path], set[str]]:
  """Reads what one file imports, wherever in the file it does so.

  Args:
    root: The folder that holds the packages.
    path: The file, relative to `root`.

  Returns:
    The first-party files, and the top-level names of third-party packages.

  Raises:
    ValueError: For a relative import, or a first-party name without a file.
  """
  asked = []
  for node in ast.walk(ast.parse((root / path).read_text())):
    if isinstance(node, ast.Import):
      asked += [(alias.name, "", node) for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
      if node.level:
        raise ValueError(f"{path}:{node.lineno} is a relative import")
      asked += [(node.module, alias.name, node) for alias in node.names]
  first, third = set(), set()
  for dotted, symbol, node in asked:
    package = dotted.split(".")[0]
    if package in TOP:
      where = f"{path}:{node.lineno}"
      first.add(_first_party(root, dotted, symbol, where))
    elif package not in sys.stdlib_module_names:
      third.add(package)
  return first - {path}, third


def named(root: pathlib.Path, path: pathlib.Path) -> set[pathlib.Path]:
  """Returns the first-party files that a string of a file is the name of.

  Args:
    root: The folder that holds the packages.
    path: The file, relative to `root`. Its strings may name a module of
      experiments, `experiments.x` or `experiments/x.py`, or a file by its path
      from the file's own folder.
  """
  found = set()
  for node in ast.walk(ast.parse((root / path).read_text())):
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
      if re.fullmatch(r"experiments(\.\w+)+", node.value):
        found.add(_find(root, node.value))
      if re.fullmatch(r"experiments/[\w/]+\.py", node.value):
        found.add(pathlib.Path(node.value))
      if re.fullmatch(r"[\w/]+\.py", node.value):
        found.add(path.parent / node.value)
  found -= {None, path}
  return {file for file in found if (root / file).is_file()}


def _normal(requirement: str) -> str:
  """Returns the name in a requirement as Bazel's pip.parse would spell it."""
  name = re.match(r"[A-Za-z0-9._-]+", requirement).group()
  return re.sub(r"[-_.]+", "_", name).lower()


def _requirements(root: pathlib.Path) -> tuple[set[str], set[str]]:
  """Returns the distributions that pyproject.toml declares, and the locked.

  Raises:
    ValueError: If one that tests or programs need is not locked.
  """
  project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
  extras = project["optional-dependencies"]
  needed = {_normal(x) for x in project["dependencies"] + extras["test"]}
  lines = (root / "requirements_lock.txt").read_text().splitlines()
  locked = {_normal(line) for line in lines}
  if needed - locked:
    missing = ", ".join(sorted(needed - locked))
    raise ValueError(f"requirements_lock.txt lacks {missing}")
  return needed | {_normal(x) for x in sum(extras.values(), [])}, locked


def _label(file: pathlib.Path, package: pathlib.Path) -> str:
  folder = file.parent.as_posix()
  name = _name(file)
  if file.parent == package:
    return f":{name}"
  return f"//{folder}" if name == file.parent.name else f"//{folder}:{name}"


def _name(file: pathlib.Path) -> str:
  return file.parent.name if file.stem == "__init__" else file.stem


def _rule(root: pathlib.Path, path: pathlib.Path) -> str:
  if path.name.endswith("_test.py"):
    return "py_test"
  main = '\nif __name__ == "__main__":\n' in (root / path).read_text()
  program = main and path.parts[0] == "experiments"
  return "py_binary" if program else "py_library"


def _deps(root, path, declared, locked) -> list[str]:
  first, third = imports(root, path)
  if path.parts[0] != "raml_jax":
    first |= named(root, path)
  if path.name.endswith("_test.py"):
    above = [folder / "conftest.py" for folder in path.parents]
    first |= {file for file in above if (root / file).is_file()}
  labels = [_label(file, path.parent) for file in first]
  for package in third:
    distribution = DISTRIBUTIONS.get(package, _normal(package))
    if distribution not in declared:
      raise ValueError(f"{path} imports {package}, not in pyproject.toml")
    if distribution in locked:  # Extras such as torch are not.
      labels.append(f"@pypi//{distribution}")
  # Buildifier's order: this package, this repository, others.
  kinds = (":", "//", "@")
  kind = lambda label: [label.startswith(start) for start in kinds].index(True)
  return sorted(labels, key=lambda x: (kind(x), re.split("[:.]", x)))


def _list(name: str, values: list[str]) -> str:
  if not values:
    return ""
  if len(values) == 1:
    return f'    {name} = ["{values[0]}"],\n'
  lines = "".join(f'        "{value}",\n' for value in values)
  return f"    {name} = [\n{lines}    ],\n"


def build_files(root: pathlib.Path) -> dict[pathlib.Path, str]:
  """Returns the text of every package's BUILD file.

  Args:
    root: The folder that holds the packages, pyproject.toml and the lock.

  Raises:
    ValueError: For an import that no file or declared dependency answers.
  """
  declared, locked = _requirements(root)
  packages = collections.defaultdict(dict)
  for path in modules(root):
    rule = _rule(root, path)
    text = f'{rule}(\n    name = "{_name(path)}",\n'
    text += _list("srcs", [path.name])
    if path.name == "conftest.py":  # pytest's settings are in that file.
      text += _list("data", ["//:pyproject.toml"])
    text += _list("deps", _deps(root, path, declared, locked)) + ")\n"
    packages[path.parent][path] = (rule, text)
  files = {}
  for package, targets in packages.items():
    rules = sorted({rule for rule, _ in targets.values()})
    symbols = ", ".join(f'"{rule}"' for rule in rules)
    load = f'load("@rules_python//python:defs.bzl", {symbols})\n'
    visible = 'package(default_visibility = ["//visibility:public"])\n'
    texts = [text for _, text in targets.values()]
    files[package / "BUILD"] = "\n".join([HEADER, load, visible, *texts])
  return files


def main() -> None:
  """Writes every BUILD file and removes those of folders without modules."""
  root = pathlib.Path(__file__).resolve().parents[1]
  files = build_files(root)
  for top in TOP:
    for file in (root / top).rglob("BUILD"):
      if file.relative_to(root) not in files:
        file.unlink()
  for path, text in files.items():
    (root / path).write_text(text)


if __name__ == "__main__":
  main()
