"""Explicit, differentiable inner loops on any parameter pytree."""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
import math

import jax
import jax.numpy as jnp
import optax

from raml_jax import base
from raml_jax.inner import optimizers

Loss = Callable[[base.PyTree], base.Array]
# Loops this short are written out: XLA fuses across their steps.
_WRITTEN_OUT = 5
# Of nested loops: memory grows with the cube root of the steps.
_LEVELS = 3


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
  loss: Loss,
  optimizer: optimizers.InnerOptimizer,
  meta: base.PyTree,
  params: base.PyTree,
  opt_state: base.PyTree,
) -> tuple[base.PyTree, base.PyTree]:
  """One inner step: (params, opt_state) -> (params, opt_state)."""
  return _update(loss, optimizer, meta, (params, opt_state), False)[0]


def adapt(
  loss: Loss,
  params: base.PyTree,
  optimizer: optimizers.InnerOptimizer,
  meta: base.PyTree,
  steps: int,
) -> Adapted:
  """Runs `steps` inner steps from `params` and keeps every iterate.

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


def descend(
  loss: Loss,
  params: base.PyTree,
  optimizer: optimizers.InnerOptimizer,
  meta: base.PyTree,
  steps: int,
  *,
  first_order: bool = False,
  checkpoint: bool = False,
) -> tuple[base.PyTree, base.Array]:
  """`adapt` for training: the last iterate alone.

  Args:
    loss: see `adapt`.
    params: see `adapt`.
    optimizer: see `adapt`.
    meta: see `adapt`.
    steps: see `adapt`.
    first_order: inner gradients count as constants when differentiated.
    checkpoint: iterates are computed again when differentiated, so that the
      memory this takes grows with the cube root of the steps, not with them.

  Returns:
    params: the last iterate.
    losses_K: the inner loss where each step took its gradient.
  """

  def body(carry, _):
    return _update(loss, optimizer, meta, carry, first_order)

  carry = (params, optimizer.transform(meta).init(params))
  if checkpoint:
    (params, _), losses_K = _nested(body, carry, steps, _LEVELS)
  elif steps <= _WRITTEN_OUT:
    losses = []
    for _ in range(steps):
      carry, value = body(carry, None)
      losses.append(value)
    params, losses_K = carry[0], jnp.array(losses)
  else:
    (params, _), losses_K = jax.lax.scan(body, carry, length=steps)
  return params, losses_K


def _update(loss, optimizer, meta, carry, first_order):
  params, opt_state = carry
  value, grads = jax.value_and_grad(loss)(optimizer.at(meta, params))
  if first_order:
    grads = jax.lax.stop_gradient(grads)
  updates, opt_state = optimizer.transform(meta).update(
    grads, opt_state, params
  )
  return (optax.apply_updates(params, updates), opt_state), value


def _nested(body, carry, steps, levels):
  """A scan of scans of scans, of which only the carries are remembered."""
  if levels == 1 or steps <= 1:
    return jax.lax.scan(jax.checkpoint(body), carry, length=steps)
  size = math.ceil(steps ** (1 - 1 / levels))
  whole, rest = divmod(steps, size)

  def part(carry, _):
    return _nested(body, carry, size, levels - 1)

  carry, losses_WxL = jax.lax.scan(jax.checkpoint(part), carry, length=whole)
  carry, losses_R = _nested(body, carry, rest, levels - 1)
  return carry, jnp.concatenate([losses_WxL.ravel(), losses_R])
