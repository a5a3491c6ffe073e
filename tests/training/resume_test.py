"""A run killed at any moment ends as if it had not been."""

import dataclasses
import os
import signal
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from raml_jax.training import checkpoint
from raml_jax.training import loop
from raml_jax.training import workdir as workdir_lib

# Another process finds the toy run in this very file.
START = "import runpy, sys; runpy.run_path(sys.argv[1])['toy'](*sys.argv[2:])"
SEEDS = 3


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Regression:
  """Inputs and targets of a fixed linear map."""

  w_SxD: jax.Array

  def batch(self, key):
    x_BxD = jax.random.normal(key, (16, 8))
    return x_BxD, x_BxD @ self.w_SxD


def init(key):
  keys = jax.random.split(key)
  return {
    "a": jax.random.normal(keys[0], (8, 16)),
    "b": jax.random.normal(keys[1], (16,)),
  }


def grads(params, key_of_noise, batch, key):
  """Noisy regression; the extra state holds a typed key."""

  def loss(params):
    x_BxD, y_B = batch
    y_B = y_B + 0.1 * jax.random.normal(key, y_B.shape)
    return jnp.mean((jnp.tanh(x_BxD @ params["a"]) @ params["b"] - y_B) ** 2)

  value, grads = jax.value_and_grad(loss)(params)
  noise = jax.random.normal(key_of_noise, (16,))
  grads["b"] = grads["b"] + 0.01 * noise
  return grads, {"loss": value}, jax.random.fold_in(key_of_noise, 1)


def kill_at(event, text):
  """Kills this process before the first file operation `event` on `text`.

  The names of events, os.mkdir for one, are those of Python's audit hooks.
  """

  def hook(name, arguments):
    if name == event and text in str(arguments):
      os.kill(os.getpid(), signal.SIGKILL)

  sys.addaudithook(hook)


def toy(path, *moment):
  """A run of two small phases, in `path`, that may be killed at `moment`."""
  workdir = workdir_lib.open_workdir(path, {"experiment": "toy"})
  if moment:
    kill_at(*moment)
  checkpoint.verify_checkpoints(workdir)
  objective = loop.Objective(
    init_extra=lambda params: jax.random.key(7), grads=grads
  )
  optimizer = optax.adam(1e-2)
  arrays = {}
  for name, scale in {"arm/one": 1.0, "arm/two": 2.0}.items():
    state = loop.train(
      loop.Phase(
        name=name,
        init=init,
        objective=objective,
        source=Regression(jnp.full((SEEDS, 8), scale)),
        optimizer=optimizer,
        steps=50,
      ),
      key=jax.random.key(0),
      seeds=SEEDS,
      chunk=10,
      workdir=workdir,
    )
    state = dataclasses.replace(state, extra=jax.random.key_data(state.extra))
    for leaf_path, leaf in jax.tree_util.tree_leaves_with_path(state):
      arrays[name + jax.tree_util.keystr(leaf_path)] = np.asarray(leaf)
  workdir.save_result("final", arrays, {"seeds": SEEDS})


def toy_run(path, *moment):
  return subprocess.run(
    [sys.executable, "-c", START, __file__, path, *moment],
    env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    capture_output=True,
    text=True,
    timeout=300,
  )


def test_killed_runs_end_bit_identical_to_an_uninterrupted_one(tmp_path):
  """kill -9 at moments where files are half done, then the same command."""
  whole, cut = tmp_path / "whole", tmp_path / "cut"
  run = toy_run(whole)
  assert run.returncode == 0, run.stderr
  assert "resumed" not in run.stdout
  # Where a run is killed, and what it says before as it resumes.
  story = [
    # The folder of step 20 is begun.
    (("os.mkdir", "one/20.orbax-checkpoint-tmp/state"), ""),
    # Step 30 is saved, step 10 is half deleted.
    (("os.rmdir", "/one/10"), "resumed arm/one at step 10\n"),
    # The last step of the phase is written, but not renamed.
    (
      ("os.rename", "one/50.orbax-checkpoint-tmp',"),
      "resumed arm/one at step 30\n",
    ),
    # Metrics of step 30 are written, its checkpoint is not.
    (
      ("os.mkdir", "two/30.orbax-checkpoint-tmp"),
      "resumed arm/one at step 40\n",
    ),
    # Training is done, the result is written, but not renamed.
    (("os.rename", "results/final.npz"), "resumed arm/two at step 20\n"),
  ]
  for moment, said in story:
    run = toy_run(cut, *moment)
    assert run.returncode == -signal.SIGKILL, (moment, run.stderr)
    assert run.stdout == said, moment
    with open(cut / "metrics.jsonl", "ab") as stream:
      stream.write(b'{"phase": "arm/one", "st')
  run = toy_run(cut)
  assert run.returncode == 0, run.stderr
  assert run.stdout == ""
  for name in ("metrics.jsonl", "results/final.npz", "config.json"):
    assert (cut / name).read_bytes() == (whole / name).read_bytes(), name
  assert len((whole / "metrics.jsonl").read_bytes().splitlines()) == 10


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
