"""One model trained by several host devices, each with its share of the batch.

A device computes the gradient of its share. The sum of all is scattered, so
that a device updates its own part of the numbers alone, and keeps the
optimizer's state of that part; then all parts are gathered (ZeRO, Rajbhandari
et al. 2020, stage 1). Few numbers are not worth the second message: there every
device updates all of them.
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
from typing import Any, NamedTuple

import jax
from jax import flatten_util
import jax.numpy as jnp
import optax

from raml_jax.training import chunks
from raml_jax.training import loop

AXIS = "data"
_FEW = 2**16


class Optimizer(NamedTuple):
  """A rule for every number by itself, the gradient clipped before.

  Attributes:
    rule: the same for all numbers, whatever the others are.
    clip: global norm of the gradient; None for any.
  """

  rule: optax.GradientTransformation
  clip: float | None = None

  def whole(self) -> optax.GradientTransformation:
    """On one device."""
    if self.clip is None:
      return self.rule
    return optax.chain(optax.clip_by_global_norm(self.clip), self.rule)

  def shared(self, count: int, split: bool) -> optax.GradientTransformation:
    """On `count` devices inside `shard_map`, of gradients of their shares.

    The state is that of one vector of all numbers. `init` makes it whole, and
    each device has its part of it if the update is split.
    """

    def init(params):
      size = flatten_util.ravel_pytree(params)[0].size
      return self.rule.init(jnp.zeros(size + -size % count))

    def update(share, state, params):
      share_N, restore = flatten_util.ravel_pytree(share)
      params_N, _ = flatten_util.ravel_pytree(params)
      size, spare = share_N.size, -share_N.size % count
      share_N, params_N = (
        jnp.pad(a_N, (0, spare)) if spare else a_N
        for a_N in (share_N, params_N)
      )
      if split:
        total_P = jax.lax.psum_scatter(share_N, AXIS, tiled=True)
      else:
        total_P = jax.lax.psum(share_N, AXIS)
      gradient_P = total_P / count
      if self.clip is not None:
        square = jnp.sum(gradient_P**2)
        square = jax.lax.psum(square, AXIS) if split else square
        gradient_P *= jnp.minimum(1.0, self.clip / jnp.sqrt(square))
      if split:
        length = gradient_P.size
        params_N = jax.lax.dynamic_slice_in_dim(
          params_N, jax.lax.axis_index(AXIS) * length, length
        )
      update_N, state = self.rule.update(gradient_P, state, params_N)
      if split:
        update_N = jax.lax.all_gather(update_N, AXIS, tiled=True)
      return restore(update_N[:size]), state

    return optax.GradientTransformation(init, update)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Share:
  """One device's part of every batch."""

  source: Any

  def batch(self, key):
    return self.source.batch(jax.random.fold_in(key, jax.lax.axis_index(AXIS)))


def worth_splitting(params: Any) -> bool:
  """Whether there are so many numbers that each device should update a part."""
  return sum(leaf.size for leaf in jax.tree.leaves(params)) > _FEW


def compiled(
  objective: loop.Objective,
  optimizer: optax.GradientTransformation,
  length: int,
  params: Any,
  split: bool,
) -> Callable[..., loop.TrainState]:
  """`length` steps on all devices: (source, state, keys) -> state.

  Args:
    objective: of one device's share.
    optimizer: of `Optimizer.shared`.
    length: number of steps.
    params: shapes alone are read.
    split: as of `Optimizer.shared`.
  """
  run = chunks.compiled(objective, optimizer, length)
  whole, cut = jax.sharding.PartitionSpec(), jax.sharding.PartitionSpec
  state = jax.eval_shape(optimizer.init, params)
  # The axis of seeds is in front.
  state = jax.tree.map(
    lambda leaf: cut(None, AXIS) if split and leaf.ndim else whole, state
  )
  specs = loop.TrainState(whole, state, whole, whole)
  mesh = jax.make_mesh(
    (jax.device_count(),), (AXIS,), axis_types=(jax.sharding.AxisType.Auto,)
  )
  return jax.jit(
    jax.shard_map(
      lambda *args: run(*args)[0],
      mesh=mesh,
      in_specs=(whole, specs, whole),
      out_specs=specs,
      check_vma=False,
    )
  )
