"""Explicit, differentiable inner loops on any parameter pytree."""

from __future__ import annotations

from collections.abc import Callable
import dataclasses

import jax
import jax.numpy as jnp
import optax

from raml_jax import base
from raml_jax.inner import optimizers


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Adapted:
  """The whole inner trajectory, every iterate of it.

  Attributes:
    params: the last iterate.
    iterates: all of them, leading axis K + 1, the start included.
    losses: the inner loss of each, [K + 1].
  """

  params: base.PyTree
  iterates: base.PyTree
  losses: base.Array


def update(
  loss: Callable[..., base.Array],
  optimizer: optimizers.InnerOptimizer,
  meta: base.PyTree,
  params: base.PyTree,
  opt_state: base.PyTree,
) -> tuple[base.PyTree, base.PyTree]:
  """One inner step: (params, opt_state) -> (params, opt_state)."""
  grads = jax.grad(loss)(optimizer.at(meta, params))
  updates, opt_state = optimizer.transform(meta).update(
    grads, opt_state, params
  )
  return optax.apply_updates(params, updates), opt_state


def adapt(
  loss: Callable[..., base.Array],
  params: base.PyTree,
  optimizer: optimizers.InnerOptimizer,
  meta: base.PyTree,
  steps: int,
) -> Adapted:
  """Runs `steps` inner steps from `params`.

  Args:
    loss: `(params) -> scalar`, the support loss of one task.
    params: where to start, any pytree.
    optimizer: the update rule.
    meta: its numbers. Differentiable, to any order, as are `params`.
    steps: K >= 0, static.

  Returns:
    `Adapted`; its leaves are differentiable with respect to params and meta.
  """

  def body(carry, _):
    carry = update(loss, optimizer, meta, *carry)
    return carry, carry[0]

  first = (params, optimizer.transform(meta).init(params))
  (last, _), iterates = jax.lax.scan(body, first, length=steps)
  iterates = jax.tree.map(
    lambda p, ps: jnp.concatenate([p[None], ps]), params, iterates
  )
  return Adapted(last, iterates, jax.vmap(loss)(iterates))
