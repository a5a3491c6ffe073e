"""The true gradients of the answer's loss for the question alone.

The loss is the mean negative log-likelihood of the answer's tokens with the
trajectory hidden. Of each block, its own `matrices.Matrices` are differentiated
and returned; what nobody reads costs nothing under jit. For all theta'_p:

    updates.along(lambda p: gradients.of_loss(model, p, asked), params, path)

With one read-out, the gradient of b_1 is delta, that of W_1 is z delta^T where
only the read-out is differentiated.
"""

from __future__ import annotations

from typing import Any

import jax

from raml_jax import base
from raml_jax.models import matrices
from raml_jax.theory.implicit import kinds
from raml_jax.theory.implicit import updates

Gradients = tuple[matrices.Matrices, ...]


def loss(model: Any, params: base.PyTree, asked: Any) -> base.Array:
  """The answer's loss without the trajectory."""
  return _loss(kinds.view(model, asked), params)


def of_loss(model: Any, params: base.PyTree, asked: Any) -> Gradients:
  """Back-propagated in full, through the question's tokens too."""
  view = kinds.view(model, asked)
  return jax.grad(lambda blocks: _loss(view, _with_blocks(params, blocks)))(
    matrices.blocks(params)
  )


def at_reads(model: Any, params: base.PyTree, asked: Any) -> Gradients:
  """Through the read-outs' own computation: what the question says is given."""
  view = kinds.view(model, asked)
  given = jax.lax.stop_gradient(params)

  def of(blocks):
    return view.loss(view.read(_with_blocks(params, blocks), given))

  return jax.grad(of)(matrices.blocks(params))


def layer_local(model: Any, params: base.PyTree, asked: Any) -> Gradients:
  """Each block's gradient of a loss of its own, as if no block followed.

  The answer is read out of the stream right after the block, by the final norm
  and read-out; the blocks below are given. A token's update of a block cannot
  depend on later blocks, nor does this.
  """
  view = kinds.view(model, asked)

  def one(l):
    def of(block):
      return _loss(view, matrices.with_block(params, l, block), l + 1)

    return jax.grad(of)(matrices.blocks(params)[l])

  return tuple(one(l) for l in range(view.layers))


def hybrid(
  model: Any, params: base.PyTree, asked: Any, path: updates.Path
) -> Gradients:
  """`at_reads` of each block, with only the blocks below it updated.

  There cos(dW_1, -grad W_1) = cos(dz W_1, -delta) in every block for one
  read-out and the form `rank_one`: both have the right z.

  Args:
    model: a decoder that has a view (`kinds.TABLE`).
    params: theta, from which the path was built.
    asked: one example.
    path: without its leading axis.
  """

  def one(l):
    below = updates.moved(params, path[:l])
    return at_reads(model, below, asked)[l]

  return tuple(one(l) for l in range(len(path)))


def _loss(view, params, layers=None):
  layers = view.layers if layers is None else layers
  outputs_NxV, _ = view.without_context(params, layers)
  return view.loss(outputs_NxV[-view.reads :])


def _with_blocks(params, blocks):
  for l, block in enumerate(blocks):
    params = matrices.with_block(params, l, block)
  return params
