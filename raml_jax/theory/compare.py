"""Two reasoners on the same tasks: do they take the same steps?"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from raml_jax import base
from raml_jax.models import reasoners
from raml_jax.tasks import regression
from raml_jax.theory import iterates
from raml_jax.theory import observe


def compare(
  one: base.Reasoner,
  one_params,
  two: base.Reasoner,
  two_params,
  episodes: base.Episode,
  steps: int,
  key: base.Array,
  scales: Sequence[float],
) -> dict[str, base.Array]:
  """End points can agree where trajectories do not: look at all of it.

  Args:
    one: e.g. a chain of thought.
    one_params: its parameters.
    two: e.g. MAML; distances are relative to it.
    two_params: its parameters.
    episodes: B tasks, with pairs and queries.
    steps: K.
    key: for the interventions.
    scales: of the interventions.

  Returns:
    distance_K: |w_t - v_t|^2 / |v_t|^2 of every iterate, sums over tasks.
    update_cosine_K: mean raw cosine between the updates.
    interventions_T: |u - v|^2 / |v|^2 for the same w', per scale.
    prediction: relative squared difference of the query predictions.
    sensitivity: mean cosine of d y_query / d X, X the support inputs.
  """
  support = episodes.support
  path_BxKxD = observe.paths(one, one_params, support, steps)
  other_BxKxD = observe.paths(two, two_params, support, steps)
  draw_BxD = jax.random.normal(key, episodes.latent_D.shape)
  w_BxNxD = jnp.asarray(scales)[None, :, None] * draw_BxD[:, None]
  u_BxNxD = observe.intervene(one, one_params, support, w_BxNxD, 0)
  v_BxNxD = observe.intervene(two, two_params, support, w_BxNxD, 0)
  x_BxMxD = episodes.query.x_NxD
  predicted = jnp.einsum("bmd,bd->bm", x_BxMxD, path_BxKxD[:, -1])
  expected = jnp.einsum("bmd,bd->bm", x_BxMxD, other_BxKxD[:, -1])
  return {
    "distance_K": _relative(path_BxKxD, other_BxKxD, (0, 2))[1:],
    "update_cosine_K": jnp.mean(
      iterates.cosine(
        jnp.diff(path_BxKxD, axis=1), jnp.diff(other_BxKxD, axis=1)
      ),
      axis=0,
    ),
    "interventions_T": _relative(u_BxNxD, v_BxNxD, (0, 2)),
    "prediction": _relative(predicted, expected, (0, 1)),
    "sensitivity": jnp.mean(
      iterates.cosine(
        _sensitivity(one, one_params, episodes, steps),
        _sensitivity(two, two_params, episodes, steps),
      )
    ),
  }


def _relative(a, b, axes):
  size = jnp.maximum(jnp.sum(b**2, axes), 1e-30)
  return jnp.sum((a - b) ** 2, axes) / size


def _sensitivity(reasoner, params, episodes, steps):
  """d (w_k . x_query) / d X, labels held, flattened per task."""

  def one(episode):
    pairs = episode.support.pairs

    def predict(x_NxD):
      support = regression.support_of(base.Pairs(x_NxD, pairs.y_N))
      w_KxD = reasoners.rollout(reasoner, params, support, steps)
      return w_KxD[-1] @ episode.query.x_NxD[0]

    return jax.grad(predict)(pairs.x_NxD).ravel()

  return jax.vmap(one)(episodes)
