"""Losses along the path and along true descent; what the rivals need."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from raml_jax import base
from raml_jax.config import pseudo_gradient as config_lib
from raml_jax.models import gpt
from raml_jax.studies.pseudo_gradient import conditions
from raml_jax.studies.pseudo_gradient import texts
from raml_jax.theory.implicit import alignments
from raml_jax.theory.implicit import descent
from raml_jax.theory.implicit import examples
from raml_jax.theory.implicit import rivals

FORM = "preserving"


def step_sizes(config: config_lib.PseudoGradient) -> np.ndarray:
  """What is tried."""
  d = config.descent
  return np.geomspace(d.low, d.high, d.points).astype(np.float32)


def descended(
  config: config_lib.PseudoGradient,
  model: gpt.Model,
  params: base.PyTree,
  asked: texts.Asked,
  tuning: texts.Asked,
  path: dict[str, np.ndarray],
  key: base.Array,
) -> dict[str, np.ndarray]:
  """Losses of every step of true descent, as many as there are tokens.

  Args:
    config: of the study.
    model: a decoder.
    params: of one seed.
    asked: the questions measured; the first of them are descended.
    tuning: others, on which the step size is chosen.
    path: what `conditions.measured` found along the path of `asked`.
    key: of random directions.

  Returns:
    tuned_BxP: with the step size of least mean loss over all steps;
    as_long_BxP: with steps as long as the token's update; random_BxP: as long
    and in random directions; step_G, tuning_G: what was tried, and its mean
    loss; step: what was chosen.
  """
  m = config.measure
  some_GxB, few_GxB = (
    conditions.grouped(
      texts.first(texts.example(one, "correct", None), count), m.batch
    )
    for one, count in ((asked, m.controls), (tuning, m.tuning))
  )
  length_BxT = np.sqrt(path["update_BxTxKxW"][: m.controls].sum((2, 3)))
  steps = length_BxT.shape[1]
  length_GxBxT = jnp.asarray(length_BxT).reshape(-1, m.batch, steps)
  step_G = step_sizes(config)

  def constant(step, like_GxB):
    shape = (*like_GxB.tokens_L.shape[:2], steps)
    return jnp.full(shape, step, jnp.float32)

  run = _descents(model, False)
  tuning_G = np.array(
    [run(params, few_GxB, constant(h, few_GxB)).mean() for h in step_G]
  )
  # A step that diverges is no candidate.
  best = int(np.nanargmin(np.where(np.isfinite(tuning_G), tuning_G, np.nan)))
  noise = alignments.noise(key, alignments.shapes(params, FORM, steps))
  found = {
    "tuned_BxP": run(params, some_GxB, constant(step_G[best], some_GxB)),
    "as_long_BxP": _descents(model, True)(params, some_GxB, length_GxBxT),
    "random_BxP": _astray(model)(params, some_GxB, length_GxBxT, noise),
  }
  return {
    **{name: np.asarray(value) for name, value in found.items()},
    "step": step_G[best],
    "step_G": step_G,
    "tuning_G": tuning_G,
  }


@functools.cache
def _descents(model, unit):
  def one(params, asked, size_T):
    return descent.losses(model, params, asked, FORM, size_T, unit)

  return _over_batches(jax.vmap(one, (None, 0, 0)))


@functools.cache
def _astray(model):
  def one(params, asked, length_T, noise):
    return descent.astray(model, params, asked, FORM, length_T, noise)

  return _over_batches(jax.vmap(one, (None, 0, 0, None)))


def _over_batches(of_batch):
  """One program that maps over groups, its results in one row."""

  def run(params, asked_GxB, size_GxBxT, *more):
    found = jax.lax.map(
      lambda at: of_batch(params, *at, *more), (asked_GxB, size_GxBxT)
    )
    return found.reshape(-1, *found.shape[2:])

  return jax.jit(run)


def seen(
  config: config_lib.PseudoGradient,
  model: gpt.Model,
  params: base.PyTree,
  asked: texts.Asked,
) -> dict[str, np.ndarray]:
  """What the update rules are fitted and scored by.

  Returns:
    `rivals.Seen` of every question, dicts as NAME/both and NAME/square; the
    sums over coordinates over each of four parts of the questions: product_QxN,
    square_QxN.
  """
  m = config.measure
  example_B = texts.first(texts.example(asked, "correct", None), m.rivals)
  shown = tuple(map(int, examples.token_prefixes(example_B)))
  # Question by question through the four parts: Q x groups x batch.
  parts = jax.tree.map(
    lambda leaf: jnp.asarray(leaf).reshape(4, -1, m.batch, *leaf.shape[1:]),
    example_B,
  )
  run = _seen_program(model, shown, config.rivals.adam)
  found = [
    run(params, jax.tree.map(lambda leaf, q=q: leaf[q], parts))
    for q in range(4)
  ]
  out = {
    name: np.concatenate([getattr(one, name) for one in found])
    for name in ("update_T", "cross_TxT", "slopes_TxT")
  }
  for kind in ("both", "square"):
    for name in getattr(found[0], kind):
      out[f"{name}/{kind}"] = np.concatenate(
        [getattr(one, kind)[name] for one in found]
      )
  for name in ("product_N", "square_N"):
    out[name.replace("_N", "_QxN")] = np.stack(
      [getattr(one, name) for one in found]
    )
  return out


@functools.cache
def _seen_program(model, shown, adam):
  def one(params, asked):
    return rivals.seen(
      model,
      params,
      asked,
      jnp.asarray(shown, jnp.int32),
      FORM,
      jnp.asarray(adam, jnp.float32),
    )

  def run(params, asked_GxB):
    def step(total, asked_B):
      found = jax.vmap(one, (None, 0))(params, asked_B)
      sums = [jnp.sum(found.product_N, 0), jnp.sum(found.square_N, 0)]
      total = [a + b for a, b in zip(total, sums)]
      return total, found._replace(product_N=None, square_N=None)

    count = sum(
      leaf.size for leaf in jax.tree.leaves(alignments.shapes(params, FORM, 1))
    )
    zero_N = jnp.zeros(count)
    (product_N, square_N), found = jax.lax.scan(
      step, [zero_N, zero_N], asked_GxB
    )
    found = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), found)
    return found._replace(product_N=product_N, square_N=square_N)

  return jax.jit(run)
