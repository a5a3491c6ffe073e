"""Many training steps of all seeds as one compiled function."""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import optax

from raml_jax.training import threads

_STEPS = 1
_DATA, _OBJECTIVE = 0, 1


@functools.cache
def compiled(
  objective: Any,
  optimizer: optax.GradientTransformation,
  length: int,
  host: bool = False,
  placement: Any = None,
  seeds_at_once: int | None = None,
) -> Callable[..., tuple[Any, dict[str, jax.Array], jax.Array]]:
  """The jitted function that does `length` steps for all seeds.

  Args:
    objective: a `loop.Objective`, what is descended.
    optimizer: how.
    length: number of steps.
    host: whether batches were made before, on the host.
    placement: a `placement.Placement`, or None for one device.
    seeds_at_once: side by side; the others one after another. None for all.

  Returns:
    A function of (source, state, keys), each stacked over seeds, that returns
    (state, metrics averaged over the steps, the first step at which the loss,
    a gradient or a final parameter is not finite or else -1). The source is
    one of `loop.Phase`, or where `host` is set, the batches themselves with
    leading axes of seeds and steps. Metrics "where/..." are those of the step
    that is not finite. It donates the state.
  """

  def run(source, state, key):
    def step(state, batch):
      step_key = jax.random.fold_in(key, state.step)
      if not host:
        batch = source.batch(jax.random.fold_in(step_key, _DATA))
      params, extra = state.params, state.extra
      if placement is not None:
        batch = placement.constrain_batch(batch)
        # Gathered here, once: left to itself, the compiler splits activations
        # as it finds parameters and gradients split, and sends those around.
        # The barrier keeps it from finding that out; each leaf has its own, so
        # that one need not wait for the others.
        params, extra = jax.tree.map(
          jax.lax.optimization_barrier, placement.spread((params, extra))
        )
      grads, metrics, extra = objective.grads(
        params, extra, batch, jax.random.fold_in(step_key, _OBJECTIVE)
      )
      if placement is not None:
        # Summed first, and split afterwards: for the same reason.
        grads = placement.spread(grads)
      updates, opt_state = optimizer.update(
        grads, state.opt_state, state.params
      )
      bad = ~_all_finite((metrics["loss"], grads))
      params = optax.apply_updates(state.params, updates)
      new = dataclasses.replace(
        state,
        params=params,
        opt_state=opt_state,
        step=state.step + 1,
        extra=extra,
      )
      if placement is not None:
        new = placement.constrain(new)
      return new, (metrics, bad)

    first = state.step
    key = jax.random.fold_in(key, _STEPS)
    batches = source if host else None
    state, (metrics, bad) = jax.lax.scan(step, state, batches, length)
    # The last update may overflow though the gradient is finite.
    bad = bad.at[-1].set(bad[-1] | ~_all_finite(state.params))
    at = jnp.argmax(bad)
    metrics = {
      name: values[at] if is_where(name) else jnp.mean(values, axis=0)
      for name, values in metrics.items()
    }
    return state, metrics, jnp.where(jnp.any(bad), first + at, -1)

  # On a mesh an empty name says that seeds are not to be split.
  beside = jax.vmap(run, spmd_axis_name=None if placement is None else ())

  def all_seeds(*args_S):
    seeds = args_S[-1].shape[0]
    at_once = seeds_at_once or seeds
    if at_once > 1 and at_once == seeds:
      return beside(*args_S)
    if at_once > 1:
      groups = jax.tree.map(
        lambda a: a.reshape(-1, at_once, *a.shape[1:]), args_S
      )
      found = jax.lax.map(lambda group: beside(*group), groups)
      return jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), found)
    if seeds > 1:
      return jax.lax.map(lambda one: run(*one), args_S)
    # Under `vmap` the matrix products of a single seed would be batched ones:
    # a fifth slower.
    one = jax.tree.map(lambda a: a[0], args_S)
    return jax.tree.map(lambda a: a[None], run(*one))

  def placed(*args_S):
    state, *numbers = all_seeds(*args_S)
    return placement.constrain(state, stacked=True), *placement.spread(numbers)

  return jax.jit(placed if placement else all_seeds, donate_argnums=1)


def in_groups(run: Callable[..., tuple], size: int) -> Callable[..., tuple]:
  """`run` as a function of more seeds, `size` of them on a thread."""

  def all_groups(source, state, keys_S):
    seeds = keys_S.shape[0]
    if size == seeds:
      return run(source, state, keys_S)

    def group(first):
      some = lambda leaf: leaf[first : first + size]
      return lambda: run(*jax.tree.map(some, (source, state, keys_S)))

    found = threads.call([group(g) for g in range(0, seeds, size)])
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *found)

  return all_groups


def is_where(metric: str) -> bool:
  """Whether a metric only says where a number is not finite."""
  return metric.startswith("where/")


def _all_finite(tree: Any) -> jax.Array:
  leaves = jax.tree.leaves(tree)
  return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in leaves]))
