"""Prop. 2.1 of RaML (arXiv 2505.19815, appendix B): as it stands, and repaired.

It says that one attention layer whose last query is t's and which sees
[E_l; t] is a layer with other matrices whose last query is that of l's last
token e and which sees E_l (|l| x d) alone. Its proof has four defects:

1. It takes P with t P = e (13), but W_q' = P W_q needs e P = t.
2. W_k' = E_l^+ M^T E_l W_k (19) does not conform: d x |l| by (|l| + 1) x |l|.
3. Weights over |l| + 1 keys cannot be weights over |l| keys (18).
4. t = C E_l holds in the span of E_l only, by chance unless |l| >= d.

Here, with alpha the weights over |l| + 1 keys and beta those over |l|:

    literal   P as in (13), of least norm. What conforms in M^T is its identity
              block, with which W_k' and W_v' do on E_l what W_k and W_v do.
    repaired  P = e^T t / |e|^2. W_k stays, so that the weights are beta; what t
              adds goes into W_v' = E_l^+ ((1 - alpha_t) E_l + alpha_t 1 C E_l)
              W_v. Exact where t is in the span and the rows of E_l are
              independent: at |l| = d, as a rule. Below, t is outside the span;
              above, no W_v' sends every row where it should go.
    exact     P as above and W_v' = W_v + z^T (o - z W_v) / |z|^2, z = beta E_l,
              o the output wanted. It serves any o: that it exists proves
              nothing.

Biases of keys and values change nothing (weights sum to 1) and are left out;
that of queries is added behind W_q'.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from raml_jax import base
from raml_jax.models import gpt
from raml_jax.models import matrices
from raml_jax.theory import lapack
from raml_jax.theory.implicit import examples

_EXACT = jax.lax.Precision.HIGHEST


class Errors(NamedTuple):
  """What attention gives for one token t, |error| / |output wanted|.

  Attributes:
    length: |l|, the tokens before t.
    residual: |t - C E_l| / |t|.
    unchanged: the layer as it is, with e's query: nothing done.
    literal: see above.
    repaired: see above.
    exact: see above.
  """

  length: base.Array
  residual: base.Array
  unchanged: base.Array
  literal: base.Array
  repaired: base.Array
  exact: base.Array


def errors(x_LxC: base.Array, t, block: matrices.Matrices) -> Errors:
  """Of all heads together, for the token at place `t` and those before it.

  Args:
    x_LxC: what keys and values come from.
    t: 1 or more.
    block: whose attention.
  """
  before_L = jnp.arange(len(x_LxC)) < t
  e_LxC = jnp.where(before_L[:, None], x_LxC, 0.0)
  x_t, x_e = x_LxC[t], x_LxC[t - 1]
  inverse_CxL = lapack.pinv(e_LxC)
  span_C = _mm(_mm(x_t, inverse_CxL), e_LxC)
  # e P, for both directions of P.
  literal_C = _mm(x_e, jnp.outer(x_t, x_e)) / (x_t @ x_t)
  repaired_C = _mm(x_e, jnp.outer(x_e, x_t)) / (x_e @ x_e)

  def head(w_q_CxA, b_q_A, w_k_CxA, w_v_CxA):
    def scores(query_C, keys_LxC):
      query_A = (_mm(query_C, w_q_CxA) + b_q_A) / b_q_A.shape[0] ** 0.5
      return _mm(_mm(keys_LxC, w_k_CxA), query_A)

    def weights(query_C):
      score_L = scores(query_C, e_LxC)
      return jax.nn.softmax(jnp.where(before_L, score_L, -jnp.inf))

    score_L = jnp.where(before_L, scores(x_t, e_LxC), -jnp.inf)
    alpha = jax.nn.softmax(jnp.append(score_L, scores(x_t, x_t[None])))
    alpha_t, beta_L = alpha[-1], weights(repaired_C)
    wanted_A = _mm(_mm(alpha[:-1], e_LxC) + alpha_t * x_t, w_v_CxA)
    mixed_LxC = jnp.where(
      before_L[:, None], (1 - alpha_t) * e_LxC + alpha_t * span_C[None], 0.0
    )
    repaired_CxA = _mm(_mm(inverse_CxL, mixed_LxC), w_v_CxA)
    z_C = _mm(beta_L, e_LxC)
    lack_A = wanted_A - _mm(z_C, w_v_CxA)
    exact_CxA = w_v_CxA + jnp.outer(z_C / (z_C @ z_C), lack_A)
    got = (
      _mm(_mm(weights(x_e), e_LxC), w_v_CxA),
      _mm(_mm(weights(literal_C), e_LxC), w_v_CxA),
      _mm(z_C, repaired_CxA),
      _mm(z_C, exact_CxA),
    )
    return wanted_A, jnp.stack(got)

  wanted_AxH, got_4xAxH = jax.vmap(head, (1, 0, 1, 1), -1)(
    block.w_q_CxHxA, block.b_q_HxA, block.w_k_CxHxA, block.w_v_CxHxA
  )
  size = jnp.linalg.norm(wanted_AxH)
  off_4 = jnp.sqrt(jnp.sum((got_4xAxH - wanted_AxH[None]) ** 2, (1, 2))) / size
  residual = jnp.linalg.norm(x_t - span_C) / jnp.linalg.norm(x_t)
  return Errors(jnp.asarray(t), residual, *off_4)


def along(
  model: gpt.Model, params: base.PyTree, asked: examples.Example, l: int
) -> Errors:
  """For each token of the trajectory, in block `l`: leaves with an axis T.

  NaN where there is no token. Softmax attention only, and positions must be in
  the stream or nowhere: the proposition has no other.

  Raises:
    ValueError: the model is of another kind.
  """
  for name, allowed in (
    ("attention", ("softmax",)),
    ("positions", ("learned", "none", "abacus")),
  ):
    value = getattr(model.options, name)
    if value not in allowed:
      raise ValueError(f"{name}: {value!r} must be one of {allowed}")
  _, aux, _ = model.apply(params, asked.tokens_L[None])
  x_LxC = aux.blocks[l].normed_TxC[0]
  block = matrices.blocks(params)[l]
  found = jax.vmap(lambda t: errors(x_LxC, t, block))(
    jnp.maximum(asked.trajectory_T, 1)
  )
  return jax.tree.map(
    lambda leaf: jnp.where(asked.trajectory_T < 0, jnp.nan, leaf), found
  )


def _mm(a, b):
  return jnp.matmul(a, b, precision=_EXACT)
