"""Every token's update beside the true directions of descent.

dM_p = theta'_p - theta'_{p-1}, and -grad L at theta'_{p-1}, block by block and
matrix by matrix, as the inner products that `theory.alignment` reads. Only
these are kept: the updates themselves are as large as the model, every one.

Yardsticks, all of the answer's loss for the question alone:

    full         back-propagated in full
    constrained  the part of it that leaves the question's tokens alone: the
                 steepest way down among the updates that `preserving` can make
    at_reads     through the read-outs' own computation
    layer_local  of each block, as if none followed

Stand-ins are other updates, against the very same slopes:

    other        those of another question of the batch, at the same token
    random       of random direction and the same length
    steps        the model's own, of several tokens at once
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from raml_jax import base
from raml_jax.models import matrices
from raml_jax.theory import alignment
from raml_jax.theory.implicit import duals
from raml_jax.theory.implicit import gradients
from raml_jax.theory.implicit import kinds
from raml_jax.theory.implicit import paths
from raml_jax.theory.implicit import updates

YARDSTICKS = ("full", "constrained", "at_reads", "layer_local")
# What a form moves and is compared in.
MATRICES = {
  "rank_one": ("w_1_CxM",),
  "preserving": ("w_1_CxM", "w_2_MxC"),
  "value": ("w_v_CxHxA",),
}
_KINDS = {
  "full": gradients.of_loss,
  "at_reads": gradients.at_reads,
  "layer_local": gradients.layer_local,
}
_EXACT = jax.lax.Precision.HIGHEST

# One entry per block: one array per matrix.
Weights = tuple[tuple[base.Array, ...], ...]


class Aligned(NamedTuple):
  """Moments of T = P - 1 tokens, K blocks, W matrices; yardsticks by name.

  Attributes:
    update_TxKxW: |dM|^2.
    both: <dM, s>, a TxKxW for every yardstick.
    slope: |s|^2, likewise.
    loss_P: of the answer at every theta'_p, for the question alone.
    stand_ins: by name, the same three of `alignment.Moments` with fields of
      dicts, but that `update` is one array.
  """

  update_TxKxW: base.Array
  both: dict[str, base.Array]
  slope: dict[str, base.Array]
  loss_P: base.Array
  stand_ins: dict[str, alignment.Moments]


def batch(
  model: Any,
  params: base.PyTree,
  asked_B: Any,
  prefix_P: base.Array,
  form: str,
  yardsticks: tuple[str, ...],
  noise: Weights | None = None,
  ends: tuple[int, ...] = (),
) -> Aligned:
  """Measures a batch; every leaf gets a leading axis B.

  Args:
    model: a decoder.
    params: theta.
    asked_B: examples, the same tokens of which have the same part.
    prefix_P: counts of tokens, from 0; their differences are what is measured.
    form: of the path.
    yardsticks: some of YARDSTICKS.
    noise: of `noise`, for the stand-in "random"; None for neither of the two.
    ends: entries of `prefix_P`, the first of them 0, between which lie longer
      steps, measured as the stand-in "steps"; empty for none.
  """

  def one(asked):
    path = paths.path(model, params, asked, prefix_P, form)
    loss_P = updates.along(
      lambda p: gradients.loss(model, p, asked), params, path
    )
    slopes = slopes_along(model, params, asked, path, form, yardsticks)
    # Longer steps start where some of the short ones do.
    longer = None
    if ends:
      at = np.array(ends)
      longer = (
        increments(jax.tree.map(lambda leaf: leaf[at], path), form),
        jax.tree.map(lambda leaf: leaf[at[:-1]], slopes),
      )
    return increments(path, form), slopes, loss_P, longer

  steps_B, slopes_B, loss_BxP, longer_B = jax.vmap(one)(asked_B)
  every = jax.vmap(moments)
  own = {name: every(steps_B, s) for name, s in slopes_B.items()}
  stand_ins = {}
  if longer_B is not None:
    found = {name: every(longer_B[0], s) for name, s in longer_B[1].items()}
    stand_ins["steps"] = _by_field(found)
  if noise is not None:
    others = {
      "other": jax.tree.map(lambda leaf: jnp.roll(leaf, 1, 0), steps_B),
      "random": jax.vmap(_as_long, (0, None))(steps_B, noise),
    }
    for name, other_B in others.items():
      found = {key: every(other_B, s) for key, s in slopes_B.items()}
      stand_ins[name] = _by_field(found)
  return Aligned(*_by_field(own), loss_BxP, stand_ins)


def _by_field(found):
  first = next(iter(found.values()))
  return alignment.Moments(
    first.update,
    {name: m.both for name, m in found.items()},
    {name: m.slope for name, m in found.items()},
  )


def increments(path: updates.Path, form: str) -> Weights:
  """dM_p in full, of what the form moves: leaves with an axis T."""
  return chosen(tuple(map(updates.dense, updates.increments(path))), form)


def chosen(of_blocks: gradients.Gradients, form: str) -> Weights:
  """What the form moves, of matrices or their gradients."""
  return tuple(
    tuple(getattr(block, name) for name in MATRICES[form])
    for block in of_blocks
  )


def slopes_along(
  model: Any,
  params: base.PyTree,
  asked: Any,
  path: updates.Path,
  form: str,
  yardsticks: tuple[str, ...],
) -> dict[str, Weights]:
  """-grad L at every theta'_p but the last: leaves with an axis T."""
  before = jax.tree.map(lambda leaf: leaf[:-1], path)
  needed = {"full" if y == "constrained" else y for y in yardsticks}
  found = {}
  for kind in sorted(needed):
    gradient = updates.along(
      lambda p, kind=kind: _KINDS[kind](model, p, asked), params, before
    )
    found[kind] = jax.tree.map(jnp.negative, chosen(gradient, form))
  if "constrained" in yardsticks:
    found["constrained"] = _off_the_question(
      model, params, asked, found["full"], form
    )
  return {name: found[name] for name in yardsticks}


def _off_the_question(model, params, asked, slopes, form):
  """Without what would move the question's own activations, at theta."""
  view = kinds.view(model, asked)
  _, blocks = view.without_context(params, view.layers)
  inputs = {"w_1_CxM": "z_TxC", "w_2_MxC": "hidden_TxM"}
  valid_Qx1 = view.valid_N[: -view.reads, None]

  def off(slope_TxIxJ, rows_NxI):
    rows_QxI = jnp.where(valid_Qx1, rows_NxI[: -view.reads], 0.0)
    basis_QxI = duals.orthonormal(rows_QxI)
    inside = jnp.einsum("qi,tij->tqj", basis_QxI, slope_TxIxJ, precision=_EXACT)
    return slope_TxIxJ - jnp.einsum(
      "qi,tqj->tij", basis_QxI, inside, precision=_EXACT
    )

  return tuple(
    tuple(
      off(slope, getattr(block, inputs[name]))
      for slope, name in zip(of_block, MATRICES[form])
    )
    for of_block, block in zip(slopes, blocks)
  )


def noise(key: base.Array, like: Weights) -> Weights:
  """Standard normal numbers of the same shapes."""
  leaves, tree = jax.tree.flatten(like)
  keys = jax.random.split(key, len(leaves))
  return tree.unflatten(
    [jax.random.normal(k, x.shape, x.dtype) for k, x in zip(keys, leaves)]
  )


def shapes(params: base.PyTree, form: str, tokens: int) -> Weights:
  """Shapes and dtypes of the updates of so many tokens."""
  return jax.tree.map(
    lambda w: jax.ShapeDtypeStruct((tokens, *w.shape), w.dtype),
    chosen(matrices.blocks(params), form),
  )


def _as_long(steps, noise):
  """The noise, each piece as long as the update it stands in for."""

  def scaled(step, draw):
    length = jnp.sqrt(jnp.vdot(step, step) / jnp.vdot(draw, draw))
    return length * draw

  return jax.tree.map(jax.vmap(scaled), steps, noise)


def moments(steps: Weights, slopes: Weights) -> alignment.Moments:
  """Of every token, block and matrix: leaves TxKxW."""

  def one(step, slope):
    return alignment.moments(step, -slope)

  found = [
    [jax.vmap(one)(u, s) for u, s in zip(step, slope)]
    for step, slope in zip(steps, slopes)
  ]
  rows = [
    jax.tree.map(lambda *leaves: jnp.stack(leaves, -1), *row) for row in found
  ]
  return jax.tree.map(lambda *leaves: jnp.stack(leaves, -2), *rows)
