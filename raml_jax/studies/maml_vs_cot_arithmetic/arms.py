"""What is trained: one decoder, eight ways to learn from the same questions.

| arm | support: lines of the trajectory | moves | meta-gradient | query |
|---|---|---|---|---|
| cot | none: they are in context | | | lines and answer |
| second_order | one inner loop on each | all | exact | answer |
| head | the same | read-out | exact | answer |
| low_rank | the same | low-rank deltas | exact | answer |
| first_order | the same | all | first order | answer |
| head_first_order | the same | read-out | first order | answer |
| low_rank_first_order | the same | low-rank deltas | first order | answer |
| direct | none | | | answer |

Two more are not trained: `untrained`, and `embeddings`, the chain of thought's
tables of tokens and positions in an untrained decoder.
"""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp

from raml_jax import base
from raml_jax import parsing
from raml_jax.config import maml_vs_cot_arithmetic as config_lib
from raml_jax.inner import low_rank
from raml_jax.inner import optimizers
from raml_jax.models import gpt
from raml_jax.studies import decoders
from raml_jax.tasks.arithmetic.families import family as family_lib
from raml_jax.training import loop
from raml_jax.training import packing
from raml_jax.training import sequences
from raml_jax.training import sources

UNTRAINED = ("untrained", "embeddings")
_TABLES = ("embed", "position")
_DELTAS = "^delta/"


def names(config: config_lib.Arithmetic) -> tuple[str, ...]:
  """All that is measured."""
  return config.arms + UNTRAINED


def family(config: config_lib.Arithmetic) -> family_lib.Family:
  """Of the training questions."""
  return decoders.family(config.task, "train")


_layout = functools.cache(sequences.layout)


def layout(config: config_lib.Arithmetic) -> sequences.Layout:
  """Of the texts that all arms are trained on."""
  return _layout(family(config), config.inner.unit)


def model(config: config_lib.Arithmetic) -> gpt.Model:
  """The decoder of every arm."""
  return decoders.model(config.model, config.task, family(config).context)


def descent(
  config: config_lib.Arithmetic, name: str, repeats: int
) -> sequences.Descent:
  """The inner loop of an arm; those without one of their own move all."""
  c = config.inner
  make = functools.partial(
    sequences.Descent,
    model(config),
    optimizers.per_tensor(c.alphas.get(name, c.alpha)),
    layout(config),
    repeats,
    first_order=name.endswith("first_order"),
  )
  if name.startswith("head"):
    return make(moves=c.head)
  if _has_deltas(name):
    return make(moves=_DELTAS, whole=low_rank.merge)
  return make()


def _has_deltas(name: str) -> bool:
  return name.startswith("low_rank")


def tested(
  config: config_lib.Arithmetic, name: str, repeats: int
) -> sequences.Descent:
  """The same after training, compiled once for all that move alike."""
  trained = descent(config, name, repeats)
  return dataclasses.replace(trained, first_order=False)


def with_step(
  config: config_lib.Arithmetic, params: base.PyTree, alpha: float
) -> base.PyTree:
  """theta of a decoder without step sizes of its own."""
  theta = descent(config, "cot", 1).init(jax.random.key(0), params)
  meta = jax.tree.map(lambda a: jnp.full_like(a, alpha), theta["meta"])
  return {"start": params, "meta": meta}


def untrained(
  config: config_lib.Arithmetic, cot_S: base.PyTree
) -> dict[str, base.PyTree]:
  """Params of the two arms that are not trained, stacked over seeds."""
  keys_S = jax.random.split(
    loop.train_key(jax.random.key(config.seed), "untrained"), config.seeds
  )
  params_S = jax.vmap(model(config).init)(keys_S)
  tables = {name: cot_S[name] for name in _TABLES if name in cot_S}
  return {"untrained": params_S, "embeddings": {**params_S, **tables}}


def phase(config: config_lib.Arithmetic, name: str) -> loop.Phase:
  """The training of an arm."""
  asked, net, fit = family(config), model(config), config.fit
  rate = config.learning_rates.get(name, fit.learning_rate)
  optimizer = decoders.optimizer(dataclasses.replace(fit, learning_rate=rate))
  if name == "cot":
    source = sources.Written(
      asked, fit.batch, packing.Packing(1, asked.context)
    )
    objective = decoders.objective(net, fit)
    return loop.Phase(name, net.init, objective, source, optimizer, fit.steps)
  inner = descent(config, name, 0 if name == "direct" else config.inner.repeats)

  def init(key):
    key_params, key_delta, key_rule = jax.random.split(key, 3)
    start = net.init(key_params)
    if _has_deltas(name):
      c = config.inner
      start = low_rank.init(key_delta, start, c.low_rank, c.rank)
    return inner.init(key_rule, start)

  source = sequences.Written(asked, fit.batch)
  objective = sequences.objective(inner)
  return loop.Phase(name, init, objective, source, optimizer, fit.steps)


def check(config: config_lib.Arithmetic) -> None:
  """Builds everything, runs nothing.

  Raises:
    ConfigError: a field that cannot be; one line.
  """
  for name in config.arms:
    try:
      jax.eval_shape(phase(config, name).init, jax.random.key(0))
    except parsing.ConfigError:
      raise
    except ValueError as error:
      moves = name.removesuffix("_first_order")
      field = f"inner.{moves}" if moves in ("head", "low_rank") else "arms"
      raise parsing.ConfigError(f"config.{field}: {error}") from error
