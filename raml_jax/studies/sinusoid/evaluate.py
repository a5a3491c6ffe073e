"""What is measured of a trained method: how its error falls with the steps."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from raml_jax import base
from raml_jax.config import sinusoid as config_lib
from raml_jax.inner import loop as inner_loop
from raml_jax.studies.sinusoid import methods
from raml_jax.tasks import sinusoid
from raml_jax.training import loop

# A task whose error is not below this counts as so much, for every method, when
# it is tuned and when it is measured: one diverging task would otherwise decide
# the mean. Answering 0 costs 12.5 on the worst of tasks.
DIVERGED = 100.0
# Where fitted functions are drawn.
GRID = np.linspace(*sinusoid.INPUTS, 201)


def episodes(
  config: config_lib.Sinusoid, shots: int, purpose: str, tasks: int
) -> base.Episode:
  """Tasks of their own for every seed, two leading axes S and B.

  Args:
    config: of the study.
    shots: K.
    purpose: makes the tasks others than those of another purpose.
    tasks: B.
  """
  key = loop.evaluation_key(jax.random.key(config.seed), f"k{shots}/{purpose}")
  task = sinusoid.Sinusoid(shots, config.measure.queries)
  keys_S = jax.random.split(key, config.seeds)
  return jax.vmap(lambda k: task.sample(k, tasks))(keys_S)


def step_sizes(config: config_lib.Sinusoid) -> np.ndarray:
  """The grid that is tuned over."""
  t = config.tune
  return np.geomspace(t.low, t.high, t.points).astype(np.float32)


def error(query_SxBxT: np.ndarray) -> dict[str, np.ndarray]:
  """error_SxT: mean over tasks; diverged_SxT: share of tasks `held` there."""
  gone_SxBxT = ~(query_SxBxT < DIVERGED)
  held_SxBxT = np.where(gone_SxBxT, DIVERGED, query_SxBxT)
  return {
    "error_SxT": held_SxBxT.mean(axis=1, dtype=np.float64),
    "diverged_SxT": gone_SxBxT.mean(axis=1),
    "held": np.float64(DIVERGED),
  }


@functools.partial(jax.jit, static_argnums=(0, 4))
def _curves(learner, theta_S, support_SxB, query_SxB, steps):
  """(support, query) losses of every iterate, each [S, B, steps + 1]."""

  def one(theta, support, query):
    found = learner.adapt(theta, support, query, steps)
    return found.support_losses, found.query_losses

  tasks = jax.vmap(one, in_axes=(None, 0, 0))
  return jax.vmap(tasks)(theta_S, support_SxB, query_SxB)


def curves(
  config: config_lib.Sinusoid,
  name: str,
  theta_S: base.PyTree,
  tuning_SxB: base.Episode,
  episodes_SxB: base.Episode,
) -> dict[str, np.ndarray]:
  """Learning curves of every task.

  Args:
    config: of the study.
    name: of the method.
    theta_S: what it has learned, stacked over seeds.
    tuning_SxB: tasks to choose a step size on, where it has none of its own.
    episodes_SxB: tasks to measure on.

  Returns:
    support_SxBxT, query_SxBxT: losses of every iterate, T = steps + 1, and
    `error` of the latter. Of a method whose step size is tuned, entry t is that
    of the step size that is best after t steps: alpha_T. alpha_G and
    tuning_SxGxT: what was tried, and the error on the tuning tasks.
  """
  learner, steps = methods.tested(config, name), config.measure.steps
  if name == "oracle":
    tuning_SxB, episodes_SxB = map(
      jax.vmap(methods.told), (tuning_SxB, episodes_SxB)
    )

  def run(theta_S, episodes):
    found = _curves(learner, theta_S, episodes.support, episodes.query, steps)
    return tuple(map(np.asarray, found))

  def result(support_SxBxT, query_SxBxT, **more):
    curves = {"support_SxBxT": support_SxBxT, "query_SxBxT": query_SxBxT}
    return {**curves, **error(query_SxBxT), **more}

  if name in methods.TRAINED_STEP:
    theta_S = methods.with_step(theta_S, config.inner.alpha)
  if name in (*methods.TRAINED_STEP, "meta_sgd"):
    return result(*run(theta_S, episodes_SxB))
  alpha_G = step_sizes(config)

  def at(alpha, episodes):
    return run(methods.with_step(theta_S, alpha), episodes)

  tuning_SxGxT = np.stack(
    [error(at(a, tuning_SxB)[1])["error_SxT"] for a in alpha_G], axis=1
  )
  best_T = tuning_SxGxT.mean(axis=0).argmin(axis=0)
  # Before the first step no step size is better than another.
  best_T[0] = best_T[1]
  found = {g: at(alpha_G[g], episodes_SxB) for g in np.unique(best_T)}
  support_SxBxT, query_SxBxT = (
    np.stack([found[g][i][..., t] for t, g in enumerate(best_T)], axis=-1)
    for i in range(2)
  )
  return result(
    support_SxBxT,
    query_SxBxT,
    alpha_T=alpha_G[best_T],
    alpha_G=alpha_G,
    tuning_SxGxT=tuning_SxGxT,
  )


def floors(episodes_SxB: base.Episode) -> dict[str, np.ndarray]:
  """Errors of predictors that learn nothing from the support set.

  Returns:
    zero, agnostic: in expectation; zero_SxB, agnostic_SxB: on these tasks.
  """
  query = jax.tree.map(np.asarray, episodes_SxB.query)
  x_SxBxM, y_SxBxM = query.x_NxD[..., 0], query.y_N
  # E[y | x]: see `sinusoid.task_agnostic_floor`.
  best_SxBxM = -2 / np.pi * np.mean(sinusoid.AMPLITUDE) * np.cos(x_SxBxM)
  return {
    "zero": np.float64(sinusoid.zero_floor()),
    "agnostic": np.float64(sinusoid.task_agnostic_floor()),
    "zero_SxB": (y_SxBxM**2).mean(axis=2),
    "agnostic_SxB": ((y_SxBxM - best_SxBxM) ** 2).mean(axis=2),
  }


def fits(
  config: config_lib.Sinusoid,
  name: str,
  theta_S: base.PyTree,
  alpha: float,
  episodes_SxB: base.Episode,
) -> np.ndarray:
  """Functions fitted to the first tasks of the first seed, to be drawn.

  Args:
    config: of the study.
    name: of a method that sees x alone, and moves all of the network.
    theta_S: what it has learned, stacked over seeds.
    alpha: step size.
    episodes_SxB: evaluation tasks.

  Returns:
    fit_PxTxG: of every iterate, at the G points `GRID`.
  """
  learner = methods.tested(config, name)
  apply = methods.network(config, name).apply
  theta = jax.tree.map(lambda a: a[0], methods.with_step(theta_S, alpha))
  support_P = jax.tree.map(
    lambda a: a[0, : config.measure.shown], episodes_SxB.support
  )
  x_Gx1 = jnp.asarray(GRID, jnp.float32)[:, None]

  @jax.jit
  @jax.vmap
  def fitted(support):
    found = inner_loop.adapt(
      lambda params: learner.loss(params, support),
      theta["start"],
      learner.rule,
      theta["meta"],
      config.measure.steps,
    )
    return jax.vmap(lambda params: apply(params, x_Gx1))(found.iterates)

  return np.asarray(fitted(support_P))


def shown(
  config: config_lib.Sinusoid, episodes_SxB: base.Episode
) -> dict[str, np.ndarray]:
  """The tasks that `fits` shows: their support points and their curves."""
  first = slice(config.measure.shown)
  support = episodes_SxB.support
  amplitude_P, phase_P = np.asarray(episodes_SxB.latent_D[0, first]).T
  return {
    "x_PxK": np.asarray(support.x_NxD[0, first, :, 0]),
    "y_PxK": np.asarray(support.y_N[0, first]),
    "x_G": GRID,
    "true_PxG": amplitude_P[:, None] * np.sin(GRID - phase_P[:, None]),
  }
