"""One training loop for every objective.

A `Phase` says what is trained, on which data and for how long; `train` runs it
for several seeds at once. Steps run inside `lax.scan`, seeds under `vmap` or on
a thread each, and one call of one compiled function does a chunk of steps, so
Python is at work once per chunk. The compiled function depends on the
objective, the optimizer and the length of the chunk alone: phases that share
these objects and have arrays of the same shapes share it.

What is computed depends on the config, never on the clock, on the length of a
chunk or on interruptions. A phase that is killed and run again continues from
its newest checkpoint and ends with the same bits, given the same number of
seeds, devices and cores, XLA_FLAGS and version of JAX.
"""

from collections.abc import Callable
import contextlib
import dataclasses
import functools
from typing import Any
import zlib

import jax
import jax.numpy as jnp
import numpy as np
import optax

from raml_jax.training import checkpoint
from raml_jax.training import chunks
from raml_jax.training import guards
from raml_jax.training import placement as placement_lib
from raml_jax.training import workdir as workdir_lib

_TRAINING, _EVALUATION = 0, 1
_INIT = 0


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
      of seeds; one seed of it has `.batch(key) -> batch`, which is traced. Or
      anything with `.chunk(first, count)`, called on the host: a pytree of
      NumPy arrays with leading axes of seeds, of the `count` steps from step
      `first` on, and of the batch. Step n's batch may depend on n alone. With
      several processes the batch is this one's rows (`Placement.rows`).
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
  seeds_at_once: int | None = None,
  evaluate: Callable[[Any], dict[str, np.ndarray]] | None = None,
  placement: placement_lib.Placement | None = None,
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
    seeds_at_once: seeds under one `vmap`, a divisor of `seeds`. Such groups run
      on as many threads as there are CPU cores, and one after another on an
      accelerator or with a placement. None for all: one group.
    evaluate: called after each chunk with the params, each leaf with a leading
      axis of seeds, which it must not keep: the next chunk overwrites them. Its
      numbers, each of shape [seeds], join that chunk's metrics. It must depend
      on the params alone, and not on the clock or on earlier calls. With a
      placement every process calls it, with all params on one device.
    placement: what lies on which of several devices; None for one device.
      Several processes all call `train`, with arguments that are equal.

  Returns:
    The final state, each leaf with a leading axis of seeds.

  Raises:
    NonFiniteLoss: the first step at which a loss, a gradient or, at the end
      of a chunk, a parameter is not finite, with its seed. Steps count from 0.
      Nothing of that chunk is written.
    CheckpointError: the phase has checkpoints and none can be used.
    ValueError: a field of the phase or an argument is out of range.
  """
  guards.check_name(phase.name)
  guards.check_counts(
    phase.name,
    steps=phase.steps,
    seeds=seeds,
    chunk=chunk,
    save_every=save_every,
  )
  if seeds_at_once is not None:
    guards.check_divisor(phase.name, "seeds_at_once", seeds_at_once, seeds)
  guards.check_processes(phase.name, placement)
  host = hasattr(phase.source, "chunk")
  if not host:
    guards.check_axes(phase.name, "source leaf", phase.source, seeds=seeds)
  keys_S = jax.vmap(
    functools.partial(jax.random.fold_in, train_key(key, phase.name))
  )(jnp.arange(seeds))
  source = phase.source
  if placement is not None:
    keys_S = placement.everywhere(keys_S)
    source = source if host else placement.everywhere(source)
  state = _initial_state(phase, keys_S, placement)
  done = 0
  with contextlib.ExitStack() as stack:
    store = None
    if workdir is not None:
      store = stack.enter_context(checkpoint.Checkpoints(workdir, phase.name))
      restored = store.restore(state)
      if restored is not None:
        state, done = restored
        if done < phase.steps and workdir.writes:
          print(f"resumed {phase.name} at step {done}", flush=True)
      workdir.cut_metrics(phase.name, done)
    if done and on_chunk is not None:
      on_chunk(phase.name, done, phase.steps, {})
    while done < phase.steps:
      end = min(phase.steps, (done // chunk + 1) * chunk)
      run = chunks.compiled(
        phase.objective,
        phase.optimizer,
        end - done,
        host,
        placement,
        None if placement is None else seeds_at_once,
      )
      if host:
        source = _batches(phase, done, end - done, seeds, placement)
      if placement is None:
        run = chunks.in_groups(run, seeds_at_once or seeds)
      state, metrics, bad_step_S = run(source, state, keys_S)
      metrics = {k: np.asarray(v, np.float64) for k, v in metrics.items()}
      where = {k: metrics.pop(k) for k in list(metrics) if chunks.is_where(k)}
      trouble = guards.not_finite(phase.name, np.asarray(bad_step_S), where)
      if trouble is not None:
        raise NonFiniteLoss(trouble)
      if evaluate is not None:
        params = state.params
        if placement is not None:
          params = placement.gathered(params)
        metrics |= _evaluated(phase, evaluate(params), metrics, seeds)
      done = end
      if workdir is not None:
        workdir.append_metrics(phase.name, done, metrics)
        if done == phase.steps or done // chunk % save_every == 0:
          store.save(done, state)
      if on_chunk is not None:
        means = {name: float(v.mean()) for name, v in metrics.items()}
        on_chunk(phase.name, done, phase.steps, means)
  return jax.block_until_ready(state)


def _batches(
  phase: Phase,
  first: int,
  count: int,
  seeds: int,
  placement: placement_lib.Placement | None,
) -> Any:
  """The batches of some steps from a source on the host."""
  batches = phase.source.chunk(first, count)
  guards.check_axes(phase.name, "batch", batches, seeds=seeds, steps=count)
  return batches if placement is None else placement.whole_batches(batches)


def _evaluated(
  phase: Phase,
  numbers: dict[str, Any],
  metrics: dict[str, np.ndarray],
  seeds: int,
) -> dict[str, np.ndarray]:
  """What `evaluate` gave, as metrics beside those of training."""
  numbers = {k: np.asarray(v, np.float64) for k, v in numbers.items()}
  guards.check_new(phase.name, metrics, numbers)
  guards.check_axes(phase.name, "evaluation", numbers, seeds=seeds)
  return numbers


def _named_key(key: jax.Array, tag: int, name: str) -> jax.Array:
  # Python's own hash of a string differs from process to process.
  code = jnp.uint32(zlib.crc32(name.encode()))
  return jax.random.fold_in(jax.random.fold_in(key, tag), code)


def _initial_state(
  phase: Phase, keys_S: jax.Array, placement: placement_lib.Placement | None
) -> TrainState:
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
  def all_seeds(keys_S):
    return jax.tree.map(
      lambda x: jnp.array(x, dtype=x.dtype, copy=True),
      jax.vmap(one_seed)(keys_S),
    )

  if placement is None:
    return all_seeds(keys_S)
  return placement.create(all_seeds, keys_S)
