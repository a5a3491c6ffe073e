"""One training loop for every objective.

A `Phase` says what is trained, on which data and for how long; `train` runs it
for several seeds at once. Steps run inside `lax.scan`, seeds under `vmap`, and
one call of one compiled function does a chunk of steps, so Python is at work
once per chunk. The compiled function depends on the objective, the optimizer
and the length of the chunk alone: phases that share these objects and have
arrays of the same shapes share it.

What is computed depends on the config, never on the clock, on the length of a
chunk or on interruptions. A phase that is killed and run again continues from
its newest checkpoint and ends with the same bits, given the same number of
seeds, devices and cores, XLA_FLAGS and version of JAX.
"""

from collections.abc import Callable
import contextlib
import dataclasses
import functools
import re
from typing import Any
import zlib

import jax
import jax.numpy as jnp
import numpy as np
import optax

from raml_jax.training import checkpoint
from raml_jax.training import workdir as workdir_lib

_TRAINING, _EVALUATION = 0, 1
_INIT, _STEPS = 0, 1
_DATA, _OBJECTIVE = 0, 1
_PHASE_NAME = re.compile(r"[A-Za-z_][\w.=+-]*(/[A-Za-z_][\w.=+-]*)*")


class NonFiniteLoss(ArithmeticError):
  """Training met a number that is NaN or infinite; one line for the user."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TrainState:
  """All that a training step reads and writes; arrays only.

  Attributes:
    params: pytree of parameters.
    opt_state: state of the optimizer.
    step: int32, number of steps done.
    extra: whatever else the objective keeps, e.g. frozen reference weights.
  """

  params: Any
  opt_state: Any
  step: jax.Array
  extra: Any


@dataclasses.dataclass(frozen=True, eq=False)
class Objective:
  """What one step of training descends, for one seed.

  Two objectives are equal only if they are the same object: make one and share
  it between phases, and they share the compiled step.

  Attributes:
    init_extra: maps params to the first `extra`; `lambda params: ()` for none.
    grads: maps (params, extra, batch, key) to (grads, metrics, extra), with
      grads like params and metrics a dict of scalars that holds "loss".
      Metrics "where/..." are indices that say where in the batch a number is
      not finite, else -1: for the error message, never saved.
  """

  init_extra: Callable[[Any], Any]
  grads: Callable[..., tuple[Any, dict[str, jax.Array], Any]]


@dataclasses.dataclass(frozen=True)
class Phase:
  """One training run of all seeds.

  Attributes:
    name: unique in a run; parts of letters, digits and "_.=+-" that do not
      start with a digit, joined by "/". It determines the random keys.
    init: maps a key to the params of one seed.
    objective: what is descended.
    source: pytree (a registered dataclass) whose leaves all have a leading axis
      of seeds; one seed of it has `.batch(key) -> batch`, which is traced.
    optimizer: shared between phases as the objective is.
    steps: number of steps to train for.
  """

  name: str
  init: Callable[[jax.Array], Any]
  objective: Objective
  source: Any
  optimizer: optax.GradientTransformation
  steps: int


def train_key(key: jax.Array, name: str) -> jax.Array:
  """The key of all randomness in training phase `name`.

  Disjoint from every `evaluation_key` of the same `key`, and from the training
  keys of other names.
  """
  return _named_key(key, _TRAINING, name)


def evaluation_key(key: jax.Array, name: str) -> jax.Array:
  """The key of all randomness in measurement `name`; see `train_key`."""
  return _named_key(key, _EVALUATION, name)


def train(
  phase: Phase,
  *,
  key: jax.Array,
  seeds: int,
  chunk: int,
  workdir: workdir_lib.Workdir | None,
  on_chunk: Callable[[str, int, int, dict[str, float]], None] | None = None,
  save_every: int = 1,
) -> TrainState:
  """Trains a phase from its newest checkpoint, or from the start.

  A finished phase is restored and not run again.

  Args:
    phase: what to train.
    key: typed key of the whole run; the phase's own keys derive from it and
      from the phase's name.
    seeds: number of seeds trained together.
    chunk: number of steps per call of the compiled function. Chunks end at
      multiples of it; where `phase.steps` is none, the shorter last chunk
      costs one compilation more.
    workdir: where metrics and checkpoints go, or None to write nothing.
    on_chunk: called after each chunk with (phase name, steps done, steps in
      all, mean over seeds of each metric); called with no metrics when steps
      are restored and not run.
    save_every: number of chunks from one checkpoint to the next; the end of
      the phase is always saved.

  Returns:
    The final state, each leaf with a leading axis of seeds.

  Raises:
    NonFiniteLoss: the first step at which a loss, a gradient or, at the end
      of a chunk, a parameter is not finite, with its seed. Steps count from 0.
      Nothing of that chunk is written.
    CheckpointError: the phase has checkpoints and none can be used.
    ValueError: a field of the phase or an argument is out of range.
  """
  _check(phase, seeds, chunk, save_every)
  keys_S = jax.vmap(
    functools.partial(jax.random.fold_in, train_key(key, phase.name))
  )(jnp.arange(seeds))
  state = _initial_state(phase, keys_S)
  done = 0
  with contextlib.ExitStack() as stack:
    store = None
    if workdir is not None:
      store = stack.enter_context(checkpoint.Checkpoints(workdir, phase.name))
      restored = store.restore(state)
      if restored is not None:
        state, done = restored
        if done < phase.steps:
          print(f"resumed {phase.name} at step {done}", flush=True)
      workdir.cut_metrics(phase.name, done)
    if done and on_chunk is not None:
      on_chunk(phase.name, done, phase.steps, {})
    while done < phase.steps:
      end = min(phase.steps, (done // chunk + 1) * chunk)
      run = compiled_chunk(phase.objective, phase.optimizer, end - done)
      state, metrics, bad_step_S = run(phase.source, state, keys_S)
      metrics = {k: np.asarray(v, np.float64) for k, v in metrics.items()}
      where = {k: metrics.pop(k) for k in list(metrics) if _is_where(k)}
      _raise_if_bad(phase.name, np.asarray(bad_step_S), where)
      done = end
      if workdir is not None:
        workdir.append_metrics(phase.name, done, metrics)
        if done == phase.steps or done // chunk % save_every == 0:
          store.save(done, state)
      if on_chunk is not None:
        means = {name: float(v.mean()) for name, v in metrics.items()}
        on_chunk(phase.name, done, phase.steps, means)
  return jax.block_until_ready(state)


@functools.cache
def compiled_chunk(
  objective: Objective, optimizer: optax.GradientTransformation, length: int
) -> Callable[..., tuple[TrainState, dict[str, jax.Array], jax.Array]]:
  """The jitted function that does `length` steps for all seeds.

  Args:
    objective: what is descended.
    optimizer: how.
    length: number of steps.

  Returns:
    A function of (source, state, keys), each stacked over seeds, that returns
    (state, metrics averaged over the steps, the first step at which the loss,
    a gradient or a final parameter is not finite or else -1). Metrics
    "where/..." are those of that step. It donates the state.
  """

  def run(source, state, key):
    def step(state, _):
      step_key = jax.random.fold_in(key, state.step)
      batch = source.batch(jax.random.fold_in(step_key, _DATA))
      grads, metrics, extra = objective.grads(
        state.params,
        state.extra,
        batch,
        jax.random.fold_in(step_key, _OBJECTIVE),
      )
      updates, opt_state = optimizer.update(
        grads, state.opt_state, state.params
      )
      bad = ~_all_finite((metrics["loss"], grads))
      params = optax.apply_updates(state.params, updates)
      new = TrainState(params, opt_state, state.step + 1, extra)
      return new, (metrics, bad)

    first = state.step
    key = jax.random.fold_in(key, _STEPS)
    state, (metrics, bad) = jax.lax.scan(step, state, length=length)
    # The last update may overflow though the gradient is finite.
    bad = bad.at[-1].set(bad[-1] | ~_all_finite(state.params))
    at = jnp.argmax(bad)
    metrics = {
      name: values[at] if _is_where(name) else jnp.mean(values, axis=0)
      for name, values in metrics.items()
    }
    return state, metrics, jnp.where(jnp.any(bad), first + at, -1)

  def all_seeds(source, state, keys_S):
    if keys_S.shape[0] > 1:
      return jax.vmap(run)(source, state, keys_S)
    # Under `vmap` the matrix products of a single seed would be batched ones:
    # a fifth slower.
    one = jax.tree.map(lambda a: a[0], (source, state, keys_S))
    return jax.tree.map(lambda a: a[None], run(*one))

  return jax.jit(all_seeds, donate_argnums=1)


def _named_key(key: jax.Array, tag: int, name: str) -> jax.Array:
  # Python's own hash of a string differs from process to process.
  code = jnp.uint32(zlib.crc32(name.encode()))
  return jax.random.fold_in(jax.random.fold_in(key, tag), code)


def _initial_state(phase: Phase, keys_S: jax.Array) -> TrainState:
  def one_seed(key):
    params = phase.init(jax.random.fold_in(key, _INIT))
    return TrainState(
      params=params,
      opt_state=phase.optimizer.init(params),
      step=jnp.int32(0),
      extra=phase.objective.init_extra(params),
    )

  # The state is donated, so no two leaves may share a buffer; and a weak type
  # would be lost after the first chunk, which would compile the second anew.
  return jax.tree.map(
    lambda x: jnp.array(x, dtype=x.dtype, copy=True), jax.vmap(one_seed)(keys_S)
  )


def _all_finite(tree: Any) -> jax.Array:
  leaves = jax.tree.leaves(tree)
  return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in leaves]))


def _is_where(metric: str) -> bool:
  return metric.startswith("where/")


def _raise_if_bad(name: str, bad_step_S: np.ndarray, where: dict) -> None:
  bad = [(step, seed) for seed, step in enumerate(bad_step_S) if step >= 0]
  if bad:
    step, seed = min(bad)
    place = "".join(
      f", {key.removeprefix('where/')} {int(index_S[seed])}"
      for key, index_S in where.items()
      if index_S[seed] >= 0
    )
    raise NonFiniteLoss(
      f"phase {name!r}: the training loss, its gradient or the update is not"
      f" finite for seed {seed} at step {step}{place}"
    )


def _check(phase: Phase, seeds: int, chunk: int, save_every: int) -> None:
  if not _PHASE_NAME.fullmatch(phase.name):
    raise ValueError(
      f"phase name {phase.name!r}: allowed are parts of letters, digits and"
      " '_.=+-', not starting with a digit, joined by '/'"
    )
  counts = {
    "steps": phase.steps,
    "seeds": seeds,
    "chunk": chunk,
    "save_every": save_every,
  }
  for field, value in counts.items():
    if value < 1:
      raise ValueError(
        f"phase {phase.name!r}: {field}={value}, must be at least 1"
      )
  for path, leaf in jax.tree_util.tree_leaves_with_path(phase.source):
    if jnp.ndim(leaf) < 1 or jnp.shape(leaf)[0] != seeds:
      raise ValueError(
        f"phase {phase.name!r}: source leaf"
        f" {jax.tree_util.keystr(path, simple=True, separator='.')!r} has shape"
        f" {jnp.shape(leaf)}, must have a leading axis of {seeds} seeds"
      )
