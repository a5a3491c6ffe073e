"""What is minimised. Each objective has the one shape of `loop.Objective`."""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
import functools

import jax
import jax.numpy as jnp

from raml_jax import base
from raml_jax.models import blanks
from raml_jax.models import decoder as decoder_lib
from raml_jax.models import reasoners
from raml_jax.models import tokens as tokens_lib
from raml_jax.training import loop


def imitation(model: base.Model) -> loop.Objective:
  """Teacher forcing: the next token, whole, from the teacher's true prefix.

  The batch is (episodes, w_BxTxD). The loss is the squared error of the token
  (0, 0, w_{t+1}, 1), summed over its rows and averaged over tasks and steps.
  The whole token, because a model that is free in its other rows feeds them
  back to itself and blows up.
  """

  def loss(params, batch):
    episodes, w_BxTxD = batch
    tokens_BxTxF = tokens_lib.weight_token(w_BxTxD)

    def predict(support, tokens_TxF):
      cache = model.prefill(params, support)
      return model.apply(params, tokens_TxF, cache)[0]

    out_BxKxF = jax.vmap(predict)(episodes.support, tokens_BxTxF[:, :-1])
    error_BxK = jnp.sum((out_BxKxF - tokens_BxTxF[:, 1:]) ** 2, axis=-1)
    return jnp.mean(error_BxK)

  return _of_loss(loss)


def blank_imitation(model: decoder_lib.Decoder) -> loop.Objective:
  """`imitation` for chains that are read out of blank tokens (`blanks`).

  The batch is (episodes with pairs, w_BxTxD).
  """

  def loss(params, batch):
    episodes, w_BxTxD = batch

    def one(pairs, w_TxD):
      out_KxF, target_KxF = blanks.teacher_forced(model, params, pairs, w_TxD)
      return jnp.mean(jnp.sum((out_KxF - target_KxF) ** 2, axis=-1))

    return jnp.mean(jax.vmap(one)(episodes.support.pairs, w_BxTxD))

  return _of_loss(loss)


def outcome(
  reasoner: base.Reasoner,
  steps: int,
  mask: base.PyTree | None = None,
  cap: float | None = None,
) -> loop.Objective:
  """Only the last of `steps` self-generated iterates is judged.

  For a chain of thought: training on the answer alone, as reinforcement
  learning does; `steps` = 1 is the direct answer. For a `maml` reasoner: MAML,
  second order, its inner loop unrolled.

  Args:
    reasoner: whose iterate is judged.
    steps: K >= 1.
    mask: multiplies the gradient (0 where a parameter stays put).
    cap: a task whose error exceeds it counts as `cap`, without gradient. The
      tokens of linear attention feed on each other cubically: one task in
      thousands overflows, and would alone decide where a batch points.
  """

  def last(params, support):
    return reasoners.rollout(reasoner, params, support, steps)[-1]

  def errors(params, episodes):
    w_BxD = jax.vmap(functools.partial(last, params))(episodes.support)
    return jax.vmap(answer_error)(w_BxD, episodes)

  def loss(params, episodes):
    if cap is None:
      return jnp.mean(errors(params, episodes))
    free_B = errors(jax.lax.stop_gradient(params), episodes)
    good_B = free_B < cap
    # Empty moments in place of the bad tasks: a gradient that is multiplied by
    # zero afterwards would still be NaN.
    gram_BxExE = episodes.support.gram_ExE * good_B[:, None, None]
    support = dataclasses.replace(episodes.support, gram_ExE=gram_BxExE)
    tame = dataclasses.replace(episodes, support=support)
    return jnp.mean(jnp.where(good_B, errors(params, tame), cap))

  return _of_loss(loss, mask)


def prediction(
  predict: Callable[[base.PyTree, base.Support, base.Array], base.Array],
) -> loop.Objective:
  """Half the squared error of the query's label, 0.5 (y_hat - y)^2."""

  def loss(params, episodes):
    def one(episode):
      x_D, y = episode.query.x_NxD[0], episode.query.y_N[0]
      return 0.5 * (predict(params, episode.support, x_D) - y) ** 2

    return jnp.mean(jax.vmap(one)(episodes))

  return _of_loss(loss)


def answer_error(w_D: base.Array, episode: base.Episode) -> base.Array:
  """Squared query error, or |w - w*|^2 where there is no query set."""
  if episode.query is None:
    return jnp.sum((w_D - episode.latent_D) ** 2)
  return jnp.mean((episode.query.x_NxD @ w_D - episode.query.y_N) ** 2)


def _of_loss(
  loss: Callable[..., base.Array], mask: base.PyTree | None = None
) -> loop.Objective:
  def grads(params, extra, batch, key):
    del key
    value, gradient = jax.value_and_grad(loss)(params, batch)
    if mask is not None:
      gradient = jax.tree.map(jnp.multiply, gradient, mask)
    return gradient, {"loss": value}, extra

  return loop.Objective(init_extra=lambda params: (), grads=grads)
