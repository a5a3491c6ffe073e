"""Damaged and foreign checkpoints are found, named, and stepped over."""

import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raml_jax.training import checkpoint
from raml_jax.training import workdir as workdir_lib

PHASE = "arm/one"


def make_state(step=0):
  return {
    "w": jnp.arange(600.0).reshape(3, 200) + step,
    "half": jnp.arange(6.0, dtype=jnp.bfloat16) + step,
    "key": jax.random.key(step),
    "nothing": jnp.zeros((0, 2)),
    "step": jnp.int32(step),
  }


@pytest.fixture
def saved(tmp_path):
  """A working directory with steps 10 and 20 of one phase."""
  workdir = workdir_lib.open_workdir(tmp_path / "w", {"experiment": "x"})
  with checkpoint.Checkpoints(workdir, PHASE) as store:
    for step in (10, 20):
      store.save(step, make_state(step))
  return workdir


def restore(workdir, like=None, phase=PHASE):
  with checkpoint.Checkpoints(workdir, phase) as store:
    return store.restore(make_state() if like is None else like)


def assert_is_step(restored, step):
  state, at = restored
  assert at == step
  for name, expected in make_state(step).items():
    assert state[name].dtype == expected.dtype
    if name == "key":
      state[name], expected = map(jax.random.key_data, (state[name], expected))
    np.testing.assert_array_equal(state[name], expected)


def folder(workdir, step):
  return workdir.checkpoints / PHASE / str(step)


def flip_bytes(path):
  """Flips eight bytes in the largest file of array data."""
  files = [f for f in (path / "state").rglob("*") if f.parent.name == "d"]
  target = max(files, key=lambda f: f.stat().st_size)
  content = bytearray(target.read_bytes())
  middle = len(content) // 2
  for index in range(middle, middle + 8):
    content[index] ^= 0xFF
  target.write_bytes(content)


def truncate(path):
  for file in path.rglob("*"):
    if file.is_file():
      file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(path):
  shutil.rmtree(path)
  path.mkdir()


def break_meta(path):
  (path / "meta" / "metadata").write_bytes(b'{"phase": \xff')


def strange_meta(path):
  (path / "meta" / "metadata").write_text("[1, 2]")


def other_digest(path):
  """One character of one digest in meta."""
  meta = json.loads((path / "meta" / "metadata").read_text())
  shard = meta["leaves"]["w"]["shards"][0]
  shard[1] = ("0" if shard[1][0] != "0" else "1") + shard[1][1:]
  (path / "meta" / "metadata").write_text(json.dumps(meta))


def lose_state(path):
  shutil.rmtree(path / "state")


DAMAGES = [
  flip_bytes,
  truncate,
  empty,
  break_meta,
  strange_meta,
  other_digest,
  lose_state,
]


def test_newest_checkpoint_is_restored_with_its_types(saved):
  assert_is_step(restore(saved), 20)
  checkpoint.verify_checkpoints(saved)


def test_a_phase_without_checkpoints_starts_anew(saved):
  assert restore(saved, phase="arm/other") is None
  assert restore(saved, phase="arm") is None


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_newest_checkpoint_is_named_kept_and_stepped_over(
  saved, damage, capsys
):
  damage(folder(saved, 20))
  checkpoint.verify_checkpoints(saved)
  with checkpoint.Checkpoints(saved, PHASE) as store:
    assert_is_step(store.restore(make_state()), 10)
    (line,) = capsys.readouterr().err.splitlines()
    assert str(folder(saved, 20)) in line and "using step 10" in line
    # The same step can be saved again, and nothing was deleted.
    store.save(20, make_state(20))
  assert (saved.checkpoints / PHASE / "20.corrupt").is_dir()
  assert_is_step(restore(saved), 20)
  checkpoint.verify_checkpoints(saved)


@pytest.mark.parametrize("damage", DAMAGES)
def test_only_damaged_checkpoints_are_an_error_before_any_work(saved, damage):
  with checkpoint.Checkpoints(saved, "zoo/good") as store:
    store.save(5, make_state(5))
  for step in (10, 20):
    damage(folder(saved, step))
  for attempt in (
    lambda: checkpoint.verify_checkpoints(saved),
    lambda: restore(saved),
  ):
    with pytest.raises(checkpoint.CheckpointError) as error:
      attempt()
    message = str(error.value)
    assert PHASE in message and "\n" not in message
    assert str(folder(saved, 20)) in message and "none of its 2" in message
  assert folder(saved, 10).is_dir() and folder(saved, 20).is_dir()


@pytest.mark.parametrize(
  "change, said",
  [
    ({"w": jnp.zeros((3, 100))}, "'w' is float32[3, 200], not float32[3, 100]"),
    ({"half": jnp.zeros(6)}, "'half' is bfloat16[6], not float32[6]"),
    ({"nothing": jnp.zeros((0, 3))}, "'nothing' is float32[0, 2]"),
    ({"more": jnp.zeros(1)}, "lacks the array 'more'"),
  ],
)
def test_a_checkpoint_of_another_state_is_refused(saved, change, said):
  with pytest.raises(checkpoint.CheckpointError) as error:
    restore(saved, like=make_state() | change)
  assert said in str(error.value)


def test_a_checkpoint_of_another_phase_step_or_config_is_refused(
  saved, tmp_path, capsys
):
  shutil.copytree(folder(saved, 20), folder(saved, 30))
  assert_is_step(restore(saved), 20)
  assert "step is 20, not 30" in capsys.readouterr().err
  shutil.copytree(saved.checkpoints / PHASE, saved.checkpoints / "arm/two")
  with pytest.raises(checkpoint.CheckpointError, match="phase is 'arm/one'"):
    restore(saved, phase="arm/two")
  other = workdir_lib.open_workdir(tmp_path / "other", {"experiment": "y"})
  shutil.copytree(saved.checkpoints / PHASE, other.checkpoints / PHASE)
  with pytest.raises(checkpoint.CheckpointError, match="config is"):
    checkpoint.verify_checkpoints(other)


def test_saving_a_step_twice_is_an_error_not_silence(saved):
  with checkpoint.Checkpoints(saved, PHASE) as store:
    for step in (20, 15):
      with pytest.raises(RuntimeError, match=f"step {step} was not saved"):
        store.save(step, make_state(step))


def test_only_the_newest_two_checkpoints_are_kept(saved):
  with checkpoint.Checkpoints(saved, PHASE) as store:
    store.save(30, make_state(30))
  names = {entry.name for entry in (saved.checkpoints / PHASE).iterdir()}
  assert names == {"20", "30"}


def test_another_environment_is_warned_of_once(saved, capsys, monkeypatch):
  monkeypatch.setenv("XLA_FLAGS", "--xla_other=1")
  for _ in range(2):
    assert_is_step(restore(saved), 20)
  (line,) = capsys.readouterr().err.splitlines()
  assert "XLA_FLAGS" in line and "--xla_other=1" in line


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
