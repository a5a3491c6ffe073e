"""What one token does to linear attention, as a change of its parameters.

One layer of linear self-attention has no MLP; what it writes is w + V g, g its
read vector. Let g be the x rows of what the start token (0, 0, w_0 = 0, 1)
reads of the data alone, and a what the question alone is answered. Then

    dV_31 = (w_{i+1} - a) g^T / |g|^2

is the smallest change with which the question alone is answered as it is with
the chain w_1 .. w_i in context: theta'_i. For a chain that the model writes
itself a = w_1 and theta'_0 = theta. Steps are dM_i = theta'_i -
theta'_{i-1} = (w_{i+1} - w_i) g^T / |g|^2, and since -grad of any loss of the
answer at theta'_{i-1} is -(grad_w at w_i) g^T,

    cos(dM_i, -grad |w - w*|^2 / 2) = cos(w_{i+1} - w_i, w* - w_i)
    cos(dM_i, -grad L)              = cos(w_{i+1} - w_i, -grad L(w_i)).

The factor 1 / |g|^2 differs from question to question. So even descent, whose
cosine is 1, is not explained by one step size in these parameters; it is in the
space of w, where the same two losses are compared as they are.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from raml_jax import base
from raml_jax.models import tokens as tokens_lib
from raml_jax.theory import alignment
from raml_jax.theory.implicit import weight_tokens


def path(
  model: base.Model, params: base.PyTree, support: base.Support, w_KxD
) -> base.Array:
  """theta'_0 .. theta'_{K-1} as changes of V_31: dV_KxDxD.

  Args:
    model: one layer of `attention.linear_attention`.
    params: theta.
    support: of one question.
    w_KxD: what is written after every prefix of the chain, w_1 .. w_K; by the
      model itself or by somebody else.
  """
  d = w_KxD.shape[1]

  def ahead(v_31_DxD):
    return answer(model, params, support, v_31_DxD)

  # The answer is linear in V_31: what a unit row of it reads is g.
  zeros_DxD = jnp.zeros((d, d), w_KxD.dtype)
  g_D = jax.jacobian(ahead)(zeros_DxD)[0, 0]
  lack_KxD = w_KxD - ahead(zeros_DxD)[None]
  return lack_KxD[:, :, None] * (g_D / (g_D @ g_D))[None, None]


def answer(
  model: base.Model,
  params: base.PyTree,
  support: base.Support,
  change_DxD: base.Array,
) -> base.Array:
  """What the question alone is answered under V_31 + change: w_D."""
  d = change_DxD.shape[0]
  layer = params["layer_0"]
  v_FxF = layer["V"].at[d + 1 : 2 * d + 1, :d].add(change_DxD)
  moved = {"layer_0": {**layer, "V": v_FxF}}
  start_1xF = tokens_lib.weight_token(jnp.zeros((1, d), change_DxD.dtype))
  out_1xF, _ = model.apply(moved, start_1xF, model.prefill(moved, support))
  return tokens_lib.weights(out_1xF[0])


def in_parameters(
  model: base.Model,
  params: base.PyTree,
  episode: base.Episode,
  w_KxD: base.Array,
  loss: str,
) -> alignment.Moments:
  """Steps of the path against true gradients in V_31, for i = 1 .. K - 1.

  Args:
    model: one layer of `attention.linear_attention`.
    params: theta.
    episode: one question.
    w_KxD: w_1 .. w_K.
    loss: a key of `weight_tokens.LOSSES`, of the question's answer.
  """
  of_w = weight_tokens.LOSSES[loss]
  path_KxDxD = path(model, params, episode.support, w_KxD)

  def slope(change_DxD):
    w_D = answer(model, params, episode.support, change_DxD)
    return of_w(w_D, episode)

  gradient = jax.vmap(jax.grad(slope))(path_KxDxD[:-1])
  return jax.vmap(alignment.moments)(jnp.diff(path_KxDxD, axis=0), gradient)


def in_weights(
  episode: base.Episode, w_KxD: base.Array, loss: str
) -> alignment.Moments:
  """The same in the space of w: w_{i+1} - w_i against -grad at w_i."""
  of_w = weight_tokens.LOSSES[loss]
  gradient = jax.vmap(jax.grad(lambda w_D: of_w(w_D, episode)))(w_KxD[:-1])
  return jax.vmap(alignment.moments)(jnp.diff(w_KxD, axis=0), gradient)
