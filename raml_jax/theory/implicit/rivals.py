"""Update rules beside the path: which optimizer would have taken its steps?

Each rule sees the gradients along the model's own path, those of the present
and of the past, and proposes a direction; how long the steps are is for others
to fit. What they need is

    every rule                 |u|^2, <u, d>, |d|^2 of its direction d
    rules linear in gradients  all <u_i, s_j> and <s_i, s_j>, for any decay
    diagonal preconditioners   sum u s and sum s^2 of every coordinate

over all blocks and matrices that the form moves, taken together.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from raml_jax import base
from raml_jax.theory.implicit import alignments
from raml_jax.theory.implicit import paths

_EXACT = jax.lax.Precision.HIGHEST
_EPS = 1e-8  # Of Adam.


class Seen(NamedTuple):
  """Of one example; T tokens, A settings of Adam, N coordinates.

  Attributes:
    update_T: |u|^2.
    cross_TxT: <u_i, s_j>.
    slopes_TxT: <s_i, s_j>.
    both: by name of a rule that is not linear in the gradients, <u, d>: a T or,
      for "adam", AxT.
    square: |d|^2, likewise.
    product_N: sum over tokens of u s.
    square_N: sum over tokens of s^2.
  """

  update_T: base.Array
  cross_TxT: base.Array
  slopes_TxT: base.Array
  both: dict[str, base.Array]
  square: dict[str, base.Array]
  product_N: base.Array
  square_N: base.Array


def seen(
  model: Any,
  params: base.PyTree,
  asked: Any,
  prefix_P: base.Array,
  form: str,
  adam_Ax2: base.Array,
) -> Seen:
  """All that the rules are fitted and scored by.

  Args:
    model: a decoder.
    params: theta.
    asked: one example.
    prefix_P: counts of tokens, from 0.
    form: of the path.
    adam_Ax2: (b1, b2) of every setting.
  """
  path = paths.path(model, params, asked, prefix_P, form)
  u_TxN = _flat(alignments.increments(path, form))
  ways = ("full", "constrained", "layer_local")
  slopes = alignments.slopes_along(model, params, asked, path, form, ways)
  slopes = {name: _flat(weights) for name, weights in slopes.items()}
  s_TxN = slopes.pop("full")
  directions = {**slopes, "sign": jnp.sign(s_TxN)}
  both = {name: _dot(u_TxN, d_TxN) for name, d_TxN in directions.items()}
  square = {name: _dot(d_TxN, d_TxN) for name, d_TxN in directions.items()}

  def of_adam(b_2):
    d_TxN = adam(s_TxN, b_2[0], b_2[1])
    return _dot(u_TxN, d_TxN), _dot(d_TxN, d_TxN)

  both["adam"], square["adam"] = jax.lax.map(of_adam, adam_Ax2)
  return Seen(
    _dot(u_TxN, u_TxN),
    jnp.matmul(u_TxN, s_TxN.T, precision=_EXACT),
    jnp.matmul(s_TxN, s_TxN.T, precision=_EXACT),
    both,
    square,
    jnp.sum(u_TxN * s_TxN, 0),
    jnp.sum(s_TxN**2, 0),
  )


def adam(s_TxN: base.Array, b1, b2) -> base.Array:
  """Adam's directions with its bias corrected (Kingma, Ba 2015)."""

  def step(state, at):
    (m_N, v_N), (t, s_N) = state, at
    m_N = b1 * m_N + (1 - b1) * s_N
    v_N = b2 * v_N + (1 - b2) * s_N**2
    m, v = m_N / (1 - b1**t), v_N / (1 - b2**t)
    return (m_N, v_N), m / (jnp.sqrt(v) + _EPS)

  zero_N = jnp.zeros_like(s_TxN[0])
  t_T = 1.0 + jnp.arange(len(s_TxN), dtype=s_TxN.dtype)
  return jax.lax.scan(step, (zero_N, zero_N), (t_T, s_TxN))[1]


def momentum(
  cross_TxT: np.ndarray, slopes_TxT: np.ndarray, decay: float
) -> tuple[np.ndarray, np.ndarray]:
  """(<u, d>, |d|^2) of d_i = sum_{j <= i} decay^(i - j) s_j; leading axes stay.

  Args:
    cross_TxT: <u_i, s_j>.
    slopes_TxT: <s_i, s_j>.
    decay: 0 for plain gradient descent.
  """
  t = np.arange(cross_TxT.shape[-1])
  age_TxT = t[:, None] - t
  weight_TxT = np.where(age_TxT >= 0, float(decay) ** np.maximum(age_TxT, 0), 0)
  both_T = (cross_TxT * weight_TxT).sum(-1)
  square_T = np.einsum("ij,...jk,ik->...i", weight_TxT, slopes_TxT, weight_TxT)
  return both_T, square_T


def _flat(weights: alignments.Weights) -> base.Array:
  leaves = jax.tree.leaves(weights)
  return jnp.concatenate([w.reshape(len(w), -1) for w in leaves], axis=1)


def _dot(a_TxN, b_TxN):
  return jnp.einsum("tn,tn->t", a_TxN, b_TxN, precision=_EXACT)
