"""Settings and fixtures that every test shares."""

import importlib.util
import pathlib

import jax
import pytest

# A shape that broadcasts by accident is an error, not an answer.
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture
def x64():
  """Runs the test in float64, for statements that hold to rounding only."""
  with jax.enable_x64(True):
    yield


@pytest.fixture(scope="session")
def root() -> pathlib.Path:
  """The repository, also where Bazel runs the test from links to it."""
  folder = pathlib.Path(__file__).resolve().parents[1]
  assert (folder / "pyproject.toml").is_file()
  return folder


@pytest.fixture(scope="session")
def make_build(root):
  """The script that writes the BUILD files, as a module."""
  path = root / ".ci" / "make_build.py"
  spec = importlib.util.spec_from_file_location("make_build", path)
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module
