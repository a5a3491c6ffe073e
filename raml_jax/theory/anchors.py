"""Identities and published settings that the instruments are checked on."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from raml_jax import base
from raml_jax.models import attention
from raml_jax.models import query_prompt
from raml_jax.models import reasoners
from raml_jax.tasks import regression
from raml_jax.theory import iterates
from raml_jax.theory import observe
from raml_jax.theory import rules


def construction_deviation(
  task: regression.LinearRegression,
  key: base.Array,
  seeds: int,
  steps: int,
  eta: float,
  decoy_DxD: np.ndarray,
) -> dict[str, np.ndarray]:
  """max |w_k - w_k^GD| over 16 tasks and k <= steps, in float64.

  Args:
    task: the family.
    key: an evaluation key.
    seeds: sets of tasks.
    steps: the longest k.
    eta: step size.
    decoy_DxD: another preconditioner, whose construction is the control.

  Returns:
    "construction_S" and "decoy_S".
  """
  model = attention.linear_attention(task.d)
  lsa, descent = (
    reasoners.reasoner(model),
    rules.reasoner(rules.TABLE["gradient"]),
  )
  episodes = task.sample(key, 16 * seeds)
  with jax.enable_x64(True):
    support = jax.tree.map(
      lambda leaf: jnp.asarray(np.asarray(leaf), jnp.float64),
      episodes.support,
    )
    eye_DxD = jnp.eye(task.d, dtype=jnp.float64)
    out = {}
    truth = observe.paths(descent, {"eta": eta}, support, steps)
    for name, a_DxD in (
      ("construction", -eta * eye_DxD),
      ("decoy", -jnp.asarray(decoy_DxD, jnp.float64)),
    ):
      params = attention.construction(a_DxD, eye_DxD)
      path = observe.paths(lsa, params, support, steps)
      gap = jnp.abs(path - truth).reshape(seeds, -1).max(axis=1)
      out[f"{name}_S"] = np.asarray(gap)
  return out


def von_oswald(
  params_S: base.PyTree, episodes: base.Episode, points: int = 11
) -> dict[str, np.ndarray]:
  """A trained one-layer model beside the construction of Prop. 1.

  Args:
    params_S: `query_prompt` params, stacked over seeds.
    episodes: B tasks with one query.
    points: of the interpolation.

  Returns:
    loss_S, construction_loss_S and zero_loss_S (0.5 squared error);
    path_loss_SxP along the interpolation of weights, trained to constructed;
    cosine_S of the sensitivities d y_hat / d x_query; "eta", the best step.
  """
  d = episodes.latent_D.shape[-1]
  x_BxD, y_B = episodes.query.x_NxD[:, 0], episodes.query.y_N[:, 0]

  @functools.partial(jax.vmap, in_axes=(None, 0, 0))
  def predict(params, support, x_D):
    return query_prompt.predict(params, support, x_D)

  @functools.partial(jax.vmap, in_axes=(None, 0, 0))
  def sensitivity(params, support, x_D):
    return jax.grad(query_prompt.predict, argnums=2)(params, support, x_D)

  def loss(params):
    return 0.5 * jnp.mean((predict(params, episodes.support, x_BxD) - y_B) ** 2)

  unit = query_prompt.construction(1.0, d)
  one_B = predict(unit, episodes.support, x_BxD)
  eta = jnp.sum(one_B * y_B) / jnp.sum(one_B**2)
  built = query_prompt.construction(eta, d)

  @jax.jit
  @jax.vmap
  def one(params):
    line_P = jnp.linspace(0.0, 1.0, points)
    between = jax.vmap(lambda f: query_prompt.interpolate(params, built, f))(
      line_P
    )
    similar = iterates.cosine(
      sensitivity(params, episodes.support, x_BxD),
      sensitivity(built, episodes.support, x_BxD),
    )
    return {
      "loss_S": loss(params),
      "construction_loss_S": loss(built),
      "zero_loss_S": 0.5 * jnp.mean(y_B**2),
      "path_loss_SxP": jax.lax.map(loss, between),
      "cosine_S": jnp.mean(similar),
      "eta_S": eta,
    }

  return jax.device_get(one(params_S))
