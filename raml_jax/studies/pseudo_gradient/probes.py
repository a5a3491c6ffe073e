"""Whether the instrument works: exactness, identity, planted updates.

And what it rests on: how far RaML's own proposition is from holding, and how
much the path depends on how it is built.
"""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from raml_jax import base
from raml_jax.models import gpt
from raml_jax.studies.pseudo_gradient import texts
from raml_jax.theory import alignment
from raml_jax.theory.implicit import alignments
from raml_jax.theory.implicit import exactness
from raml_jax.theory.implicit import examples
from raml_jax.theory.implicit import gradients
from raml_jax.theory.implicit import paths
from raml_jax.theory.implicit import proposition
from raml_jax.theory.implicit import updates

FORMS = {"preserving": None, "rank_one": 1, "value": None}
PLANTED = (1.0, 0.0, -1.0)
_PLANTED_FORM = "preserving"
_PLANTED_STEP = 0.05  # The length of an update in lengths of the gradient.
# Each program runs a few times: compiling it is the larger part.
_QUICK = {"xla_backend_optimization_level": 0}


def exact(
  model: gpt.Model,
  params: base.PyTree,
  asked: texts.Asked,
  count: int,
  dtype: str,
) -> dict[str, np.ndarray]:
  """Relative errors of theta'_i, and those of two that are wrong by intent.

  P prefixes, B questions, K blocks.

  Returns:
    by form: FORM/logits_BxP, /streams_BxPxK, /question_BxP (logits); after the
    whole trajectory /wrong_sign_B, and /skipped_BxK without block k's update.
  """
  model = gpt.gpt(dataclasses.replace(model.options, dtype=None))
  out = {}
  with jax.enable_x64(dtype == "float64"):
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), params)
    for form, reads in FORMS.items():
      some_B = texts.first(texts.example(asked, "correct", reads), count)
      prefix_P = examples.token_prefixes(some_B)
      some_B = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.int32), some_B)
      run = _exact_program(model, form, len(prefix_P))
      found = jax.tree.map(np.asarray, run(params, some_B))
      right = len(prefix_P)
      out |= {
        f"{form}/logits_BxP": found.logits_P[:, :right],
        f"{form}/streams_BxPxK": found.streams_PxK[:, :right],
        f"{form}/question_BxP": found.question_logits_P[:, :right],
        f"{form}/wrong_sign_B": found.logits_P[:, right],
        f"{form}/skipped_BxK": found.logits_P[:, right + 1 :],
      }
  return out


@functools.cache
def _exact_program(model, form, count):
  layers = model.options.layers

  def one(params, asked):
    prefix_P = jnp.arange(count, dtype=jnp.int32)
    path = paths.path(model, params, asked, prefix_P, form)
    whole = jax.tree.map(lambda leaf: leaf[-1:], path)
    wrong = [_negated(whole)]
    for l in range(layers):
      skipped = jax.tree.map(jnp.zeros_like, whole[l])
      wrong.append((*whole[:l], skipped, *whole[l + 1 :]))
    path = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), path, *wrong)
    prefix_P = jnp.append(prefix_P, jnp.full(1 + layers, count - 1, jnp.int32))
    return exactness.errors(model, params, asked, prefix_P, path)

  def run(params, asked_B):
    return jax.lax.map(lambda asked: one(params, asked), asked_B)

  return jax.jit(run, compiler_options=_QUICK)


def _negated(path):
  """Every change with the opposite sign: one factor of each is turned."""

  def turned(update):
    def of(field):
      if isinstance(field, updates.Factors):
        return field._replace(right_KxJ=-field.right_KxJ)
      return None if field is None else -field

    return updates.Update(*map(of, update))

  return tuple(map(turned, path))


def planted(
  model: gpt.Model,
  params: base.PyTree,
  asked: texts.Asked,
  count: int,
  key: base.Array,
) -> dict[str, np.ndarray]:
  """Updates whose cosine with the descent direction is known.

  Real gradients at real theta'_i, and in the place of the path's updates ones
  made of the descent direction and of noise orthogonal to it, through the very
  functions that measure the path.

  Returns:
    wanted_C; cosine_CxBxT, share_CxBxT, step_CxBxT over all blocks and
    matrices; and step_C, the step size that was planted.
  """
  example_B = texts.first(texts.example(asked, "correct", None), count)
  shown = tuple(map(int, examples.token_prefixes(example_B)))
  noise = alignments.noise(
    key, alignments.shapes(params, _PLANTED_FORM, len(shown) - 1)
  )
  run = _planted_program(model, shown)
  found = run(params, jax.tree.map(jnp.asarray, example_B), noise)
  # All blocks and matrices together, the planted cosines in front.
  total = alignment.Moments(
    *(np.moveaxis(np.float64(leaf).sum((-2, -1)), 1, 0) for leaf in found)
  )
  return {
    "wanted_C": np.array(PLANTED),
    "step_C": _PLANTED_STEP * np.array(PLANTED),
    "cosine_CxBxT": alignment.cosine(total),
    "share_CxBxT": alignment.share(total),
    "step_CxBxT": alignment.step(total),
  }


# Compiled as measurements are, and not quickly: its sums are the instrument.
@functools.cache
def _planted_program(model, shown):
  prefix_P, way = np.asarray(shown, np.int32), "full"

  def one(params, asked, noise):
    path = paths.path(
      model, params, asked, jnp.asarray(prefix_P), _PLANTED_FORM
    )
    slopes = alignments.slopes_along(
      model, params, asked, path, _PLANTED_FORM, (way,)
    )
    flat_TxN, restore = _flattened(slopes[way])
    noise_TxN, _ = _flattened(noise)
    length_Tx1 = jnp.linalg.norm(flat_TxN, axis=1, keepdims=True)
    unit_TxN = flat_TxN / length_Tx1
    for _ in range(2):  # Once leaves a rest of rounding.
      along_Tx1 = jnp.sum(noise_TxN * unit_TxN, 1, keepdims=True)
      noise_TxN = noise_TxN - along_Tx1 * unit_TxN
    noise_TxN /= jnp.linalg.norm(noise_TxN, axis=1, keepdims=True)

    def moments(cosine):
      rest = jnp.sqrt(1 - cosine**2)
      u_TxN = (_PLANTED_STEP * length_Tx1) * (
        cosine * unit_TxN + rest * noise_TxN
      )
      return alignments.moments(restore(u_TxN), slopes[way])

    return jax.vmap(moments)(jnp.asarray(PLANTED))

  def run(params, asked_B, noise):
    return jax.lax.map(lambda asked: one(params, asked, noise), asked_B)

  return jax.jit(run)


def _flattened(weights):
  """(all of a token in one row, back again)."""
  leaves, tree = jax.tree.flatten(weights)
  ends = np.cumsum([leaf[0].size for leaf in leaves])

  def restore(rows_TxN):
    pieces = jnp.split(rows_TxN, ends[:-1], axis=1)
    return tree.unflatten(
      [piece.reshape(leaf.shape) for piece, leaf in zip(pieces, leaves)]
    )

  rows = [leaf.reshape(len(leaf), -1) for leaf in leaves]
  return jnp.concatenate(rows, axis=1), restore


def identity(
  model: gpt.Model, params: base.PyTree, asked: texts.Asked, count: int
) -> dict[str, np.ndarray]:
  """cos(dW_1, -grad W_1) beside cos(dz W_1, -delta), form `rank_one`.

  The gradient is that through the read-out's own computation.

  Returns:
    plain_BxTxK: the difference of the two, of dM_i at theta'_{i-1};
    hybrid_BxTxK: of all of theta'_i at the hybrid point; cosine_BxTxK: the
    former's cos(dW_1, -grad W_1); rebuilt_BxK: how far the path built step from
    step ends from this one, |difference of dW_1| / |dW_1|.
  """
  example_B = texts.first(texts.example(asked, "correct", 1), count)
  shown = tuple(map(int, examples.token_prefixes(example_B)))
  names = ("plain_BxTxK", "cosine_BxTxK", "hybrid_BxTxK", "rebuilt_BxK")
  run = _identity_program(model, shown)
  found = run(params, jax.tree.map(jnp.asarray, example_B))
  return dict(zip(names, map(np.asarray, found)))


@functools.cache
def _identity_program(model, shown):
  shown_P = np.asarray(shown, np.int32)

  def one(params, asked):
    prefix_P = jnp.asarray(shown_P)
    path = paths.path(model, params, asked, prefix_P, "rank_one")
    before = jax.tree.map(lambda leaf: leaf[:-1], path)
    after = jax.tree.map(lambda leaf: leaf[1:], path)
    at_before = updates.along(
      lambda p: gradients.at_reads(model, p, asked), params, before
    )
    at_hybrid = jax.vmap(
      lambda now: gradients.hybrid(model, params, asked, now)
    )(after)
    steps = updates.increments(path)
    chained = paths.chained(model, params, asked, prefix_P[1:], "rank_one")
    out = [], [], [], []
    for l in range(len(path)):
      # The right factor is dz W_1; of an increment, the difference of two.
      lack_TxM = jnp.sum(steps[l].w_1.right_KxJ, axis=1)
      dense = updates.dense(steps[l]).w_1_CxM
      whole, parts = _cosines(dense, lack_TxM, at_before[l])
      out[0].append(whole - parts)
      out[1].append(whole)
      lack_TxM = after[l].w_1.right_KxJ[:, 0]
      dense = updates.dense(after[l]).w_1_CxM
      whole, parts = _cosines(dense, lack_TxM, at_hybrid[l])
      out[2].append(whole - parts)
      other = jnp.sum(updates.dense(chained[l]).w_1_CxM, axis=0)
      apart = jnp.linalg.norm(other - dense[-1]) / jnp.linalg.norm(dense[-1])
      out[3].append(apart)
    return tuple(jnp.stack(values, axis=-1) for values in out)

  def run(params, asked_B):
    return jax.lax.map(lambda asked: one(params, asked), asked_B)

  return jax.jit(run, compiler_options=_QUICK)


def _cosines(dense_TxCxM, lack_TxM, gradient):
  def cosine(a, b):
    return -jnp.vdot(a, b) / (jnp.linalg.norm(a) * jnp.linalg.norm(b))

  of_tokens = jax.vmap(cosine)
  return (
    of_tokens(dense_TxCxM, gradient.w_1_CxM),
    of_tokens(lack_TxM, gradient.b_1_M),
  )


def published(
  model: gpt.Model, params: base.PyTree, asked: texts.Asked, count: int
) -> dict[str, np.ndarray]:
  """RaML's proposition 2.1 on the wordier texts, whose prefixes are longest.

  Returns:
    the fields of `proposition.Errors`, each BxTxK.
  """
  example_B = texts.first(texts.example(asked, "wordy", None), count)
  run = _published_program(model)
  found = run(params, jax.tree.map(jnp.asarray, example_B))
  return {
    f"{name}_BxTxK": np.asarray(value)
    for name, value in found._asdict().items()
  }


@functools.cache
def _published_program(model):
  def one(params, asked):
    found = [
      proposition.along(model, params, asked, l)
      for l in range(model.options.layers)
    ]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves, -1), *found)

  def run(params, asked_B):
    return jax.lax.map(lambda asked: one(params, asked), asked_B)

  return jax.jit(run, compiler_options=_QUICK)
