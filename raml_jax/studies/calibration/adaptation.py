"""True inner steps on the decoder's own parameters, beside its chain.

Errors are mean squared errors on the query pairs of the same tasks: of the
adapted decoder's predictions after k inner steps, and of w_k . x with w_k the
k-th token of a chain.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from raml_jax import base
from raml_jax.config import calibration as config_lib
from raml_jax.inner import loop as inner_loop
from raml_jax.models import blanks
from raml_jax.models import tokens as tokens_lib
from raml_jax.studies.calibration import decoders
from raml_jax.studies.calibration import students
from raml_jax.training import loop

# A task whose error is not below this counts as so much.
DIVERGED = 100.0


def adapted(
  config: config_lib.Calibration,
  theta_S: base.PyTree,
  episodes_SxB: base.Episode,
  w_SxBxKxD: base.Array,
) -> dict[str, np.ndarray]:
  """How the error falls with the inner steps, and where predictions move.

  Args:
    config: of the study.
    theta_S: of MAML, stacked over seeds.
    episodes_SxB: `decoders.episodes`.
    w_SxBxKxD: of the chain taught gradient descent, for the same tasks.

  Returns:
    error_SxT, support_SxT: over inner steps, T = beyond + 1; diverged_S: share
    of tasks at the last. cosine_SxK: of the step from k - 1 to k of all
    predictions on query points, with the chain's; other_SxK: with the chain's
    for another task.
  """
  support_SxBxT, query_SxBxTxM = map(
    np.asarray, _predictions(config, theta_S, episodes_SxB)
  )
  y_SxBxM = np.asarray(episodes_SxB.query.y_N)
  error_SxBxT = np.mean((query_SxBxTxM - y_SxBxM[:, :, None]) ** 2, axis=-1)
  steps = np.diff(query_SxBxTxM[:, :, : config.decoder.steps + 1], axis=2)
  start_SxBx1xD = jnp.zeros_like(w_SxBxKxD[:, :, :1])
  path_SxBxTxD = jnp.concatenate([start_SxBx1xD, w_SxBxKxD], 2)

  def moved(path_SxBxTxD):
    x_SxBxMxD = episodes_SxB.query.x_NxD
    y_SxBxTxM = jnp.einsum("sbmd,sbtd->sbtm", x_SxBxMxD, path_SxBxTxD)
    return np.diff(y_SxBxTxM, axis=2)

  return {
    "error_SxT": _held(error_SxBxT).mean(axis=1),
    "support_SxT": _held(support_SxBxT).mean(axis=1),
    "diverged_S": np.mean(~(error_SxBxT[..., -1] < DIVERGED), axis=1),
    "cosine_SxK": _cosine(steps, moved(path_SxBxTxD)),
    "other_SxK": _cosine(steps, moved(jnp.roll(path_SxBxTxD, 1, axis=1))),
  }


def untrained(
  config: config_lib.Calibration,
  params_S: base.PyTree,
  tuning_SxB: base.Episode,
  episodes_SxB: base.Episode,
  w_SxBxKxD: base.Array,
) -> dict[str, np.ndarray]:
  """The same of decoders as they are drawn, with their best step size.

  The best after as many steps as MAML is trained with, on other tasks: alpha.
  """
  c = config.adaptation
  alpha_G = np.geomspace(c.low, c.high, c.points).astype(np.float32)

  def theta(alpha):
    alpha_S = jnp.full(config.seeds, alpha)
    return {"start": params_S, "meta": {"alpha": alpha_S}}

  def error(alpha):
    _, query_SxBxTxM = _predictions(config, theta(alpha), tuning_SxB)
    off = np.asarray(
      query_SxBxTxM[:, :, config.decoder.steps] - tuning_SxB.query.y_N
    )
    return _held(np.mean(off**2, axis=-1)).mean()

  best = alpha_G[np.argmin([error(alpha) for alpha in alpha_G])]
  found = adapted(config, theta(best), episodes_SxB, w_SxBxKxD)
  return {**found, "alpha": np.float64(best)}


def chain(
  episodes_SxB: base.Episode, w_SxBxKxD: base.Array
) -> dict[str, np.ndarray]:
  """error_SxT of a chain's w_k on the same queries, its start included."""
  start = jnp.zeros_like(w_SxBxKxD[:, :, :1])
  w_SxBxTxD = jnp.concatenate([start, w_SxBxKxD], axis=2)
  y_SxBxTxM = jnp.einsum("sbmd,sbtd->sbtm", episodes_SxB.query.x_NxD, w_SxBxTxD)
  off = np.asarray(y_SxBxTxM - episodes_SxB.query.y_N[:, :, None])
  return {"error_SxT": _held(np.mean(off**2, axis=-1)).mean(axis=1)}


def descent(
  config: config_lib.Calibration, episodes_SxB: base.Episode
) -> dict[str, np.ndarray]:
  """error_SxT of the chain's teacher, gradient descent on w itself."""
  rules = students.rules(config.decoder.teachers, config.decoder.task.d)
  teacher, numbers = rules["gradient"]
  walk = lambda e: teacher(numbers, e, config.adaptation.beyond)
  w_SxBxTxD = jax.jit(jax.vmap(jax.vmap(walk)))(episodes_SxB)
  return chain(episodes_SxB, w_SxBxTxD[:, :, 1:])


def tuning(config: config_lib.Calibration) -> base.Episode:
  """Tasks to choose a step size on, a quarter as many."""
  key = loop.evaluation_key(jax.random.key(config.seed), "tuning")
  task = students.task(config.decoder.task, queries=config.adaptation.queries)
  keys_S = jax.random.split(key, config.seeds)
  some = max(1, config.measure.tasks // 4)
  return jax.vmap(lambda k: task.sample(k, some))(keys_S)


def weights(config, params_S, episodes_SxB) -> base.Array:
  """w_1 .. w_K that a decoder writes: w_SxBxKxD."""
  return tokens_lib.weights(
    decoders.chains(config.decoder, params_S, episodes_SxB)
  )


def _predictions(config, theta_S, episodes_SxB):
  """Support losses [S, B, T], predictions on queries [S, B, T, M]."""
  size = config.measure.at_once
  parts = config.decoder, config.adaptation, size
  return _along(*parts, theta_S, episodes_SxB)


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _along(decoder, c, size, theta_S, episodes_SxB):
  method = students.learner(decoder, c.alpha, "second_order")
  model = students.decoder(decoder)

  def one(theta, episode):
    found = inner_loop.adapt(
      lambda params: method.loss(params, episode.support.pairs),
      theta["start"],
      method.rule,
      theta["meta"],
      c.beyond,
    )
    x_MxD = episode.query.x_NxD
    y_TxM = jax.vmap(lambda p: blanks.predict(model, p, x_MxD))(found.iterates)
    return found.losses, y_TxM

  def seed(theta, episodes_B):
    run = lambda episode: one(theta, episode)
    return jax.lax.map(run, episodes_B, batch_size=size)

  return jax.vmap(seed)(theta_S, episodes_SxB)


def _held(values):
  return np.where(values < DIVERGED, values, DIVERGED)


def _cosine(one_SxBxKxM, two_SxBxKxM) -> np.ndarray:
  """Mean over tasks."""
  one, two = np.float64(one_SxBxKxM), np.float64(two_SxBxKxM)
  size = np.sqrt((one**2).sum(-1) * (two**2).sum(-1))
  return ((one * two).sum(-1) / size).mean(axis=1)
