"""Decoders on weight tokens, read out of a blank one (`models.blanks`).

The question is the data of a linear regression, the trajectory is a chain of
weight vectors, the read-out is the blank token behind it: what it writes is
the next weight vector. Two losses of it, never to be mixed:

    answer   |w - w*|^2 / 2: does it head for the answer?
    support  L(w) on the data shown: does it descend?
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from raml_jax import base
from raml_jax.models import blanks
from raml_jax.models import decoder as decoder_lib
from raml_jax.models import tokens as tokens_lib
from raml_jax.tasks import regression
from raml_jax.theory.implicit import views


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Example:
  """One question with what was written; `vmap` adds batches.

  Attributes:
    episode: with pairs.
    chain_TxF: the trajectory's tokens.
  """

  episode: base.Episode
  chain_TxF: base.Array


class Asked(NamedTuple):
  """A decoder, and what its answer is judged by.

  Attributes:
    decoder: without positions.
    loss: a key of LOSSES.
  """

  decoder: decoder_lib.Decoder
  loss: str = "answer"


def _answer(w_D, episode):
  return 0.5 * jnp.sum((w_D - episode.latent_D) ** 2)


def _support(w_D, episode):
  return regression.loss(w_D, episode.support)


LOSSES = {"answer": _answer, "support": _support}


def view(model: Asked, asked: Example) -> views.View:
  """The view of one example."""
  decoder, loss = model.decoder, LOSSES[model.loss]
  data_NxF = tokens_lib.data_tokens(asked.episode.support.pairs)
  tokens_NxF, seen_NxN = blanks.text(data_NxF, asked.chain_TxF[:0], (0,))

  def with_context(params, count):
    text = blanks.text(data_NxF, asked.chain_TxF, (count,))
    return tuple(map(_last, decoder.whole(params, *text)[1]))

  def without_context(params, layers):
    return decoder.whole(params, tokens_NxF, seen_NxN, layers)

  def read(params, given):
    cache = decoder.prefill(given, asked.episode.support)
    return decoder.apply(params, tokens_NxF[-1:], cache)[0]

  return views.View(
    decoder.layers,
    bool(decoder.mlp),
    "softmax",
    1,
    jnp.ones(len(tokens_NxF), bool),
    seen_NxN,
    with_context,
    without_context,
    read,
    lambda outputs_RxF: loss(tokens_lib.weights(outputs_RxF[0]), asked.episode),
  )


def _last(block):
  """Activations of the last query alone."""
  by_head = ("scores_HxTxL", "mixed_HxTxA")
  rows = {
    name: value[:, -1:] if name in by_head else value[-1:]
    for name, value in block._asdict().items()
    if value is not None
  }
  return block._replace(**rows)
