"""Inner update rules. What is learned about a rule, `meta`, is a pytree.

A rule is `optax` with its numbers taken from `meta`, so that they can be
differentiated, stacked over seeds and trained by the outer loop.
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses

import jax
from jax import flatten_util
import jax.numpy as jnp
import optax

from raml_jax import base


def _here(meta, params):
  del meta
  return params


@dataclasses.dataclass(frozen=True)
class InnerOptimizer:
  """A fixed or learned update rule.

  Attributes:
    init: `(params, steps, alpha) -> meta`: every step size starts at alpha.
    transform: `(meta) -> optax.GradientTransformation`.
    at: `(meta, params) -> params`: the point at which the gradient is taken.
  """

  init: Callable[..., base.PyTree]
  transform: Callable[[base.PyTree], optax.GradientTransformation]
  at: Callable[[base.PyTree, base.PyTree], base.PyTree] = _here


def _sgd_init(params, steps, alpha):
  del params, steps
  return {"alpha": jnp.asarray(alpha, jnp.float32)}


def _sgd(meta):
  return optax.scale(-meta["alpha"])


def _per_step_init(params, steps, alpha):
  del params
  return {"alpha": jnp.full(steps, alpha)}


def _per_step(meta):
  # Past the last step the last step size is repeated (an index is clamped).
  return optax.scale_by_schedule(lambda count: -meta["alpha"][count])


def _per_coordinate_init(params, steps, alpha):
  del steps
  return {"alpha": jax.tree.map(lambda p: jnp.full_like(p, alpha), params)}


def _per_coordinate(meta):
  def update(grads, state, params=None):
    del params
    return jax.tree.map(lambda a, g: -a * g, meta["alpha"], grads), state

  return optax.GradientTransformation(lambda _: optax.EmptyState(), update)


def _preconditioned_init(params, steps, alpha):
  del steps
  size = flatten_util.ravel_pytree(params)[0].size
  return {"P": alpha * jnp.eye(size)}


def _preconditioned(meta):
  def update(grads, state, params=None):
    del params
    flat, unravel = flatten_util.ravel_pytree(grads)
    return unravel(-meta["P"] @ flat), state

  return optax.GradientTransformation(lambda _: optax.EmptyState(), update)


def _shrunk_init(params, steps, alpha):
  return {**_sgd_init(params, steps, alpha), "beta": jnp.ones(())}


def _shrunk_at(meta, params):
  return jax.tree.map(lambda p: meta["beta"] * p, params)


def _momentum_init(params, steps, alpha):
  return {**_sgd_init(params, steps, alpha), "mu": jnp.zeros(())}


def _momentum(meta):
  return optax.chain(optax.trace(meta["mu"]), optax.scale(-meta["alpha"]))


# w <- w - alpha grad L(w), one step size shared by all steps.
SGD = InnerOptimizer(_sgd_init, _sgd)
# w <- w - alpha_t grad L(w).
PER_STEP = InnerOptimizer(_per_step_init, _per_step)
# w <- w - alpha * grad L(w), elementwise (Meta-SGD, Li et al. 2017).
PER_COORDINATE = InnerOptimizer(_per_coordinate_init, _per_coordinate)
# w <- w - P grad L(w), P over all parameters together.
PRECONDITIONED = InnerOptimizer(_preconditioned_init, _preconditioned)
# w <- w - alpha grad L(beta w): gradient descent on a shrunk iterate.
SHRUNK = InnerOptimizer(_shrunk_init, _sgd, _shrunk_at)
# Heavy ball (Polyak 1964): w <- w - alpha grad L(w) + mu (w - w_previous).
MOMENTUM = InnerOptimizer(_momentum_init, _momentum)

TABLE = {
  "shared": SGD,
  "per_step": PER_STEP,
  "per_coordinate": PER_COORDINATE,
  "preconditioner": PRECONDITIONED,
  "shrunk": SHRUNK,
}
