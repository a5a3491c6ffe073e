"""What a reasoner does: its own path, and its answers to interventions."""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses

import jax
import jax.numpy as jnp

from raml_jax import base
from raml_jax.models import reasoners


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Observations:
  """Updates u = w' - w of B tasks, at T places each.

  A place is a step of the reasoner's own path, or one kind and scale of
  intervention. Shares average over places, each normalised by its own size, so
  that neither late steps (small updates) nor small scales drown.

  Attributes:
    support: leaves with a leading axis B.
    w_BxTxD: where the update started.
    previous_BxTxD: the iterate before it, equal to w where there is none.
    time_T: index of the step, 0 without history.
    update_BxTxD: what the reasoner did.
    places: names of the places (static).
  """

  support: base.Support
  w_BxTxD: base.Array
  previous_BxTxD: base.Array
  time_T: base.Array
  update_BxTxD: base.Array
  places: tuple[str, ...] = dataclasses.field(metadata={"static": True})


def paths(
  reasoner: base.Reasoner, params, support: base.Support, steps: int
) -> base.Array:
  """Free-running iterates of B tasks, w_BxK+1xD."""

  def one(support):
    return reasoners.rollout(reasoner, params, support, steps)

  return jax.vmap(one)(support)


def observe(
  reasoner: base.Reasoner,
  params,
  support: base.Support,
  steps: int,
  key: base.Array,
  scales: Sequence[float],
) -> tuple[Observations, base.Array]:
  """On-trajectory updates, then interventions.

  An intervention replaces the current iterate by w' = scale * N(0, I): at the
  start ("fresh": no history) and, with the same w', after half of the steps
  ("real": the reasoner's own history stands before it).

  Args:
    reasoner: who.
    params: its parameters.
    support: B tasks.
    steps: K >= 1 steps of its own path.
    key: for w'.
    scales: of w'.

  Returns:
    observations: T = K + 2 * len(scales) places.
    path_BxK+1xD: its own path.
  """
  path_BxKxD = paths(reasoner, params, support, steps)
  batch, _, d = path_BxKxD.shape
  half = steps // 2
  draw_BxD = jax.random.normal(key, (batch, d))
  w_BxNxD = jnp.asarray(scales)[None, :, None] * draw_BxD[:, None]
  places = [path_BxKxD[:, :-1]]
  previous = [path_BxKxD[:, jnp.maximum(jnp.arange(steps) - 1, 0)]]
  updates = [jnp.diff(path_BxKxD, axis=1)]
  names = [f"step {t}" for t in range(steps)]
  times = list(range(steps))
  for history, time in (("fresh", 0), ("real", half)):
    places.append(w_BxNxD)
    updates.append(intervene(reasoner, params, support, w_BxNxD, time))
    before_BxD = path_BxKxD[:, time - 1] if time else None
    previous.append(
      jnp.broadcast_to(before_BxD[:, None], w_BxNxD.shape) if time else w_BxNxD
    )
    names += [f"{history} {scale:g}" for scale in scales]
    times += [time] * len(scales)
  observations = Observations(
    support,
    jnp.concatenate(places, axis=1),
    jnp.concatenate(previous, axis=1),
    jnp.asarray(times),
    jnp.concatenate(updates, axis=1),
    tuple(names),
  )
  return observations, path_BxKxD


def intervene(
  reasoner: base.Reasoner,
  params,
  support: base.Support,
  w_BxNxD: base.Array,
  steps: int,
) -> base.Array:
  """Updates at N vectors w', each in place of the iterate after own steps."""

  def one(support, w_NxD):
    state = reasoner.start(params, support)
    state, _ = jax.lax.scan(
      lambda s, _: (reasoner.step(params, s), None), state, length=steps
    )

    def answer(w_D):
      after = reasoner.step(params, reasoner.replace(state, w_D))
      return reasoner.read(after) - w_D

    return jax.vmap(answer)(w_NxD)

  return jax.vmap(one)(support, w_BxNxD)


def relabel(support: base.Support, w_D: base.Array) -> base.Support:
  """The same inputs with the noiseless labels of other weights."""
  d = w_D.shape[0]
  # (x, y') = T (x, y), with y' = w . x.
  map_ExE = jnp.eye(d + 1, dtype=w_D.dtype).at[d, :d].set(w_D)
  map_ExE = map_ExE.at[d, d].set(0.0)
  pairs = support.pairs
  if pairs is not None:
    pairs = base.Pairs(pairs.x_NxD, pairs.x_NxD @ w_D)
  gram_ExE = map_ExE @ support.gram_ExE @ map_ExE.T
  return base.Support(gram_ExE, support.n, pairs, support.spectrum)


def split(observations: Observations) -> tuple[Observations, Observations]:
  """Even tasks to fit on, odd tasks to score on."""

  def half(first):
    def take(leaf):
      return leaf[first::2]

    return dataclasses.replace(
      observations,
      support=jax.tree.map(take, observations.support),
      w_BxTxD=take(observations.w_BxTxD),
      previous_BxTxD=take(observations.previous_BxTxD),
      update_BxTxD=take(observations.update_BxTxD),
    )

  return half(0), half(1)
