"""One reasoner in the footsteps of another: the same places, other updates.

Free-running paths part at the first difference. Here the second reasoner is
put where the first one is, before each of its steps, and what it would do there
is compared with what the first one did. Its memory is of the same places: a
rule with hidden states has read the gradients along the other's path.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from raml_jax import base
from raml_jax.theory import observe

_TINY = 1e-30
# Of a place, relative to the largest: what is smaller does not count in full.
_FLOOR = 1e-5


def updates(
  reasoner: base.Reasoner,
  params,
  observations: observe.Observations,
  steps: int,
) -> base.Array:
  """What `reasoner` would do at the places of `observe.observe`, u_BxTxD.

  Args:
    reasoner: who follows.
    params: its parameters.
    observations: of whom it follows: K own steps, then as many interventions
      without history as with it.
    steps: K.
  """
  half = steps // 2

  def one(support, w_TxD):
    def step(state, w_D):
      state = reasoner.step(params, reasoner.replace(state, w_D))
      return state, reasoner.read(state) - w_D

    def answers(state, w_NxD):
      return jax.vmap(lambda w_D: step(state, w_D)[1])(w_NxD)

    first = reasoner.start(params, support)
    own_KxD = w_TxD[:steps]
    middle, before = jax.lax.scan(step, first, own_KxD[:half])
    _, after = jax.lax.scan(step, middle, own_KxD[half:])
    fresh_NxD, real_NxD = jnp.split(w_TxD[steps:], 2)
    return jnp.concatenate(
      [before, after, answers(first, fresh_NxD), answers(middle, real_NxD)]
    )

  return jax.vmap(one)(observations.support, observations.w_BxTxD)


def unexplained(
  u_BxTxD: base.Array, v_BxTxD: base.Array
) -> tuple[base.Array, base.Array]:
  """How much of the updates u the updates v leave, up to one best scale.

  The scale is the same for all tasks and places; each place counts alike,
  whatever the size of its updates. It is fitted on the even tasks, the shares
  are those of the odd ones.

  Returns:
    share_T: |u - c v|^2 / |u|^2 of every place, sums over tasks.
    c: the scale.
  """
  u_fit, v_fit = u_BxTxD[::2], v_BxTxD[::2]
  weight_T = 1.0 / _floored(_inner(u_fit, u_fit))
  c = jnp.sum(weight_T * _inner(u_fit, v_fit)) / jnp.maximum(
    jnp.sum(weight_T * _inner(v_fit, v_fit)), _TINY
  )
  u_BxTxD, v_BxTxD = u_BxTxD[1::2], v_BxTxD[1::2]
  left_BxTxD = u_BxTxD - c * v_BxTxD
  size_T = _floored(_inner(u_BxTxD, u_BxTxD))
  return _inner(left_BxTxD, left_BxTxD) / size_T, c


def free_running(path_BxKxD: base.Array, other_BxKxD: base.Array) -> base.Array:
  """sum |w' - w|^2 / sum |w|^2 over tasks and iterates after the first."""
  size = jnp.maximum(jnp.sum(path_BxKxD[:, 1:] ** 2), _TINY)
  return jnp.sum((other_BxKxD - path_BxKxD)[:, 1:] ** 2) / size


def _inner(u_BxTxD, v_BxTxD):
  return jnp.sum(u_BxTxD * v_BxTxD, axis=(0, 2))


def _floored(size_T):
  return jnp.maximum(size_T, _FLOOR * jnp.max(size_T) + _TINY)
