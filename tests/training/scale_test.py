"""Several devices and several processes train what one device trains."""

import dataclasses
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from raml_jax.models import gpt
from raml_jax.tasks.arithmetic.families import pairs
from raml_jax.training import checkpoint
from raml_jax.training import chunks
from raml_jax.training import loop
from raml_jax.training import placement as placement_lib
from raml_jax.training import runtime
from raml_jax.training import workdir as workdir_lib

# Other processes find their programs in this very file.
START = "import runpy, sys; f, p, *a = sys.argv[1:]; runpy.run_path(f)[p](*a)"
CONFIG = {"experiment": "scale"}
SEEDS, BATCH = 2, 16
SUMS = pairs.Pairs("+", digits=2)
MODEL = gpt.gpt(gpt.Options(layers=2, heads=2, width=32, context=SUMS.context))
# Most of the time goes into compiling.
QUICK = (
  "--xla_backend_optimization_level=0",
  "--xla_llvm_disable_expensive_passes=true",
)
MATRICES = 15
MESHES = ((8, 1), (4, 2), (2, 4))


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class Drawn:
  """Sums, written on the device."""

  def batch(self, key):
    return SUMS.sample(key, BATCH).tokens_L


@dataclasses.dataclass(frozen=True)
class Read:
  """Some rows of batches that come from the host."""

  rows: slice

  def chunk(self, first, count):
    shape = SEEDS, BATCH, SUMS.context
    steps = [
      np.random.default_rng(step).integers(0, 40, shape)[:, self.rows]
      for step in range(first, first + count)
    ]
    return np.stack(steps, axis=1)


def grads(params, extra, tokens_BxT, key):
  """Of one half of the batch after the other, to need less memory."""
  del key

  def loss(params, tokens_BxT):
    logits_BxTxV, _, _ = MODEL.apply(params, tokens_BxT)
    return optax.softmax_cross_entropy_with_integer_labels(
      logits_BxTxV[:, :-1], tokens_BxT[:, 1:]
    ).mean()

  halves_2xBxT = tokens_BxT.reshape(-1, 2, tokens_BxT.shape[1]).swapaxes(0, 1)
  both = jax.lax.map(
    lambda half_BxT: jax.value_and_grad(loss)(params, half_BxT), halves_2xBxT
  )
  value, grads = jax.tree.map(lambda leaf: leaf.mean(0), both)
  return grads, {"loss": value}, extra


OBJECTIVE = loop.Objective(init_extra=lambda params: (), grads=grads)
ADAM = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-2))


def train(source, steps, placement=None, **options):
  """Trains, blocking after every step."""
  return loop.train(
    loop.Phase("sums", MODEL.init, OBJECTIVE, source, ADAM, steps),
    key=jax.random.key(0),
    seeds=SEEDS,
    chunk=1,
    placement=placement,
    **{"workdir": None} | options,
  )


def measured(source, placement, workdir, **options):
  """Trains for five steps and measures the params after each."""

  @jax.jit
  def norms(params):
    leaves = jax.tree.leaves(params)
    return sum(jnp.sum(leaf.reshape(SEEDS, -1) ** 2, 1) for leaf in leaves)

  return train(
    source,
    5,
    placement,
    workdir=workdir,
    save_every=2,
    evaluate=lambda params: {"norm": np.asarray(norms(params))},
    **options,
  )


def meshes():
  """Prints what the test below checks, on every mesh and on none.

  Losses, shapes of leaves and of their shards; and, of the last mesh, what the
  devices send each other in one step.
  """
  told = []
  for sizes in (None, *MESHES):
    placement = None
    if sizes is not None:
      placement = placement_lib.Placement(runtime.make_mesh(*sizes))
    losses = []
    state = train(
      Drawn(),
      3,
      placement,
      on_chunk=lambda name, step, steps, m: losses.append(m["loss"]),
    )
    shapes = {
      jax.tree_util.keystr(path, simple=True, separator="/"): (
        leaf.shape,
        leaf.addressable_shards[0].data.shape,
      )
      for path, leaf in jax.tree_util.tree_leaves_with_path(state)
    }
    told.append((losses, shapes))
  run = chunks.compiled(OBJECTIVE, ADAM, 1, False, placement)
  keys_S = placement.everywhere(jax.random.split(jax.random.key(0), SEEDS))
  program = run.lower(Drawn(), state, keys_S).compile().as_text()
  sent = re.findall(r" (all-[a-z]+|collective-[a-z]+)\(", program)
  print(json.dumps((told, sent)))


def process(path, port, index, die_after):
  """One of two processes, which share every matrix and every batch."""
  runtime.initialize(
    coordinator=f"localhost:{port}",
    processes=2,
    process=int(index),
    timeout=60,
  )
  workdir = runtime.open_workdir(path, CONFIG)
  checkpoint.verify_checkpoints(workdir)
  placement = placement_lib.Placement(runtime.make_mesh(data=1, model=2))

  def die(name, step, *unused):
    if step == int(die_after):
      os.kill(os.getpid(), signal.SIGKILL)

  state = measured(
    Read(placement.rows(BATCH)), placement, workdir, on_chunk=die
  )
  kernel = state.params["layer_0"]["up"]["kernel"]
  assert kernel.addressable_shards[0].data.shape == (SEEDS, 32, 64)
  workdir.save_result("params", flat(placement.gathered(state.params)), {})


def alone(path, restored):
  """The same in one process; then what two processes saved in `restored`."""
  for folder, name in ((path, "params"), (restored, "restored")):
    workdir = workdir_lib.open_workdir(folder, CONFIG)
    state = measured(Read(slice(None)), None, workdir)
    workdir.save_result(name, flat(state.params), {})


def flat(params):
  return {
    jax.tree_util.keystr(path): np.asarray(leaf)
    for path, leaf in jax.tree_util.tree_leaves_with_path(params)
  }


def start(program, *args, flags=()):
  return subprocess.Popen(
    [sys.executable, "-c", START, __file__, program, *map(str, args)],
    env=os.environ
    | {
      "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
      "JAX_PLATFORMS": "cpu",
      "XLA_FLAGS": " ".join([*QUICK, *flags]),
    },
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )


def finish(*running):
  """Waits for programs and returns what each printed."""
  try:
    return [one.communicate(timeout=600) for one in running]
  finally:
    for one in running:
      one.kill()


def two(path, die_after=0):
  """What two processes print on stdout and stderr, and their exit codes."""
  with socket.socket() as probe:
    probe.bind(("localhost", 0))
    port = probe.getsockname()[1]
  running = [start("process", path, port, i, die_after) for i in range(2)]
  return finish(*running), [one.returncode for one in running]


def per_seed(workdir):
  """Losses and norms by step and seed."""
  return [
    [line["metrics"][name]["per_seed"] for name in ("loss", "norm")]
    for line in workdir.read_metrics()
  ]


def test_every_mesh_of_eight_devices_trains_alike_and_splits_matrices():
  flags = ("--xla_force_host_platform_device_count=8",)
  running = start("meshes", flags=flags)
  ((out, err),) = finish(running)
  assert running.returncode == 0, err
  ((expected, _), *others), sent = json.loads(out)
  assert len(expected) == 3 and expected[2] < expected[0]
  for (_, model), (losses, shapes) in zip(MESHES, others, strict=True):
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    for name in ("params", "opt_state/1/0/mu", "opt_state/1/0/nu"):
      whole, shard = shapes[f"{name}/layer_1/up/kernel"]
      assert whole == [SEEDS, 32, 128] and shard == [SEEDS, 32, 128 // model]
      whole, shard = shapes[f"{name}/layer_1/up/bias"]
      assert whole == shard
    split = [name for name, (a, b) in shapes.items() if a != b]
    assert len(split) == (0 if model == 1 else 3 * MATRICES)
  # Each matrix is gathered once, gradients are summed, and activations stay
  # where they are.
  assert sent.count("all-gather") == MATRICES
  assert set(sent) == {"all-gather", "all-reduce"}
  assert "rematerialization" not in err


def test_two_processes_train_save_and_resume_as_one_does(tmp_path):
  whole, cut, single = (tmp_path / name for name in ("whole", "cut", "single"))
  said, codes = two(whole)
  assert codes == [0, 0], said
  said, codes = two(cut, die_after=3)
  assert -signal.SIGKILL in codes and 0 not in codes, said
  assert workdir_lib.load_workdir(cut)[0].read_metrics()[-1]["step"] == 3
  said, codes = two(cut)
  assert codes == [0, 0], said
  # Gloo prints lines of its own.
  resumed = [out.count("resumed sums at step 2\n") for out, _ in said]
  assert resumed == [1, 0], said
  for name in ("metrics.jsonl", "results/params.npz", "config.json"):
    assert (cut / name).read_bytes() == (whole / name).read_bytes(), name

  shutil.copytree(whole, tmp_path / "copy")
  running = start("alone", single, tmp_path / "copy")
  ((_, err),) = finish(running)
  assert running.returncode == 0, err
  one, many, copy = (
    workdir_lib.load_workdir(path)[0]
    for path in (single, whole, tmp_path / "copy")
  )
  np.testing.assert_allclose(per_seed(many), per_seed(one), rtol=1e-5)
  saved, _ = copy.load_result("params")
  restored, _ = copy.load_result("restored")
  assert saved.keys() == restored.keys()
  for name, leaf in saved.items():
    np.testing.assert_array_equal(restored[name], leaf)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
