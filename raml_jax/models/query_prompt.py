"""Linear self-attention on the query-token prompt (von Oswald et al. 2023).

Tokens e_i = (x_i, y_i), i = 1..N, and a query e_q = (x_q, 0). The query attends
to the N examples, not to itself (arXiv 2212.07677, eq. 3; `include_query=False`
in its code):

    e_q <- e_q + V G W e_q,   G = (1/N) sum_i e_i e_i^T
    prediction = -(last row of the updated e_q)

Here W is its W_K^T W_Q and V its P W_V; as in `attention`, the examples enter
only through G. The minus sign is the paper's: the layer turns every label into
a residual, y - (w_0 + dw) . x, which at the query, with y = 0 and w_0 = 0, is
-dw . x_q. Params are {"V": ExE, "W": ExE}, every entry trainable.

**What no prediction depends on.** The rows of V above the last and the last
column of W never reach it, and (s V, W / s) predicts what (V, W) does. So two
sets of weights with the same function may lie far apart, and the straight line
between them means nothing: between (V, W) and (-V, -W) it passes through the
zero predictor. `canonical` picks one representative of each function, with V's
last entry -1 as in the construction, and `interpolate` runs between those.
Where V's last rows are equal the squared loss is convex along that line, so
only a different mix of x in V or a worse end point can raise it.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from raml_jax import base


def init(key: base.Array, d: int, scale: float = 0.3) -> base.PyTree:
  """Random params, every entry from N(0, scale^2)."""
  v_ExE, w_ExE = scale * jax.random.normal(key, (2, d + 1, d + 1))
  return {"V": v_ExE, "W": w_ExE}


def predict(
  params: base.PyTree, support: base.Support, x_D: base.Array
) -> base.Array:
  """The prediction for one query of one task; `vmap` the rest."""
  query_E = jnp.append(x_D, jnp.zeros((), x_D.dtype))
  update_E = params["V"] @ (support.gram_ExE @ (params["W"] @ query_E))
  return -(query_E + update_E)[-1]


def construction(eta: float | base.Array, d: int) -> base.PyTree:
  """One step of gradient descent from w_0 = 0 (Prop. 1): eta (X y / N) . x_q.

  W is the identity on x and zero on y, V is -eta on y; here the step size
  stands in W, and -1 in V, so that the result is canonical.
  """
  w_ExE = jnp.zeros((d + 1, d + 1)).at[:d, :d].set(eta * jnp.eye(d))
  return {"V": jnp.zeros((d + 1, d + 1)).at[-1, -1].set(-1.0), "W": w_ExE}


def canonical(params: base.PyTree) -> base.PyTree:
  """The same function with no invisible entries and V's last entry -1.

  A function without a term in y (last entry of V zero) has no such form: the
  result is not finite.
  """
  v_E, w_ExE = params["V"][-1], params["W"]
  unit = -v_E[-1]
  return {
    "V": jnp.zeros_like(params["V"]).at[-1].set(v_E / unit),
    "W": (unit * w_ExE).at[:, -1].set(0.0),
  }


def interpolate(
  start: base.PyTree, end: base.PyTree, fraction: float | base.Array
) -> base.PyTree:
  """A point of the straight line between two functions' canonical params."""
  return jax.tree.map(
    lambda a, b: (1.0 - fraction) * a + fraction * b,
    canonical(start),
    canonical(end),
  )
