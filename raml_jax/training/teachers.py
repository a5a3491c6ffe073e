"""What a chain of thought is taught to write, by teacher forcing.

Each teacher is `(meta, episode, steps) -> w_(K+1)xD` for one episode. Only the
first is gradient descent; the decoys are the negative controls, and the
straight path is the trap: no token can hold w*.
"""

from __future__ import annotations

import functools

import jax.numpy as jnp

from raml_jax import base
from raml_jax.inner import loop
from raml_jax.inner import optimizers
from raml_jax.tasks import regression

# A teacher's numbers are given, so where they would start does not matter.
_LINEAR = optimizers.preconditioned(0.0)
_SHRUNK = optimizers.shrunk(0.0)
_HEAVY_BALL = optimizers.momentum(0.0)


def _descend(optimizer, meta, episode, steps):
  loss = functools.partial(regression.loss, support=episode.support)
  start_D = jnp.zeros_like(episode.latent_D)
  return loop.adapt(loss, start_D, optimizer, meta, steps).iterates


def linear(meta: base.PyTree, episode: base.Episode, steps: int):
  """w - P grad L(w): gradient descent, rotated, preconditioned; {"P"}."""
  return _descend(_LINEAR, meta, episode, steps)


def shrunk(meta: base.PyTree, episode: base.Episode, steps: int):
  """w - alpha grad L(beta w); {"alpha", "beta"}."""
  return _descend(_SHRUNK, meta, episode, steps)


def heavy_ball(meta: base.PyTree, episode: base.Episode, steps: int):
  """w - alpha grad L(w) + mu (w - previous w); {"alpha", "mu"}."""
  return _descend(_HEAVY_BALL, meta, episode, steps)


def straight_path(meta: base.PyTree, episode: base.Episode, steps: int):
  """(1 - (1 - eta)^t) w*, straight to the answer; {"eta"}."""
  share_T = 1.0 - (1.0 - meta["eta"]) ** jnp.arange(steps + 1)
  return share_T[:, None] * episode.latent_D[None]


def block_rotation(d: int, degrees: float) -> base.Array:
  """A fixed rotation by one angle in floor(d/2) orthogonal planes.

  For even d, every vector makes exactly that angle with its image. The planes
  are those of consecutive coordinates of the fixed rotation of the tasks.
  """
  angle = jnp.deg2rad(degrees)
  turn_2x2 = jnp.array(
    [[jnp.cos(angle), -jnp.sin(angle)], [jnp.sin(angle), jnp.cos(angle)]]
  )
  planes_DxD = jnp.eye(d)
  for i in range(0, d - 1, 2):
    planes_DxD = planes_DxD.at[i : i + 2, i : i + 2].set(turn_2x2)
  q_DxD = regression.fixed_rotation(d)
  return q_DxD @ planes_DxD @ q_DxD.T
