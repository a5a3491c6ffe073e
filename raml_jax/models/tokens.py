"""The weight-token prompt (Huang, Wang, Lee 2025, arXiv 2502.21212).

Rows (x | y | w | 1), F = 2d + 2: data columns (x_i, y_i, 0, 0), then one
column (0, 0, w_t, 1) per reasoning step, the first with w_0 = 0.
"""

from __future__ import annotations

import jax.numpy as jnp

from raml_jax import base


def width(d: int) -> int:
  """Rows of a token, F."""
  return 2 * d + 2


def weight_token(w: base.Array) -> base.Array:
  """(0, 0, w, 1) for w of shape [..., D]."""
  zeros = jnp.zeros((*w.shape[:-1], w.shape[-1] + 1), w.dtype)
  ones = jnp.ones((*w.shape[:-1], 1), w.dtype)
  return jnp.concatenate([zeros, w, ones], axis=-1)


def weights(token: base.Array) -> base.Array:
  """The w rows of a token of shape [..., F]."""
  d = token.shape[-1] // 2 - 1
  return token[..., d + 1 : 2 * d + 1]


def with_weights(token_F: base.Array, w_D: base.Array) -> base.Array:
  """The token with its w rows replaced, every other row kept."""
  d = w_D.shape[-1]
  return token_F.at[d + 1 : 2 * d + 1].set(w_D)


def data_tokens(pairs: base.Pairs) -> base.Array:
  """(x_i, y_i, 0, 0), as tokens_NxF."""
  xy_NxE = jnp.concatenate([pairs.x_NxD, pairs.y_N[:, None]], axis=-1)
  return jnp.pad(xy_NxE, ((0, 0), (0, xy_NxE.shape[-1])))
