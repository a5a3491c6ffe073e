"""Decoders on characters (`models.gpt`), asked about written text."""

from __future__ import annotations

import dataclasses
import functools

import jax.numpy as jnp

from raml_jax import base
from raml_jax.models import gpt
from raml_jax.theory.implicit import examples
from raml_jax.theory.implicit import views


def view(model: gpt.Model, asked: examples.Example) -> views.View:
  """The view of one example.

  Raises:
    ValueError: the model has loops, or computes in bfloat16.
  """
  options = model.options
  if options.loops != 1:
    raise ValueError(
      f"loops: {options.loops} must be 1, each block has an update of its own"
    )
  if options.dtype == "bfloat16":
    raise ValueError("dtype: 'bfloat16' must be 'float32' or None, to be exact")
  text = examples.short(model, asked)
  return views.View(
    options.layers,
    bool(options.mlp),
    options.attention,
    asked.reads_R.shape[-1],
    text.valid_N,
    jnp.tril(text.visible_NxN),
    functools.partial(with_context, model, asked),
    functools.partial(without_context, model, text),
    functools.partial(_read, model, text, len(asked.reads_R)),
    lambda logits_RxV: examples.answer_loss(logits_RxV, asked),
  )


def with_context(
  model: gpt.Model, asked: examples.Example, params: base.PyTree, count
) -> views.Blocks:
  """What the read-outs compute with the first `count` tokens in context."""
  seen_LxL = examples.visible(asked, count)
  _, aux, _ = model.apply(params, asked.tokens_L[None], visible=seen_LxL[None])
  return tuple(_rows(block, asked.reads_R) for block in aux.blocks)


def without_context(
  model: gpt.Model, text: examples.Short, params: base.PyTree, layers: int
) -> tuple[base.Array, views.Blocks]:
  """logits_NxV and activations of question and read-outs, none hidden."""
  logits_BxNxV, aux, _ = _lowest(model, layers).apply(
    params,
    text.tokens_N[None],
    positions=text.positions_N[None],
    visible=text.visible_NxN[None],
  )
  everyone_N = jnp.arange(len(text.tokens_N))
  return logits_BxNxV[0], tuple(_rows(b, everyone_N) for b in aux.blocks)


@functools.cache
def _lowest(model: gpt.Model, layers: int) -> gpt.Model:
  """The model of the first blocks alone; the params serve it as they are."""
  return gpt.gpt(dataclasses.replace(model.options, layers=layers))


def _rows(block, places_R):
  """Activations of some queries, without the batch axis."""
  by_head = ("scores_HxTxL", "mixed_HxTxA")
  rows = {
    name: value[0][:, places_R] if name in by_head else value[0][places_R]
    for name, value in block._asdict().items()
    if value is not None
  }
  return block._replace(**rows)


def _read(model, text, reads, params, given):
  """logits_RxV, the question's keys and values those of `given`."""
  cache = model.cache(given, 1, len(text.tokens_N))
  for part, who in (
    (slice(None, -reads), given),
    (slice(-reads, None), params),
  ):
    logits_BxTxV, _, cache = model.apply(
      who,
      text.tokens_N[part][None],
      positions=text.positions_N[part][None],
      visible=text.visible_NxN[part][None],
      cache=cache,
    )
  return logits_BxTxV[0]
