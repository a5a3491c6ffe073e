"""Processes and meshes are refused in one line where they do not fit."""

import os
import socket
import subprocess
import sys

import jax
import pytest

from raml_jax.training import runtime
from raml_jax.training import workdir as workdir_lib


def setup_error(function, *args, **options):
  with pytest.raises(runtime.SetupError) as error:
    function(*args, **options)
  assert "\n" not in str(error.value)
  return str(error.value)


@pytest.mark.parametrize(
  "arguments, said",
  [
    ({"processes": 2, "process": 0}, "coordinator: must be given too"),
    ({"coordinator": "a:1", "process": 0}, "processes: must be given too"),
    ({"coordinator": "a:1", "processes": 2}, "process: must be given too"),
    (
      {"coordinator": "a", "processes": 2, "process": 0},
      "coordinator='a': must be host:port",
    ),
    (
      {"coordinator": "a:1", "processes": 2, "process": 2},
      "process=2: must be from 0 to processes - 1 = 1",
    ),
    ({"cluster": "slurm"}, "cluster='slurm': allowed is 'auto'"),
    ({"cluster": "auto", "process": 0}, "give it alone"),
  ],
)
def test_arguments_that_do_not_fit_together_are_refused(arguments, said):
  assert said in setup_error(runtime.initialize, **arguments)


def test_a_coordinator_that_nobody_is_says_so():
  with socket.socket() as probe:
    probe.bind(("localhost", 0))
    address = f"localhost:{probe.getsockname()[1]}"
  options = {"coordinator": address, "processes": 2, "process": 1}
  said = setup_error(runtime.initialize, timeout=0, **options)
  assert said.startswith(f"coordinator={address!r}: cannot be reached")


def test_without_arguments_nothing_is_joined():
  runtime.initialize()
  assert not jax.distributed.is_initialized()


def test_errors_of_jax_are_not_swallowed():
  """Joining after JAX has started is one of them."""
  jax.devices()
  options = {"coordinator": "localhost:1", "processes": 1, "process": 0}
  said = setup_error(runtime.initialize, **options)
  assert said.startswith("coordinator='localhost:1': cannot join")
  assert "before any JAX" in said


@pytest.mark.parametrize("sizes", [(0, 3), (3, 1), (1, 0), (-1, 1), (16, 1)])
def test_a_mesh_that_does_not_fit_the_devices_is_refused(sizes, monkeypatch):
  monkeypatch.setattr(jax, "device_count", lambda: 8)
  said = setup_error(runtime.make_mesh, *sizes)
  assert f"data={sizes[0]}" in said and f"model={sizes[1]}" in said
  assert "8 devices" in said


def test_the_data_axis_takes_the_devices_that_are_left():
  mesh = runtime.make_mesh()
  assert dict(mesh.shape) == {"data": jax.device_count(), "model": 1}


def test_one_process_is_main_speaks_to_itself_and_writes(tmp_path):
  assert runtime.is_main() and runtime.gather_text("é") == ["é"]
  runtime.barrier("alone")
  assert runtime.open_workdir(tmp_path / "w", {"a": 1}).writes
  with pytest.raises(workdir_lib.WorkdirError, match="a=1, now 2"):
    runtime.open_workdir(tmp_path / "w", {"a": 2})


def test_a_workdir_of_another_process_is_read_and_not_written(tmp_path):
  main = workdir_lib.open_workdir(tmp_path / "w", {"a": 1})
  main.append_metrics("p", 1, {"loss": [1.0]})
  before = sorted(path.name for path in main.path.rglob("*"))
  other = workdir_lib.open_workdir(tmp_path / "w", {"a": 1}, writes=False)
  other.append_metrics("p", 2, {"loss": [1.0]})
  other.cut_metrics("p", 0)
  other.save_json("x.json", {})
  other.save_result("x", {}, {})
  assert sorted(path.name for path in main.path.rglob("*")) == before
  assert other.read_metrics() == main.read_metrics()
  assert len(main.read_metrics()) == 1
  for path, config in ((main.path, {"a": 2}), (tmp_path / "none", {"a": 1})):
    with pytest.raises(workdir_lib.WorkdirError):
      workdir_lib.open_workdir(path, config, writes=False)
  assert not (tmp_path / "none").exists()


def test_reading_a_workdir_does_not_start_jax():
  program = "import raml_jax.training.workdir, sys; print('jax' in sys.modules)"
  path = os.pathsep.join(filter(None, sys.path))
  told = subprocess.run(
    [sys.executable, "-c", program],
    env=os.environ | {"PYTHONPATH": path},
    capture_output=True,
    text=True,
    timeout=60,
  )
  assert told.stdout == "False\n", told.stderr


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
