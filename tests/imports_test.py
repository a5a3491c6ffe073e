"""Imports go one way, and the core needs no optional package."""

import pathlib
import subprocess
import sys

import pytest

# Each may import what stands before it or beside it, never what comes after.
LAYERS = (
  ("__init__", "base", "config", "parsing", "statistics"),
  ("tasks",),
  ("models",),
  ("inner",),
  ("training",),
  ("theory",),
  ("plotting",),
  ("studies",),
  ("experiments",),
)
CORE = {name for layer in LAYERS[:6] for name in layer}
# Of the core, this alone may need one: TFDS knows a builder by its class.
BUILDERS = pathlib.Path("raml_jax/tasks/datasets.py")
OPTIONAL = ("matplotlib", "ml_collections", "tensorflow_datasets", "tqdm")


def _package(path: pathlib.Path) -> str:
  """Returns the entry of LAYERS that a file belongs to."""
  parts = path.with_suffix("").parts
  return parts[1] if parts[0] == "raml_jax" else parts[0]


def _layer(path: pathlib.Path) -> int:
  return [_package(path) in layer for layer in LAYERS].index(True)


def _modules(make_build, root) -> list[pathlib.Path]:
  paths = make_build.modules(root)
  return [path for path in paths if path.parts[0] != "tests"]


def _arrows_back(make_build, root) -> list[str]:
  return [
    f"{path} imports {imported}"
    for path in _modules(make_build, root)
    for imported in make_build.imports(root, path)[0]
    if imported.parts[0] == "tests" or _layer(imported) > _layer(path)
  ]


def test_every_module_has_a_place_in_the_list(make_build, root):
  packages = {_package(path) for path in _modules(make_build, root)}
  assert packages <= {name for layer in LAYERS for name in layer}


def test_no_import_runs_back_up_the_list(make_build, root):
  assert len(_modules(make_build, root)) > 1
  assert not _arrows_back(make_build, root)


@pytest.mark.parametrize(
  "path, text",
  [
    ("raml_jax/tasks/a.py", "from raml_jax.models import b\n"),
    ("raml_jax/tasks/a.py", "import raml_jax.models.b\n"),
    ("raml_jax/tasks/a.py", "def f():\n  from raml_jax.models import b\n"),
    ("raml_jax/base.py", "from raml_jax.models.b import x\n"),
    ("raml_jax/studies/a.py", "from experiments import c\n"),
    ("raml_jax/studies/a.py", "from tests import d\n"),
  ],
)
def test_an_arrow_back_is_found_wherever_it_hides(
  make_build, tmp_path, path, text
):
  files = {
    "raml_jax/models/b.py": "x = 1\n",
    "experiments/c.py": "from raml_jax.models import b\n",
    "tests/d.py": "",
  }
  for name, content in (files | {path: text}).items():
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(content)
  (found,) = _arrows_back(make_build, tmp_path)
  assert found.startswith(f"{path} imports ")


def test_flax_stays_inside_models(make_build, root):
  outside = [
    str(path)
    for path in _modules(make_build, root)
    if "flax" in make_build.imports(root, path)[1]
    and path.parts[:2] != ("raml_jax", "models")
  ]
  assert not outside


def _run_without_optional_packages(root, program: str, *arguments) -> None:
  absent = f"""
import sys

class Absent:
  def find_spec(self, name, path=None, target=None):
    if name.split(".")[0] in {OPTIONAL}:
      raise ModuleNotFoundError(f"{{name}} is absent", name=name)

sys.meta_path.insert(0, Absent())
"""
  command = [sys.executable, "-c", absent + program, *arguments]
  subprocess.run(command, cwd=root, check=True)


def test_core_imports_where_optional_packages_are_absent(make_build, root):
  paths = _modules(make_build, root)
  core = [p for p in paths if _package(p) in CORE and p != BUILDERS]
  names = [".".join(path.with_suffix("").parts) for path in core]
  names = [name.removesuffix(".__init__") for name in names]
  assert "raml_jax.base" in names
  program = "import importlib; [*map(importlib.import_module, sys.argv[1:])]"
  _run_without_optional_packages(root, program, *names)


def test_core_trains_and_saves_where_optional_packages_are_absent(root):
  program = "import pytest; raise SystemExit(pytest.main(sys.argv[1:]))"
  tests = "tests/training/loop_test.py", "tests/training/checkpoint_test.py"
  chosen = "closed_form or restored"
  _run_without_optional_packages(root, program, "-q", *tests, "-k", chosen)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
