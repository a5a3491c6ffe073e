"""From configs to the tasks, models and sources of arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import functools
from typing import Any

import jax
import optax

from raml_jax import parsing
from raml_jax.config import arithmetic as config_lib
from raml_jax.models import gpt
from raml_jax.tasks.arithmetic.families import family as family_lib
from raml_jax.tasks.arithmetic.families import table
from raml_jax.training import supervised


def family(
  task: config_lib.Task,
  split: str,
  lead: str = "",
  changed: Mapping[str, Any] | None = None,
  field: str = "task.options",
) -> family_lib.Family:
  """A family of questions.

  Args:
    task: the config of it.
    split: one of `splits.SPLITS`.
    lead: text in front of every question.
    changed: options that differ from the task's.
    field: where these options stand in the config.

  Raises:
    ConfigError: an option that the family does not have or cannot take.
  """
  kind = table.FAMILIES[task.family]
  shared = {f.name for f in dataclasses.fields(family_lib.Family)}
  known = {f.name for f in dataclasses.fields(kind)} - shared
  options = {**task.options, **(changed or {})}
  for name in options:
    if name not in known:
      raise parsing.ConfigError(
        f"config.{field}.{name}: unknown field; known are"
        f" {', '.join(sorted(known))}"
      )
  # JSON has no tuples, and a family must be hashable.
  options = {
    name: tuple(value) if isinstance(value, list) else value
    for name, value in options.items()
  }
  own = {f.name: f for f in dataclasses.fields(kind)}
  for name, value in options.items():
    wanted = type(own[name].default)
    if type(value) is not wanted:
      raise parsing.ConfigError(
        f"config.{field}.{name} = {value!r}: must be of type {wanted.__name__}"
      )
  try:
    return kind(
      format=task.format, base=task.base, split=split, lead=lead, **options
    )
  except ValueError as error:
    raise parsing.ConfigError(f"config.{field}: {error}") from error


def model(
  decoder: config_lib.Decoder, task: config_lib.Task, longest: int
) -> gpt.Model:
  """The GPT of a config.

  Args:
    decoder: which one.
    task: whose digits abacus positions look for.
    longest: positions that training and measuring take.

  Raises:
    ConfigError: its context is shorter than that.
  """
  context = decoder.context or longest
  if decoder.positions == "learned" and context < longest:
    raise parsing.ConfigError(
      f"config.model.context = {context}: must be at least {longest}, which the"
      " longest question takes with its trajectory and answer, or 0"
    )
  fields = dataclasses.asdict(decoder) | {"context": context}
  try:
    return gpt.gpt(gpt.Options(radix=task.base, **fields))
  except ValueError as error:
    raise parsing.ConfigError(f"config.model.{error}") from error


def objective(model: gpt.Model, fit: config_lib.Fit):
  """The supervised objective of a config.

  Raises:
    ConfigError: a weight of no role, or below 0.
  """
  try:
    weights = supervised.weights(fit.weights)
  except ValueError as error:
    raise parsing.ConfigError(f"config.fit.weights.{error}") from error
  return supervised.objective(model, weights, fit.microbatches, fit.remat)


def optimizer(fit: config_lib.Fit) -> optax.GradientTransformation:
  """AdamW with warm-up and cosine decay to zero; matrices alone decay."""
  return _optimizer(
    fit.steps,
    fit.learning_rate,
    fit.warmup,
    fit.weight_decay,
    fit.b2,
    fit.clip,
  )


@functools.cache
def _optimizer(steps, learning_rate, warmup, weight_decay, b2, clip):
  schedule = optax.warmup_cosine_decay_schedule(
    0.0, learning_rate, warmup, steps
  )
  return optax.chain(
    optax.clip_by_global_norm(clip),
    optax.adamw(schedule, b2=b2, weight_decay=weight_decay, mask=_matrices),
  )


def _matrices(params):
  """True where a parameter has two axes or more."""
  return jax.tree.map(lambda leaf: leaf.ndim > 1, params)
