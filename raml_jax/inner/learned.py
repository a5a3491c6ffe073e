"""An update rule that is learned whole: the coordinatewise LSTM.

Andrychowicz et al. 2016, "Learning to learn by gradient descent by gradient
descent". It is a rule like any other of `optimizers`: its `meta` are the
weights of the network, its optax state their hidden states.
"""

from __future__ import annotations

import functools

import jax
from jax import flatten_util
import jax.numpy as jnp
import optax

from raml_jax.inner import optimizers
from raml_jax.models import coordinatewise


@functools.cache
def lstm(
  layers: int = 2,
  width: int = 20,
  p: float | None = 10.0,
  scale: float = 0.1,
  first_order: bool = True,
) -> optimizers.InnerOptimizer:
  """w <- w + scale * LSTM(preprocess(grad L(w))), each coordinate by itself.

  Args:
    layers: of the LSTM.
    width: units of each layer.
    p: of the preprocessing (`coordinatewise.preprocess`); None for none.
    scale: of the update.
    first_order: as in the paper, the gradients that the network reads count as
      given: how they depend on the network's own earlier updates is dropped
      from its training, and with it every second derivative of the loss. False
      keeps all of it.
  """
  network = coordinatewise.network(layers, width, p, scale)

  def init(key, params, steps):
    del params, steps
    return network.init(key)

  def transform(meta):
    def blank(params):
      flat_P = flatten_util.ravel_pytree(params)[0]
      dtype = jnp.result_type(flat_P.dtype, coordinatewise.dtype_of(meta))
      return network.blank(flat_P.size, dtype)

    def update(grads, hidden, params=None):
      del params
      flat_P, unravel = flatten_util.ravel_pytree(grads)
      if first_order:
        flat_P = jax.lax.stop_gradient(flat_P)
      update_P, hidden = network.apply(meta, flat_P, hidden)
      return unravel(update_P.astype(flat_P.dtype)), hidden

    return optax.GradientTransformation(blank, update)

  return optimizers.InnerOptimizer(init, transform)
