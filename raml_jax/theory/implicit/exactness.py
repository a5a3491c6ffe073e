"""How far theta'_i is from doing what it should.

Measured on the full text with its trajectory hidden, not on the short text from
which paths are built. All numbers are max |difference| / max |reference|.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from raml_jax import base
from raml_jax.models import gpt
from raml_jax.theory.implicit import examples
from raml_jax.theory.implicit import updates


class Errors(NamedTuple):
  """Relative errors; K blocks.

  Attributes:
    logits_P: of the read-outs, against theta with the prefix in context.
    streams_PxK: of their streams after every block, likewise.
    question_logits_P: of the question's tokens, against theta.
    question_streams_PxK: of their streams, likewise.
  """

  logits_P: base.Array
  streams_PxK: base.Array
  question_logits_P: base.Array
  question_streams_PxK: base.Array


def errors(
  model: gpt.Model,
  params: base.PyTree,
  asked: examples.Example,
  prefix_P: base.Array,
  path: updates.Path,
) -> Errors:
  """Compares every theta'_p, trajectory hidden, with theta and p tokens."""
  reads_L = _mask(asked.reads_R, asked.tokens_L)
  question_L = _mask(asked.question_Q, asked.tokens_L)

  def one(count, update):
    wanted = _compute(model, params, asked, count)
    # What the updates are for is hidden, whatever the count.
    got = _compute(model, updates.moved(params, update), asked, 0)
    return (*_off(got, wanted, reads_L), *_off(got, wanted, question_L))

  return Errors(*jax.vmap(one)(prefix_P, path))


def _compute(model, params, asked, count):
  """(logits_LxV, streams_KxLxC)."""
  seen_LxL = examples.visible(asked, count)
  logits_BxLxV, aux, _ = model.apply(
    params, asked.tokens_L[None], visible=seen_LxL[None]
  )
  streams_KxLxC = jnp.stack([block.output_TxC[0] for block in aux.blocks])
  return logits_BxLxV[0], streams_KxLxC


def _off(got, wanted, rows_L):
  """(logits, streams_K), relative errors over some rows."""

  def largest(x_LxC):
    return jnp.max(jnp.where(rows_L[:, None], jnp.abs(x_LxC), 0.0), (-2, -1))

  def off(x_LxC, y_LxC):
    return largest(x_LxC - y_LxC) / largest(y_LxC)

  return off(got[0], wanted[0]), jax.vmap(off)(got[1], wanted[1])


def _mask(places, tokens_L):
  length = tokens_L.shape[0]
  places = jnp.where(places < 0, length, places)
  return jnp.zeros(length, bool).at[places].set(True, mode="drop")
