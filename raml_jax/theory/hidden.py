"""Do two ways of learning from a trajectory change a model's states alike?

A trajectory can be seen in context, or descended by true gradient steps (FT).
Both change what the read-outs compute. Published measures of how alike, in raw
form, of changes and never of states, normalised or not:

    SimAOU    mean over layers of cos(h_context - h_plain, h_FT - h_plain), h
              the output of attention (Dai et al. 2023, as Deutch et al. 2024)
    SimAM_D   the same of attention before the softmax, over the keys that are
              there in all three
    Rec2FTP   of the questions that are wrong plain and right after FT, the
              share that is right in context

A cosine needs one basis, so it compares two modes of one model. Two models have
none in common: `cka` does not depend on it. And a probe that reads the answer
out of one mode's states can be tried on the other's.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from raml_jax import base
from raml_jax.models import gpt
from raml_jax.training import sequences


class States(NamedTuple):
  """What the read-outs compute; K blocks, R read-outs, H heads.

  Attributes:
    stream_KxRxC: the stream after every block.
    attention_KxRxC: what attention adds to it.
    scores_KxHxRxL: attention before the softmax; 0 for the trajectory's keys,
      which are not there without it.
  """

  stream_KxRxC: base.Array
  attention_KxRxC: base.Array
  scores_KxHxRxL: base.Array


def reads(one: sequences.Text, count: int) -> base.Array:
  """Places of the first `count` read-outs, which all texts must have."""
  return jnp.nonzero(one.answer_L, size=count)[0] - 1


def states(aux: gpt.Aux, one: sequences.Text, places_R: base.Array) -> States:
  """Of activations that `sequences.seen` gave."""
  blocks = [jax.tree.map(lambda a: a[0], block) for block in aux.blocks]
  place_1xL = jnp.arange(len(one.tokens_L))[None]
  shared_RxL = (place_1xL <= places_R[:, None]) & (one.line_L == 0)[None]
  return States(
    jnp.stack([block.output_TxC[places_R] for block in blocks]),
    jnp.stack([block.attention_TxC[places_R] for block in blocks]),
    jnp.stack(
      [
        jnp.where(shared_RxL[None], block.scores_HxTxL[:, places_R], 0.0)
        for block in blocks
      ]
    ),
  )


def cosine(one: base.Array, two: base.Array, plain: base.Array) -> base.Array:
  """cos(one - plain, two - plain) over the last axis; NaN where one is zero."""
  u, v = one - plain, two - plain
  size = jnp.sum(u * u, -1) * jnp.sum(v * v, -1)
  return jnp.sum(u * v, -1) / jnp.sqrt(jnp.where(size > 0, size, jnp.nan))


class Similarity(NamedTuple):
  """How alike two modes change one model's states: means over the read-outs.

  Attributes:
    stream_K: cosine of changes of the stream after every block.
    attention_K: of the output of attention; SimAOU is its mean.
    scores_K: of attention before the softmax, mean over heads; SimAM_D is its
      mean over the blocks where it is no NaN. Nothing in context changes the
      queries and keys of the first block.
  """

  stream_K: base.Array
  attention_K: base.Array
  scores_K: base.Array


def similarity(context: States, tuned: States, plain: States) -> Similarity:
  """Of a trajectory in context with one that was descended.

  Args:
    context: with the trajectory in context, no step taken.
    tuned: after the steps, with nothing in context.
    plain: neither.
  """
  stream_KxR, attention_KxR, scores_KxHxR = map(cosine, context, tuned, plain)
  return Similarity(
    jnp.mean(stream_KxR, 1),
    jnp.mean(attention_KxR, 1),
    jnp.mean(scores_KxHxR, (1, 2)),
  )


def rec2ftp(plain_B, tuned_B, context_B) -> float:
  """Rec2FTP of right answers; NaN where FT mends none."""
  mended_B = ~np.asarray(plain_B, bool) & np.asarray(tuned_B, bool)
  if not mended_B.any():
    return float("nan")
  return float(np.asarray(context_B, bool)[mended_B].mean())


def cka(x_NxC, y_NxD) -> float:
  """Linear CKA of N paired rows (Kornblith et al. 2019, eq. 3).

  1 for equal rows up to rotation and scale of either side. Of unrelated rows it
  is not 0 but grows with C D / N: draw the floor from rows paired at random.
  """
  x_NxC, y_NxD = (
    np.asarray(a, np.float64) - np.mean(a, axis=0, dtype=np.float64)
    for a in (x_NxC, y_NxD)
  )
  cross, own, other = (
    np.linalg.norm(a.T @ b)
    for a, b in ((x_NxC, y_NxD), (x_NxC, x_NxC), (y_NxD, y_NxD))
  )
  return float(cross**2 / (own * other)) if own * other > 0 else float("nan")


class Probe(NamedTuple):
  """A linear read-out of some label: scores = (x - mean) / scale @ w + b."""

  mean_C: np.ndarray
  scale_C: np.ndarray
  w_CxV: np.ndarray
  b_V: np.ndarray


def probe(x_NxC, labels_N, classes: int, ridge: float) -> Probe:
  """Ridge regression of one-hot labels on standardised states.

  Args:
    x_NxC: states.
    labels_N: 0 to classes - 1.
    classes: V.
    ridge: the penalty, times N.
  """
  x_NxC = np.asarray(x_NxC, np.float64)
  mean_C, scale_C = x_NxC.mean(0), x_NxC.std(0)
  scale_C = np.where(scale_C > 0, scale_C, 1.0)
  z_NxC = (x_NxC - mean_C) / scale_C
  y_NxV = np.eye(classes)[np.asarray(labels_N)]
  b_V = y_NxV.mean(0)
  gram_CxC = z_NxC.T @ z_NxC + ridge * len(z_NxC) * np.eye(z_NxC.shape[1])
  w_CxV = np.linalg.solve(gram_CxC, z_NxC.T @ (y_NxV - b_V))
  return Probe(mean_C, scale_C, w_CxV, b_V)


def accuracy(read: Probe, x_NxC, labels_N) -> float:
  """Share of the rows whose label has the highest score."""
  z_NxC = (np.asarray(x_NxC, np.float64) - read.mean_C) / read.scale_C
  found_N = np.argmax(z_NxC @ read.w_CxV + read.b_V, axis=1)
  return float(np.mean(found_N == np.asarray(labels_N)))
