"""Imitation by one layer of linear attention, all of it for the whole batch.

Under teacher forcing no step depends on what the model wrote before: step t is
a function of the teacher's w_0 .. w_t alone. So the error of step t and its
gradient are taken together, in one sweep over t, and nothing is kept for a
backward pass. Two more facts save work:

- the tokens (0, 0, w_t, 1) are zero in their first E rows: only u_t = (w_t, 1)
  and the columns of W that meet it take part;
- a token reads through a symmetric matrix, q -> (G q_1, C_t q_2) with G the
  moments of the data and C_t those of u_0 .. u_t, so reading is its own
  transpose.

The batch is the last axis of every array: XLA on CPU then takes each product
for 16 tasks at once, where a batch of small matrix products goes one by one.
`imitation` equals `objectives.imitation`, and `Taught` equals `sources.Taught`
with `teachers.linear`, to rounding.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

from raml_jax import base
from raml_jax.tasks import regression
from raml_jax.training import loop


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Taught:
  """Fresh episodes with the path w - P grad L(w) through each.

  Attributes:
    task: the family of tasks.
    p_DxD: P; eta I for gradient descent.
    steps: K, tokens the teacher writes.
    size: episodes per batch.
  """

  task: regression.LinearRegression
  p_DxD: base.Array
  steps: int = dataclasses.field(metadata={"static": True})
  size: int = dataclasses.field(metadata={"static": True})

  def batch(self, key: base.Array) -> tuple[base.Episode, base.Array]:
    """(episodes, w_BxTxD), T = K + 1."""
    episodes = self.task.sample(key, self.size)
    return episodes, self.paths(episodes)

  def paths(self, episodes: base.Episode) -> base.Array:
    """What the teacher writes for these episodes, w_BxTxD."""
    gram_ExExB = jnp.moveaxis(episodes.support.gram_ExE, 0, -1)
    rows_DxExB = jnp.tensordot(self.p_DxD, gram_ExExB[:-1], axes=1)
    columns_ExDxB = rows_DxExB.swapaxes(0, 1)

    def step(w_DxB, _):
      w_DxB += columns_ExDxB[-1] - _product(columns_ExDxB[:-1], w_DxB)
      return w_DxB, w_DxB

    start_DxB = jnp.zeros_like(episodes.latent_D.T)
    _, w_KxDxB = jax.lax.scan(step, start_DxB, length=self.steps)
    w_TxDxB = jnp.concatenate([start_DxB[None], w_KxDxB])
    return jnp.moveaxis(w_TxDxB, -1, 0)


def imitation() -> loop.Objective:
  """`objectives.imitation` for `attention.linear_attention` of one layer.

  The batch is (episodes, w_BxTxD), as there.
  """

  def grads(params, extra, batch, key):
    del key
    episodes, w_BxTxD = batch
    loss, gradient = loss_and_gradient(
      params["layer_0"], episodes.support, w_BxTxD
    )
    return {"layer_0": gradient}, {"loss": loss}, extra

  return loop.Objective(init_extra=lambda params: (), grads=grads)


def loss_and_gradient(
  layer: base.PyTree, support: base.Support, w_BxTxD: base.Array
) -> tuple[base.Array, base.PyTree]:
  """Mean squared error of the next token, and its gradient.

  Args:
    layer: {"V": V_FxF, "W": W_FxF}.
    support: of B tasks.
    w_BxTxD: what the teacher wrote, the start included, T = K + 1.

  Returns:
    The error of token t + 1 summed over its rows and averaged over tasks and
    steps, and its gradient, like `layer`.
  """
  batch, length, d = w_BxTxD.shape
  e = d + 1
  gram_ExExB = jnp.moveaxis(support.gram_ExE, 0, -1)
  w_TxDxB = jnp.moveaxis(w_BxTxD, 0, -1)
  v_FxF, w_FxE = layer["V"], layer["W"][:, e:]
  v_transposed_FxF = v_FxF.T

  def step(carry, next_DxB):
    loss, dv_FxF, dw_FxE, past_ExExB, now_DxB = carry
    u_ExB = jnp.pad(now_DxB, ((0, 1), (0, 0)), constant_values=1.0)
    past_ExExB += u_ExB[:, None] * (u_ExB / support.n[None])[None]

    def read(q_FxB):
      # Written into a buffer, or XLA would read again for each use.
      read_FxB = jnp.zeros_like(q_FxB)
      read_FxB = read_FxB.at[:e].set(_product(gram_ExExB, q_FxB[:e]))
      return read_FxB.at[e:].set(_product(past_ExExB, q_FxB[e:]))

    read_FxB = read(w_FxE @ u_ExB)
    change_FxB = jnp.pad(next_DxB - now_DxB, ((e, 1), (0, 0)))
    error_FxB = v_FxF @ read_FxB - change_FxB
    back_FxB = read(v_transposed_FxF @ error_FxB)
    loss += jnp.sum(error_FxB**2)
    dv_FxF += jnp.einsum("fb,gb->fg", error_FxB, read_FxB)
    dw_FxE += jnp.einsum("fb,eb->fe", back_FxB, u_ExB)
    return (loss, dv_FxF, dw_FxE, past_ExExB, next_DxB), None

  zero = jnp.zeros((), gram_ExExB.dtype)
  zeros = jax.tree.map(jnp.zeros_like, (zero, v_FxF, w_FxE, gram_ExExB))
  (loss, dv_FxF, dw_FxE, *_), _ = jax.lax.scan(
    step, (*zeros, w_TxDxB[0]), w_TxDxB[1:]
  )
  share = 1.0 / (batch * (length - 1))
  dw_FxF = jnp.pad(dw_FxE, ((0, 0), (e, 0)))
  return share * loss, {
    "V": 2.0 * share * dv_FxF,
    "W": 2.0 * share * dw_FxF,
  }


def _product(m_ExExB: base.Array, q_ExB: base.Array) -> base.Array:
  """The symmetric matrix of each task times its vector; or sum_i q_i m_i.

  Written out, one i after another: `einsum` would become a batch of small
  matrix products, a `sum` over an axis a reduction; both are slower on CPU.
  """
  return sum(
    m_ExB * q_B[None] for m_ExB, q_B in zip(m_ExExB, q_ExB, strict=True)
  )
