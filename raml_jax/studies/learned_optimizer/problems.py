"""What is optimised: random quadratics, and linear regression from zero."""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
from typing import Any

import jax.numpy as jnp

from raml_jax import base
from raml_jax.config import learned_optimizer as config_lib
from raml_jax.studies.maml_vs_cot import regimes
from raml_jax.tasks import quadratics as quadratics_lib


@dataclasses.dataclass(frozen=True, eq=False)
class Problem:
  """A family of inner problems. Equal only to itself: make it once.

  Attributes:
    name: e.g. "quadratics".
    task: draws episodes.
    loss: `(params, support) -> scalar`, of one task.
    start: `(episode) -> params`.
    values: name -> `(params, episode) -> scalar`, what is recorded of every
      iterate; "loss" at least.
  """

  name: str
  task: Any
  loss: Callable[..., base.Array]
  start: Callable[[base.Episode], base.Array]
  values: dict[str, Callable[..., base.Array]]


def quadratics(config: config_lib.LearnedOptimizer) -> Problem:
  """The ten-dimensional quadratics of Andrychowicz et al. 2016."""
  c = config.quadratics
  task = quadratics_lib.Quadratics(jnp.float32(c.start_scale), c.d)
  loss = quadratics_lib.loss
  values = {"loss": lambda params, e: loss(params, e.support)}
  return Problem("quadratics", task, loss, quadratics_lib.start, values)


def regression(config: config_lib.LearnedOptimizer) -> Problem:
  """The main job's linear regression, from w = 0."""
  task = regimes.task(*task_config(config))
  values = {
    "loss": lambda params, e: _squares(params, e.support),
    "error": lambda params, e: jnp.sum((params - e.latent_D) ** 2),
  }
  start = lambda episode: jnp.zeros_like(episode.latent_D)
  return Problem("regression", task, _squares, start, values)


def task_config(config: config_lib.LearnedOptimizer):
  """The task of the main job, and the covariance of its first arm."""
  job = config.chains.job
  return job.task, next(iter(job.arms.values()))


def _squares(w_D, support):
  """`tasks.regression.loss`, from the pairs.

  That from the moments is a difference of large numbers: near the minimum it
  rounds to 1e-8 of either sign, where the curves still fall.
  """
  pairs = support.pairs
  return 0.5 * jnp.mean((pairs.x_NxD @ w_D - pairs.y_N) ** 2)
