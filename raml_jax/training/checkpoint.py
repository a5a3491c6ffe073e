"""Checkpoints that are verified: Orbax, with a digest of every leaf.

A checkpoint of a phase at a step holds two items: `state`, a flat dictionary
{name of the leaf: array}, and `meta`, JSON with the phase, the step, the digest
of config.json, the environment, and for each leaf its dtype, its shape and the
sha256 of each of its shards. Orbax alone restores some damaged files silently
wrong, casts dtypes and cannot step back to an older checkpoint; reading here
checks all of that.

Several processes save together, each what its devices hold, into one checkpoint
that any number of processes can restore. Each reads and verifies the whole of
it by itself, and they go on only if all of them found the same.
"""

import json
import pathlib
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from raml_jax.training import disk
from raml_jax.training import environment
from raml_jax.training import leaves as leaves_lib
from raml_jax.training import runtime
from raml_jax.training import workdir as workdir_lib


class CheckpointError(workdir_lib.WorkdirError):
  """Checkpoints exist and none of them can be used; one line for the user."""


class Checkpoints:
  """The checkpoints of one phase: the newest two are kept.

  Use it as a context manager, which closes Orbax's threads.
  """

  def __init__(self, workdir: workdir_lib.Workdir, phase: str):
    self._folder = workdir.checkpoints / phase
    self._workdir = workdir
    self._phase = phase
    self._config_digest = workdir.config_digest
    self._manager = None

  def __enter__(self) -> "Checkpoints":
    return self

  def __exit__(self, *unused_exception: Any) -> None:
    if self._manager is not None:
      self._manager.close()

  def restore(self, like: Any) -> tuple[Any, int] | None:
    """Restores the newest checkpoint that verifies.

    Newer ones that do not are named on stderr and renamed to
    `<step>.corrupt`, so that their step can be saved again.

    Args:
      like: pytree of arrays, of the structure, shapes and dtypes to expect.

    Returns:
      (pytree as `like`, step), or None where there is no checkpoint.

    Raises:
      CheckpointError: checkpoints exist and none verifies, or the processes
        see different ones.
    """
    expected = leaves_lib.named(like)
    rejected = []
    found = None
    for step in _steps(self._folder):
      path = self._folder / str(step)
      try:
        leaves, meta = _read(path, self._phase, self._config_digest)
        leaves_lib.check_expected(leaves, expected)
      except leaves_lib.Unusable as error:
        rejected.append((path, str(error)))
        continue
      found = step
      break
    self._check_agreement(found)
    if found is None:
      if rejected:
        raise _none_verifies(self._phase, rejected)
      return None
    if self._workdir.writes:
      for bad, reason in rejected:
        moved = _move_aside(bad)
        print(
          f"warning: checkpoint {bad} {reason}: kept as {moved.name}, using"
          f" step {found}",
          file=sys.stderr,
        )
      environment.compare(self._workdir.path, meta["environment"])
    # None may save before the folders are as they will stay.
    runtime.barrier(f"restored {self._phase}")
    return leaves_lib.rebuilt(leaves, like), found

  def save(self, step: int, state: Any) -> None:
    """Writes the checkpoint of `step`, and returns when it is on disk.

    Args:
      step: number of steps done, larger than that of any checkpoint here.
      state: pytree of arrays; leaves of size zero are recorded by shape only.

    Raises:
      RuntimeError: Orbax refused, e.g. as the step exists.
      WorkdirError: the disk is full, or refuses for another reason.
    """
    told = disk.told(self._folder, workdir_lib.WorkdirError, ValueError)
    with told, disk.one_voice():
      self._save(step, state)

  def _save(self, step: int, state: Any) -> None:
    if self._manager is None:
      self._folder.mkdir(parents=True, exist_ok=True)
      # Saved synchronously: training donates the very buffers that a thread
      # in the background would still be reading.
      self._manager = ocp.CheckpointManager(
        self._folder,
        options=ocp.CheckpointManagerOptions(
          max_to_keep=2,
          enable_async_checkpointing=False,
          cleanup_tmp_directories=True,
        ),
      )
    leaves = leaves_lib.named(state)
    mine = {name: leaves_lib.digest(leaf) for name, leaf in leaves.items()}
    every = map(json.loads, runtime.gather_text(json.dumps(mine)))
    meta = {
      "phase": self._phase,
      "step": step,
      "config": self._config_digest,
      "environment": environment.current(),
      "leaves": leaves_lib.merged(every),
    }
    # Orbax cannot save arrays of size zero; their shape says all.
    solid = {name: leaf for name, leaf in leaves.items() if leaf.size}
    saved = self._manager.save(
      step,
      args=ocp.args.Composite(
        state=ocp.args.StandardSave(solid), meta=ocp.args.JsonSave(meta)
      ),
    )
    if not saved:
      raise RuntimeError(
        f"checkpoint of phase {self._phase!r} at step {step} was not saved:"
        f" {self._folder} holds steps {self._manager.all_steps()}"
      )

  def _check_agreement(self, found: int | None) -> None:
    """Raises CheckpointError unless all processes found the same step."""
    steps = runtime.gather_text("none" if found is None else str(found))
    if len(set(steps)) > 1:
      raise CheckpointError(
        f"phase {self._phase!r}: its newest sound checkpoint in {self._folder}"
        f" is, process by process, {', '.join(steps)}: all must see the same"
        " files"
      )


def verify_checkpoints(workdir: workdir_lib.Workdir) -> None:
  """Checks that every phase with checkpoints has one that verifies.

  Reads the newest checkpoint of each phase, and older ones only where it is
  damaged; changes nothing. Meant to be called before any work starts.

  Raises:
    CheckpointError: a phase has checkpoints and none verifies.
  """
  digest = workdir.config_digest
  for folder in _phase_folders(workdir.checkpoints):
    phase = folder.relative_to(workdir.checkpoints).as_posix()
    rejected = []
    for step in _steps(folder):
      try:
        _read(folder / str(step), phase, digest)
        break
      except leaves_lib.Unusable as error:
        rejected.append((folder / str(step), str(error)))
    else:
      raise _none_verifies(phase, rejected)


def _steps(folder: pathlib.Path) -> list[int]:
  """Steps that have a checkpoint folder, whole or not, newest first."""
  if not folder.is_dir():
    return []
  names = (entry.name for entry in folder.iterdir() if entry.is_dir())
  return sorted((int(name) for name in names if name.isdecimal()), reverse=True)


def _phase_folders(folder: pathlib.Path) -> list[pathlib.Path]:
  """Folders at or below `folder` that have steps in them."""
  if not folder.is_dir():
    return []
  found = [folder] if _steps(folder) else []
  for entry in sorted(folder.iterdir()):
    is_step = entry.name.split(".")[0].isdecimal()
    if entry.is_dir() and not is_step:
      found.extend(_phase_folders(entry))
  return found


def _read(
  path: pathlib.Path, phase: str, config_digest: str
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
  """Reads one checkpoint and verifies it against its own meta.

  Returns:
    ({name: array}, meta).

  Raises:
    leaves_lib.Unusable: it is damaged, or belongs to another phase, step or
      config.
  """
  # Each process for itself: one that fails must not keep the others waiting.
  process = jax.process_index()
  reader = ocp.Checkpointer(
    ocp.CompositeCheckpointHandler(),
    multiprocessing_options=ocp.options.MultiprocessingOptions(
      primary_host=process,
      active_processes={process},
      barrier_sync_key_prefix=f"process{process}",
    ),
  )
  try:
    meta = reader.restore(
      path, args=ocp.args.Composite(meta=ocp.args.JsonRestore())
    )["meta"]
    owner = {"phase": phase, "step": int(path.name), "config": config_digest}
    for field, value in owner.items():
      if meta[field] != value:
        raise leaves_lib.Unusable(
          f"belongs to another run ({field} is {meta[field]!r}, not {value!r})"
        )
    # NumPy targets keep the dtype on disk whether or not JAX has 64 bits.
    target = {
      name: np.empty(record["shape"], jnp.dtype(record["dtype"]))
      for name, record in meta["leaves"].items()
    }
    solid = {name: leaf for name, leaf in target.items() if leaf.size}
    restored = reader.restore(
      path, args=ocp.args.Composite(state=ocp.args.StandardRestore(solid))
    )["state"]
    leaves = {name: np.asarray(leaf) for name, leaf in restored.items()}
    leaves.update({name: x for name, x in target.items() if not x.size})
    for name, record in meta["leaves"].items():
      leaves_lib.check_digest(name, leaves[name], record)
    if not isinstance(meta["environment"], dict):
      raise leaves_lib.Unusable("cannot be read (its meta is damaged)")
  except leaves_lib.Unusable:
    raise
  # Damaged files make Orbax, TensorStore and JSON raise nearly anything, and
  # whatever it is, the answer is the same: this checkpoint cannot be used.
  except Exception as error:  # pylint: disable=broad-except
    message = (str(error).strip() or "no message").splitlines()[0][:120]
    raise leaves_lib.Unusable(
      f"cannot be read ({type(error).__name__}: {message})"
    ) from error
  finally:
    reader.close()
  return leaves, meta


def _move_aside(path: pathlib.Path) -> pathlib.Path:
  target = path.with_name(f"{path.name}.corrupt")
  count = 1
  while target.exists():
    count += 1
    target = path.with_name(f"{path.name}.corrupt{count}")
  return path.rename(target)


def _none_verifies(
  phase: str, rejected: list[tuple[pathlib.Path, str]]
) -> CheckpointError:
  path, reason = rejected[0]
  return CheckpointError(
    f"phase {phase!r}: none of its {len(rejected)} checkpoints verifies"
    f" ({path} {reason}): delete {path.parent} to train it anew"
  )
