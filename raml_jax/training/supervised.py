"""Next-token training of a decoder on written trajectories."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import functools

import jax
import jax.numpy as jnp

from raml_jax import base
from raml_jax.models import gpt
from raml_jax.tasks import vocab
from raml_jax.training import loop
from raml_jax.training import packing

# What a token weighs in the loss, by role: the three objectives in use.
ALL = {"question": 1, "step": 1, "reflection": 1, "delimiter": 1, "answer": 1}
COMPLETION = ALL | {"question": 0}
ANSWER = dict.fromkeys(ALL, 0) | {"answer": 1}


def weights(by_role: Mapping[str, float]) -> tuple[float, ...]:
  """The weight of every `vocab.Role`, in order; padding weighs nothing.

  Raises:
    ValueError: an unknown role, or a negative weight, or none above 0.
  """
  names = [role.name.lower() for role in vocab.Role if role != vocab.Role.PAD]
  for name, weight in by_role.items():
    if name not in names:
      raise ValueError(f"{name}: no role; roles are {', '.join(names)}")
    if not weight >= 0:
      raise ValueError(f"{name} = {weight}: must be at least 0")
  if not any(by_role.values()):
    raise ValueError(f"weights = {dict(by_role)}: one must be above 0")
  return (0.0, *(float(by_role.get(name, 0.0)) for name in names))


def token_losses(
  model: gpt.Model, params: base.PyTree, rows: packing.Rows, key: base.Array
) -> base.Array:
  """-log p of every token but the first, given those before it: BxT-1."""
  positions = model.positions(key, rows.tokens_BxT)
  if positions is None:
    positions = rows.positions()
  logits_BxTxV, _, _ = model.apply(
    params, rows.tokens_BxT, positions=positions, visible=rows.visible()
  )
  target_BxTx1 = rows.tokens_BxT[:, 1:, None]
  logits_BxTxV = logits_BxTxV[:, :-1]
  picked_BxT = jnp.take_along_axis(logits_BxTxV, target_BxTx1, axis=2)[..., 0]
  return jax.nn.logsumexp(logits_BxTxV, axis=2) - picked_BxT


def token_weights(
  rows: packing.Rows, weight_of_role: tuple[float, ...]
) -> base.Array:
  """What each of these losses counts: BxT-1."""
  weight_BxT = jnp.asarray(weight_of_role)[rows.role_BxT[:, 1:]]
  if rows.segment_BxT is None:
    return weight_BxT
  # An example does not predict the next one.
  same_BxT = rows.segment_BxT[:, 1:] == rows.segment_BxT[:, :-1]
  return weight_BxT * same_BxT


@functools.cache
def objective(
  model: gpt.Model,
  weight_of_role: tuple[float, ...],
  microbatches: int = 1,
  remat: bool = False,
) -> loop.Objective:
  """The mean loss of a token, each weighted by its role.

  Metrics: "loss", and "padding", the share of the tokens that is padding.

  Args:
    model: a GPT.
    weight_of_role: see `weights`.
    microbatches: parts that a batch is cut into, so that only one at a time is
      in memory; the gradient is that of the whole batch.
    remat: see `gpt.Options`.
  """
  if remat:
    model = gpt.gpt(dataclasses.replace(model.options, remat=True))

  def total(params, rows, key):
    """Summed, so that parts of a batch add up."""
    loss_BxT = token_losses(model, params, rows, key)
    return jnp.sum(loss_BxT * token_weights(rows, weight_of_role))

  def grads(params, extra, rows, key):
    count = jnp.sum(token_weights(rows, weight_of_role))
    if microbatches == 1:
      loss, gradient = jax.value_and_grad(total)(params, rows, key)
    else:
      loss, gradient = _accumulated(total, params, rows, key, microbatches)
    scale = 1.0 / jnp.maximum(count, 1.0)
    gradient = jax.tree.map(lambda g: g * scale.astype(g.dtype), gradient)
    padding = jnp.mean((rows.tokens_BxT == vocab.PAD).astype(jnp.float32))
    return gradient, {"loss": loss * scale, "padding": padding}, extra

  return loop.Objective(init_extra=lambda params: (), grads=grads)


def _accumulated(total, params, rows, key, parts):
  """Loss and gradient summed over parts of the batch, one after the other."""

  def part(carry, at):
    some, i = at
    found = jax.value_and_grad(total)(params, some, jax.random.fold_in(key, i))
    return jax.tree.map(jnp.add, carry, found), None

  # Every part takes rows from all over the batch: over a mesh, from every
  # device.
  split = jax.tree.map(
    lambda a: a.reshape(-1, parts, *a.shape[1:]).swapaxes(0, 1), rows
  )
  zero = jnp.zeros(()), jax.tree.map(jnp.zeros_like, params)
  return jax.lax.scan(part, zero, (split, jnp.arange(parts)))[0]
