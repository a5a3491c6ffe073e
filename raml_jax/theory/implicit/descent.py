"""True gradient descent on one question, beside its path theta'_i.

It moves what the form moves and nothing else, and descends the answer's loss
for the question alone.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from raml_jax import base
from raml_jax.models import matrices
from raml_jax.theory.implicit import alignments
from raml_jax.theory.implicit import gradients


def losses(
  model: Any,
  params: base.PyTree,
  asked: Any,
  form: str,
  size_T: base.Array,
  unit: bool,
) -> base.Array:
  """The loss before and after each of T steps: loss_P, P = T + 1.

  Args:
    model: a decoder.
    params: where it starts.
    asked: one example.
    form: what moves.
    size_T: step sizes.
    unit: whether they are lengths, of steps along the gradient's direction.
  """

  def step(moved, size):
    now = added(params, moved, form)
    gradient = gradients.of_loss(model, now, asked)
    slope = jax.tree.map(jnp.negative, alignments.chosen(gradient, form))
    if unit:
      size = size / jnp.maximum(length(slope), jnp.finfo(size.dtype).tiny)
    moved = jax.tree.map(lambda m, s: m + size * s, moved, slope)
    return moved, gradients.loss(model, now, asked)

  start = jax.tree.map(
    jnp.zeros_like, alignments.chosen(matrices.blocks(params), form)
  )
  end, loss_T = jax.lax.scan(step, start, size_T)
  last = gradients.loss(model, added(params, end, form), asked)
  return jnp.append(loss_T, last)


def astray(
  model: Any,
  params: base.PyTree,
  asked: Any,
  form: str,
  length_T: base.Array,
  noise: alignments.Weights,
) -> base.Array:
  """The loss before and after steps of these lengths in random directions.

  Args:
    model: a decoder.
    params: where it starts.
    asked: one example.
    form: what moves.
    length_T: of each step.
    noise: of `alignments.noise`, leaves with an axis T.
  """
  size_T = length_T / jax.vmap(length)(noise)
  steps = jax.tree.map(
    lambda n: size_T.reshape(-1, *[1] * (n.ndim - 1)) * n, noise
  )
  moved = jax.tree.map(
    lambda s: jnp.concatenate([jnp.zeros_like(s[:1]), jnp.cumsum(s, 0)]), steps
  )
  return jax.vmap(
    lambda m: gradients.loss(model, added(params, m, form), asked)
  )(moved)


def length(weights: alignments.Weights) -> base.Array:
  """Of all of them together."""
  return jnp.sqrt(sum(jnp.vdot(w, w) for w in jax.tree.leaves(weights)))


def added(
  params: base.PyTree, moved: alignments.Weights, form: str
) -> base.PyTree:
  """The params after changes of what the form moves."""
  names = alignments.MATRICES[form]
  for l, (block, changes) in enumerate(zip(matrices.blocks(params), moved)):
    new = {n: getattr(block, n) + c for n, c in zip(names, changes)}
    params = matrices.with_block(params, l, block._replace(**new))
  return params
