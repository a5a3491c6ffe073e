"""Several processes, and the mesh of all their devices.

Everything here is optional: one process needs none of it, and nothing happens
unless an argument asks for it. The functions here are called by every process,
in the same order.
"""

from __future__ import annotations

import re
import socket
import time
from typing import Any

import jax
from jax.experimental import multihost_utils
import numpy as np
from orbax.checkpoint import multihost

from raml_jax.training import workdir as workdir_lib

AXES = ("data", "model")
_PATIENCE_MS = 24 * 3600 * 1000


class SetupError(ValueError):
  """Devices or processes that are not as asked for; one line for the user."""


def initialize(
  *,
  coordinator: str | None = None,
  processes: int | None = None,
  process: int | None = None,
  cluster: str | None = None,
  timeout: int = 300,
) -> None:
  """Joins the processes of a run, if any argument asks for it.

  To be called before anything else of JAX. Each process then sees the devices
  of all.

  Args:
    coordinator: "host:port" of process 0, which every process can reach.
    processes: how many there are.
    process: which of them this is, from 0.
    cluster: "auto" to ask SLURM, or whichever environment JAX knows, instead.
    timeout: seconds to wait for the others.

  Raises:
    SetupError: the arguments do not fit together, or joining failed.
  """
  if cluster is None and (coordinator, processes, process) == (None,) * 3:
    return
  _check_arguments(coordinator, processes, process, cluster)
  if process:
    _check_reachable(coordinator, timeout)
  try:
    jax.distributed.initialize(
      coordinator, processes, process, initialization_timeout=timeout
    )
  except (RuntimeError, ValueError, OSError) as error:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    tried = "cluster='auto'" if cluster else f"coordinator={coordinator!r}"
    raise SetupError(f"{tried}: cannot join the processes: {reason}") from error


def is_main() -> bool:
  """Whether this is the process that writes and prints."""
  return jax.process_index() == 0


def barrier(name: str) -> None:
  """Waits until every process has come here; all must give the same name.

  No device is used, for theirs would not wait long: the others may wait here
  for hours while process 0 measures alone.
  """
  if jax.process_count() > 1:
    wait = multihost.get_barrier_sync_fn()
    wait(key=name, timeout_ms=_PATIENCE_MS)


def gather_text(text: str) -> list[str]:
  """What every process says, in their order; all must call it."""
  if jax.process_count() == 1:
    return [text]
  barrier("gather_text")
  said = np.frombuffer(text.encode(), np.uint8)
  sizes = multihost_utils.process_allgather(np.int32(said.size))
  padded = np.zeros(max(1, int(sizes.max())), np.uint8)
  padded[: said.size] = said
  rows = np.asarray(multihost_utils.process_allgather(padded))
  return [bytes(row[:size]).decode() for row, size in zip(rows, sizes)]


def open_workdir(path: Any, config: dict[str, Any]) -> workdir_lib.Workdir:
  """Opens the directory of a run in every process; process 0 alone writes.

  Args:
    path: the directory, on a file system that all processes share.
    config: as `workdir.open_workdir` takes it.

  Raises:
    WorkdirError: in every process, where one of them cannot use it.
  """
  if jax.process_count() == 1:
    return workdir_lib.open_workdir(path, config)

  def attempt(mine: bool):
    if not mine:
      return None, ""
    try:
      return workdir_lib.open_workdir(path, config, writes=is_main()), ""
    except workdir_lib.WorkdirError as error:
      return None, str(error)

  opened = None
  for mine in (is_main(), not is_main()):
    found, failure = attempt(mine)
    opened = found or opened
    for process, line in enumerate(gather_text(failure)):
      if line:
        raise workdir_lib.WorkdirError(
          f"{line} (in process {process})" if process else line
        )
  return opened


def make_mesh(data: int = 0, model: int = 1) -> jax.sharding.Mesh:
  """All devices of all processes, in the axes `data` and `model`.

  Args:
    data: its size; 0 for as many as `model` leaves.
    model: its size.

  Raises:
    SetupError: the sizes do not fit the number of devices.
  """
  devices = jax.device_count()
  if model < 1 or data < 0 or (devices % model if not data else False):
    raise SetupError(
      f"mesh: data={data}, model={model}: model must divide the {devices}"
      " devices, data be their quotient or 0"
    )
  data = data or devices // model
  if data * model != devices:
    raise SetupError(
      f"mesh: data={data} times model={model} is {data * model}, but there are"
      f" {devices} devices"
    )
  return jax.make_mesh(
    (data, model),
    AXES,
    axis_types=(jax.sharding.AxisType.Auto,) * 2,
  )


def _check_arguments(
  coordinator: str | None,
  processes: int | None,
  process: int | None,
  cluster: str | None,
) -> None:
  """Raises SetupError unless the arguments of `initialize` fit together."""
  given = {
    "coordinator": coordinator,
    "processes": processes,
    "process": process,
  }
  absent = [name for name, value in given.items() if value is None]
  if cluster is not None:
    if cluster != "auto":
      raise SetupError(f"cluster={cluster!r}: allowed is 'auto'")
    if len(absent) < len(given):
      raise SetupError(
        "cluster='auto' finds coordinator, processes and process by itself:"
        " give it alone"
      )
    return
  if absent:
    raise SetupError(
      f"{absent[0]}: must be given too, as coordinator, processes and process"
      " go together"
    )
  if not re.fullmatch(r".+:\d+", coordinator):
    raise SetupError(
      f"coordinator={coordinator!r}: must be host:port of process 0"
    )
  if not 0 <= process < processes:
    raise SetupError(
      f"process={process}: must be from 0 to processes - 1 = {processes - 1}"
    )


def _check_reachable(coordinator: str, timeout: int) -> None:
  """Raises SetupError if nobody listens: JAX would abort without a word."""
  host, _, port = coordinator.rpartition(":")
  end = time.monotonic() + timeout
  while True:
    try:
      socket.create_connection((host.strip("[]"), int(port)), 5).close()
      return
    except (OSError, OverflowError) as error:
      if time.monotonic() > end:
        raise SetupError(
          f"coordinator={coordinator!r}: cannot be reached for {timeout} s"
          f" ({error})"
        ) from error
    time.sleep(0.2)
