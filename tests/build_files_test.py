"""The BUILD files say what the code imports."""

import ast
import collections

import pytest


def test_build_files_agree_with_the_imports(make_build, root):
  """If this fails, run `python3 .ci/make_build.py`."""
  on_disk = {
    path.relative_to(root): path.read_text()
    for top in make_build.TOP
    for path in (root / top).rglob("BUILD")
  }
  assert on_disk == make_build.build_files(root)


def test_every_file_is_in_exactly_one_target(make_build, root):
  targets = collections.Counter()
  for top in make_build.TOP:
    for build in (root / top).rglob("BUILD"):
      # A BUILD file is also valid Python.
      for node in ast.walk(ast.parse(build.read_text())):
        if isinstance(node, ast.keyword) and node.arg == "srcs":
          sources = ast.literal_eval(node.value)
          folder = build.parent.relative_to(root)
          targets.update(folder / source for source in sources)
  assert targets == collections.Counter(make_build.modules(root))


@pytest.fixture
def tree(tmp_path):
  """A small repository, to which a test may add files."""
  files = {
    "pyproject.toml": (
      '[project]\ndependencies = ["absl-py>=2", "jax"]\n'
      "[project.optional-dependencies]\n"
      'test = ["pytest"]\nbench = ["torch>=2"]\n'
    ),
    "requirements_lock.txt": "absl-py==2.5\njax==0.10\npytest==9\nflax==0.12\n",
    "raml_jax/__init__.py": '"""Nothing here."""\n',
    "raml_jax/base.py": "import dataclasses\nimport jax.numpy as jnp\n",
    "raml_jax/inner/loop.py": "from raml_jax.base import Episode\n",
    "experiments/configs/a.py": "",
    "experiments/run.py": (
      'from absl import app\nCONFIG = "configs/a.py"\n\n'
      'if __name__ == "__main__":\n  pass\n'
    ),
    "tests/conftest.py": "import jax\n",
    "tests/inner/loop_test.py": (
      "import subprocess\nimport pytest\nfrom raml_jax.inner import loop\n\n"
      "def test_x():\n"
      "  import raml_jax.base\n  import torch\n"
      '  subprocess.run(["-m", "experiments.run"])\n'
    ),
  }
  for name, text in files.items():
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(text)
  return tmp_path


def _deps(build: str) -> dict[str, list[str]]:
  """Returns the deps of each target of a BUILD file."""
  deps = {}
  for node in ast.parse(build).body:
    keywords = {word.arg: word.value for word in node.value.keywords}
    if "srcs" in keywords:
      name = ast.literal_eval(keywords["name"])
      deps[name] = ast.literal_eval(keywords.get("deps", ast.List([])))
  return deps


@pytest.mark.parametrize(
  "package, target, expected",
  [
    ("raml_jax", "raml_jax", []),
    ("raml_jax", "base", ["@pypi//jax"]),
    ("raml_jax/inner", "loop", ["//raml_jax:base"]),
    ("experiments", "run", ["//experiments/configs:a", "@pypi//absl_py"]),
    (
      "tests/inner",
      "loop_test",
      [
        "//experiments:run",
        "//raml_jax:base",
        "//raml_jax/inner:loop",
        "//tests:conftest",
        "@pypi//pytest",
      ],
    ),
  ],
)
def test_deps_are_what_a_file_imports_or_names(
  make_build, tree, package, target, expected
):
  builds = {str(k): v for k, v in make_build.build_files(tree).items()}
  assert _deps(builds[f"{package}/BUILD"])[target] == expected


@pytest.mark.parametrize(
  "line, message",
  [
    ("import flax\n", "imports flax, not in pyproject.toml"),
    ("from raml_jax import gone_from\nimport raml_jax.gone\n", "raml_jax.gone"),
    ("from . import base\n", "relative import"),
  ],
)
def test_imports_that_nothing_answers_are_errors(
  make_build, tree, line, message
):
  (tree / "raml_jax" / "extra.py").write_text(line)
  with pytest.raises(ValueError, match=message):
    make_build.build_files(tree)


def test_a_dependency_missing_from_the_lock_is_an_error(make_build, tree):
  (tree / "requirements_lock.txt").write_text("jax==0.10\npytest==9\n")
  with pytest.raises(ValueError, match="requirements_lock.txt lacks absl_py"):
    make_build.build_files(tree)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
