"""Inner update rules. What is learned about a rule, `meta`, is a pytree.

A rule is `optax` with its numbers taken from `meta`, so that they can be
differentiated, stacked over seeds and trained by the outer loop. The argument
`alpha` is where a learned step size starts. Constructors give the same object
for the same arguments, so that what is compiled for one rule is compiled once.
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
import functools

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
    init: `(key, params, steps) -> meta`: the numbers that can be learned.
    transform: `(meta) -> optax.GradientTransformation`.
    at: `(meta, params) -> params`: the point at which the gradient is taken.
  """

  init: Callable[..., base.PyTree]
  transform: Callable[[base.PyTree], optax.GradientTransformation]
  at: Callable[[base.PyTree, base.PyTree], base.PyTree] = _here


def fixed(transform: optax.GradientTransformation) -> InnerOptimizer:
  """Any rule of optax, nothing about it learned: meta is ()."""
  return InnerOptimizer(lambda key, params, steps: (), lambda meta: transform)


@functools.cache
def sgd(alpha: float) -> InnerOptimizer:
  """w <- w - alpha grad L(w), one learned step size for all steps."""
  return _with_alpha(alpha, lambda meta: optax.scale(-meta["alpha"]))


@functools.cache
def per_step(alpha: float) -> InnerOptimizer:
  """w <- w - alpha_t grad L(w). Past the last step its size is repeated."""

  def init(key, params, steps):
    del key, params
    return {"alpha": jnp.full(max(steps, 1), alpha)}

  def transform(meta):
    # An index beyond the end is clamped.
    return optax.scale_by_schedule(lambda count: -meta["alpha"][count])

  return InnerOptimizer(init, transform)


@functools.cache
def meta_sgd(alpha: float) -> InnerOptimizer:
  """w <- w - alpha * grad L(w), elementwise (Meta-SGD, Li et al. 2017)."""

  def init(key, params, steps):
    del key, steps
    return {"alpha": jax.tree.map(lambda p: jnp.full_like(p, alpha), params)}

  def update(meta, grads):
    return jax.tree.map(lambda a, g: -a * g, meta["alpha"], grads)

  return InnerOptimizer(init, functools.partial(_stateless, update))


@functools.cache
def per_tensor(alpha: float) -> InnerOptimizer:
  """w_l <- w_l - alpha_l grad_l L(w), one learned step size for each leaf l."""

  def init(key, params, steps):
    del key, steps
    return {"alpha": jax.tree.map(lambda p: jnp.array(alpha, p.dtype), params)}

  def update(meta, grads):
    return jax.tree.map(lambda a, g: -a * g, meta["alpha"], grads)

  return InnerOptimizer(init, functools.partial(_stateless, update))


@functools.cache
def preconditioned(alpha: float) -> InnerOptimizer:
  """w <- w - P grad L(w), P over all parameters together."""

  def init(key, params, steps):
    del key, steps
    flat = flatten_util.ravel_pytree(params)[0]
    return {"P": alpha * jnp.eye(flat.size, dtype=flat.dtype)}

  def update(meta, grads):
    flat, unravel = flatten_util.ravel_pytree(grads)
    return unravel(-meta["P"] @ flat)

  return InnerOptimizer(init, functools.partial(_stateless, update))


@functools.cache
def block_preconditioned(alpha: float) -> InnerOptimizer:
  """w <- w - P_l grad_l L(w), a full P_l for each leaf l of the parameters."""

  def init(key, params, steps):
    del key, steps
    return {
      "P": jax.tree.map(
        lambda p: alpha * jnp.eye(p.size, dtype=p.dtype), params
      )
    }

  def update(meta, grads):
    return jax.tree.map(
      lambda p, g: -(p @ g.ravel()).reshape(g.shape), meta["P"], grads
    )

  return InnerOptimizer(init, functools.partial(_stateless, update))


@functools.cache
def shrunk(alpha: float, beta: float = 1.0) -> InnerOptimizer:
  """w <- w - alpha grad L(beta w): descent on a shrunk iterate."""
  rule = _with_alpha(alpha, lambda meta: optax.scale(-meta["alpha"]), beta=beta)

  def at(meta, params):
    return jax.tree.map(lambda p: meta["beta"] * p, params)

  return dataclasses.replace(rule, at=at)


@functools.cache
def momentum(alpha: float, mu: float = 0.0) -> InnerOptimizer:
  """Heavy ball (Polyak 1964): - alpha grad L(w) + mu (w - w_previous)."""

  def transform(meta):
    return optax.chain(optax.trace(meta["mu"]), optax.scale(-meta["alpha"]))

  return _with_alpha(alpha, transform, mu=mu)


@functools.cache
def adam(alpha: float) -> InnerOptimizer:
  """Adam (Kingma, Ba 2015) with a learned step size.

  A little is added under its square root: at a gradient of zero the root's
  own derivative is infinite, and the meta-gradient would be NaN.
  """

  def transform(meta):
    return optax.chain(
      optax.scale_by_adam(eps_root=1e-8), optax.scale(-meta["alpha"])
    )

  return _with_alpha(alpha, transform)


def clipped(rule: InnerOptimizer, norm: float) -> InnerOptimizer:
  """`rule` on gradients whose global norm is at most `norm`."""
  if not norm > 0:
    raise ValueError(f"clipped: norm = {norm}: must be positive")

  def transform(meta):
    return optax.chain(_clip(norm), rule.transform(meta))

  return dataclasses.replace(rule, transform=transform)


def _clip(norm: float) -> optax.GradientTransformation:
  def update(_, grads):
    square = sum(jnp.sum(g**2) for g in jax.tree.leaves(grads))
    # Not `optax.clip_by_global_norm`: the derivative of its root is NaN at a
    # gradient of zero.
    scale = norm * jax.lax.rsqrt(jnp.maximum(square, norm**2))
    return jax.tree.map(lambda g: g * scale, grads)

  return _stateless(update, None)


def _with_alpha(alpha: float, transform, **more: float) -> InnerOptimizer:
  """A rule whose learned numbers are scalars."""

  def init(key, params, steps):
    del key, params, steps
    numbers = {"alpha": alpha, **more}
    return {name: jnp.asarray(x, jnp.float32) for name, x in numbers.items()}

  return InnerOptimizer(init, transform)


def _stateless(update, meta) -> optax.GradientTransformation:
  """updates = update(meta, grads)."""
  return optax.GradientTransformation(
    lambda params: optax.EmptyState(),
    lambda grads, state, params=None: (update(meta, grads), state),
  )


# Every rule with learned numbers, by name: `(alpha) -> InnerOptimizer`.
TABLE = {
  "sgd": sgd,
  "per_step": per_step,
  "per_tensor": per_tensor,
  "meta_sgd": meta_sgd,
  "preconditioned": preconditioned,
  "block_preconditioned": block_preconditioned,
  "shrunk": shrunk,
  "momentum": momentum,
  "adam": adam,
}


def named(name: str, alpha: float) -> InnerOptimizer:
  """The rule of TABLE, by name.

  Raises:
    ValueError: there is none of that name.
  """
  if name not in TABLE:
    raise ValueError(f"inner rule {name!r}: known are {', '.join(TABLE)}")
  return TABLE[name](alpha)
