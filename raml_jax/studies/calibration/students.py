"""What the study trains, and what each of them is taught.

linear/gradient, straight_path, rotated, shrunk: linear attention, by a teacher
linear/outcome: linear attention, by its last token alone
decoder/gradient, straight_path, rotated: the softmax decoder, by a teacher
maml/second_order, first_order: the same decoder, by its error on a query set
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
import functools

import jax
import jax.numpy as jnp

from raml_jax import base
from raml_jax.config import calibration as config_lib
from raml_jax.inner import learner as learner_lib
from raml_jax.inner import meta_gradients
from raml_jax.inner import optimizers
from raml_jax.models import attention
from raml_jax.models import blanks
from raml_jax.models import decoder as decoder_lib
from raml_jax.models import reasoners
from raml_jax.studies import running
from raml_jax.studies.calibration import finders
from raml_jax.tasks import regression
from raml_jax.training import loop
from raml_jax.training import meta
from raml_jax.training import objectives
from raml_jax.training import sources
from raml_jax.training import sweep
from raml_jax.training import teachers as teachers_lib

Phases = dict[str, loop.Phase]
_GRADIENTS = {
  "second_order": meta_gradients.unrolled(),
  "first_order": meta_gradients.first_order(),
}
# Taught over many steps.
_LONG = ("gradient", "straight_path")


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Pairs:
  """`size` fresh tasks per update, whose support set is its pairs alone."""

  task: regression.LinearRegression
  size: int = dataclasses.field(metadata={"static": True})

  def batch(self, key: base.Array) -> base.Episode:
    episodes = self.task.sample(key, self.size)
    return dataclasses.replace(episodes, support=episodes.support.pairs)


def task(config: config_lib.Task, **options) -> regression.LinearRegression:
  """Isotropic inputs, no noise."""
  return regression.LinearRegression(
    jnp.eye(config.d), d=config.d, n=config.n, **options
  )


def rules(
  config: config_lib.Teachers, d: int
) -> dict[str, tuple[Callable, base.PyTree]]:
  """(teacher, its numbers) by name; in the precision that is enabled."""
  turn_DxD = teachers_lib.block_rotation(d, config.degrees)
  shrunk = {"alpha": config.alpha, "beta": config.beta}
  rows = {
    "gradient": (teachers_lib.linear, {"P": config.eta * jnp.eye(d)}),
    "straight_path": (teachers_lib.straight_path, {"eta": config.eta}),
    "rotated": (teachers_lib.linear, {"P": config.eta * turn_DxD}),
    "shrunk": (teachers_lib.shrunk, shrunk),
  }
  return {
    name: (teacher, jax.tree.map(jnp.asarray, numbers))
    for name, (teacher, numbers) in rows.items()
  }


@functools.cache
def linear_model(
  config: config_lib.Linear, room: int | None = None
) -> base.Model:
  """Linear attention, with room for so many tokens or for any number."""
  return attention.linear_attention(
    config.task.d, init_scale=config.init_scale, max_steps=room
  )


@functools.cache
def decoder(config: config_lib.Decoder) -> decoder_lib.Decoder:
  """The softmax decoder. A chain is never cached: room for its read-out."""
  return decoder_lib.decoder(
    config.task.d,
    1,
    layers=config.layers,
    heads=config.heads,
    width=config.width,
    mlp=config.mlp,
    layer_norm=config.layer_norm,
  )


def phases(config: config_lib.Calibration) -> Phases:
  """Everything that is trained for the parts asked for, in order."""
  out = {}
  if "linear" in config.parts:
    out |= _linear(config.linear, config.seeds)
  if "decoder" in config.parts:
    out |= _decoders(config.decoder, config.seeds)
  if "maml" in config.parts:
    out |= _maml(config)
  return out


def _linear(config, seeds) -> Phases:
  model, light = linear_model(config), task(config.task, moments_only=True)
  light_S = running.stacked(light, seeds)
  train, objective, out = config.taught, sweep.imitation(), {}
  for name, (teacher, numbers) in rules(config.teachers, config.task.d).items():
    numbers_S = running.stacked(numbers, seeds)
    # The decoys leave for infinity on some tasks, if they are given time.
    steps = config.line if name in _LONG else config.steps
    if teacher is teachers_lib.linear:
      source = sweep.Taught(light_S, numbers_S["P"], steps, train.batch)
    else:
      source = sources.Taught(light_S, numbers_S, teacher, steps, train.batch)
    out[f"linear/{name}"] = _phase(
      f"linear/{name}", model.init, objective, source, train
    )
  judged = reasoners.reasoner(linear_model(config, config.steps))
  out["linear/outcome"] = _phase(
    "linear/outcome",
    model.init,
    objectives.outcome(judged, config.steps, cap=config.cap),
    sources.Episodes(light_S, config.outcome.batch),
    config.outcome,
  )
  return out


def _decoders(config, seeds) -> Phases:
  model, train = decoder(config), config.train
  objective = objectives.blank_imitation(model)
  task_S = running.stacked(task(config.task), seeds)
  known, out = rules(config.teachers, config.task.d), {}
  for name in finders.TAUGHT:
    teacher, numbers = known[name]
    source = sources.Taught(
      task_S,
      running.stacked(numbers, seeds),
      teacher,
      config.steps,
      train.batch,
    )
    out[f"decoder/{name}"] = _phase(
      f"decoder/{name}", model.init, objective, source, train
    )
  return out


def _phase(name, init, objective, source, train) -> loop.Phase:
  optimizer = running.optimizer(train)
  return loop.Phase(name, init, objective, source, optimizer, train.steps)


@functools.cache
def learner(
  config: config_lib.Decoder, alpha: float, order: str
) -> learner_lib.Learner:
  """MAML on all of the decoder's parameters, with a learned step size.

  An input is a token that stands alone: what the parameters have been told of
  the task by the inner steps is all that is known of it.

  Args:
    config: of the decoder.
    alpha: where the step size starts.
    order: of the meta-gradient, "second_order" or "first_order".
  """
  model = decoder(config)

  def loss(params, pairs):
    error_M = blanks.predict(model, params, pairs.x_NxD) - pairs.y_N
    return 0.5 * jnp.mean(error_M**2)

  rule = optimizers.sgd(alpha)
  return learner_lib.Learner(loss, rule, config.steps, _GRADIENTS[order])


def _maml(config) -> Phases:
  c, d = config.adaptation, config.decoder
  source = running.stacked(
    Pairs(task(d.task, queries=c.queries), c.train.batch), config.seeds
  )
  out = {}
  for order in _GRADIENTS:
    method = learner(d, c.alpha, order)

    def init(key, method=method):
      key_params, key_rule = jax.random.split(key)
      return method.init(key_rule, decoder(d).init(key_params))

    name = f"maml/{order}"
    out[name] = _phase(name, init, meta.objective(method), source, c.train)
  return out
