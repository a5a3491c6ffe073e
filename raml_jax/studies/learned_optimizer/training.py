"""What the study trains: the rule on curves, and on the answers of chains."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp

from raml_jax import base
from raml_jax.config import learned_optimizer as config_lib
from raml_jax.inner import learned
from raml_jax.inner import maml
from raml_jax.inner import optimizers
from raml_jax.studies import running
from raml_jax.studies.learned_optimizer import problems
from raml_jax.tasks import regression
from raml_jax.training import loop
from raml_jax.training import objectives
from raml_jax.training import sources
from raml_jax.training import truncated


def rule(
  config: config_lib.LearnedOptimizer, exact: bool | None = None
) -> optimizers.InnerOptimizer:
  """The learned rule; `exact` keeps second derivatives, None as configured."""
  c = config.rule
  exact = c.second_derivatives if exact is None else exact
  return learned.lstm(
    c.layers, c.width, c.preprocess or None, c.scale, not exact
  )


def on_curves(
  config: config_lib.LearnedOptimizer, problem: problems.Problem
) -> loop.Phase:
  """Training by truncated unrolls; its params are the rule's meta."""
  train = config.train
  rule_ = rule(config)
  objective = truncated.objective(
    problem.task,
    rule_,
    problem.loss,
    problem.start,
    batch=train.batch,
    unroll=config.unroll,
    length=config.length,
  )
  source = sources.Episodes(
    running.stacked(problem.task, config.seeds), train.batch
  )
  return loop.Phase(
    f"learned/{problem.name}",
    functools.partial(_init, rule_, config.length),
    objective,
    source,
    running.optimizer(train),
    train.steps,
  )


def on_answers(
  config: config_lib.LearnedOptimizer,
  task: regression.LinearRegression,
  steps: int,
) -> loop.Phase:
  """Training on |w_K - w*|^2, as a chain is trained on its answer.

  Its params are those of the reasoner `answering(config)`; the start stays 0,
  as the first token of a chain does.
  """
  train = config.answers
  rule_ = rule(config, exact=True)
  d = task.d

  def init(key):
    return {"start": jnp.zeros(d), "meta": _init(rule_, steps, key)}

  shapes = jax.eval_shape(init, jax.random.key(0))
  mask = jax.tree.map(lambda s: jnp.ones(s.shape, s.dtype), shapes)
  mask["start"] = jnp.zeros(d)
  source = sources.Episodes(running.stacked(task, config.seeds), train.batch)
  return loop.Phase(
    f"learned/answer_k{steps}",
    init,
    objectives.outcome(maml.reasoner(rule_), steps, mask),
    source,
    running.optimizer(train),
    train.steps,
  )


def answering(config: config_lib.LearnedOptimizer) -> base.Reasoner:
  """The learned rule on linear regression, as a reasoner."""
  return maml.reasoner(rule(config, exact=True))


def _init(rule_, steps, key):
  # Its networks do not depend on the number of coordinates.
  return rule_.init(key, jnp.zeros(1), steps)
