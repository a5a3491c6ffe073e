"""Estimators of the meta-gradient of one task.

Each makes a scalar whose gradient with respect to theta is the estimate, so
that averaging over tasks and micro-batching are the same for all. theta is
{"start": parameters, "meta": the rule's numbers}; w_K(theta) is the end of the
inner loop, L_q the query loss, L_s the support loss.
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
from typing import NamedTuple

import jax
from jax import flatten_util
import jax.numpy as jnp

from raml_jax import base
from raml_jax.inner import conjugate
from raml_jax.inner import loop
from raml_jax.inner import masks
from raml_jax.inner import optimizers


@dataclasses.dataclass(frozen=True)
class Inner:
  """One task, and how it is adapted to.

  Attributes:
    support_loss: `(params) -> scalar`, what the inner loop descends.
    query_loss: `(params) -> scalar`, what adaptation is judged by.
    rule: the update rule.
    steps: K.
    mask: like the params: what moves.
    strength: lambda of the term lambda/2 |w - start|^2 beside the support loss.
  """

  support_loss: loop.Loss
  query_loss: loop.Loss
  rule: optimizers.InnerOptimizer
  steps: int
  mask: base.PyTree
  strength: float = 0.0

  def descended_loss(self, start: base.PyTree) -> loop.Loss:
    """The support loss of what moves, the proximal term included."""
    moving_start, still = masks.split(start, self.mask)

    def loss(moving):
      value = self.support_loss(masks.merge(moving, still))
      if self.strength:
        away = jax.tree.map(jnp.subtract, moving, moving_start)
        value += 0.5 * self.strength * _dot(away, away)
      return value

    return loss

  def descend(
    self, theta: base.PyTree, **options: bool
  ) -> tuple[base.PyTree, base.Array]:
    """(w_K, losses_K); for the options see `loop.descend`."""
    start = theta["start"]
    moving, still = masks.split(start, self.mask)
    moving, losses_K = loop.descend(
      self.descended_loss(start),
      moving,
      self.rule,
      theta["meta"],
      self.steps,
      **options,
    )
    return masks.merge(moving, still), losses_K


class Report(NamedTuple):
  """What is known of one task besides the estimate.

  Attributes:
    loss: L_q(w_K).
    losses_K: the loss descended, where each inner step took its gradient.
    metrics: more, by name.
  """

  loss: base.Array
  losses_K: base.Array
  metrics: dict[str, base.Array]


@dataclasses.dataclass(frozen=True)
class MetaGradient:
  """An estimator.

  Attributes:
    estimate: `(inner, theta, key) -> (scalar, Report)`.
    strength: of the proximal term that it needs.
    needs_key: whether it draws random numbers.
  """

  estimate: Callable[..., tuple[base.Array, Report]]
  strength: float = 0.0
  needs_key: bool = False


def unrolled(*, checkpoint: bool = False) -> MetaGradient:
  """Exact: the gradient of L_q(w_K(theta)), second derivatives included.

  MAML (Finn, Abbeel, Levine 2017, eq. 1).

  Args:
    checkpoint: trades time for memory, see `loop.descend`.
  """

  def estimate(inner, theta, key):
    del key
    params, losses_K = inner.descend(theta, checkpoint=checkpoint)
    loss = inner.query_loss(params)
    return loss, Report(loss, losses_K, {})

  return MetaGradient(estimate)


def first_order() -> MetaGradient:
  """The same with inner gradients taken for constants (Finn 2017, sec. 5.2)."""

  def estimate(inner, theta, key):
    del key
    params, losses_K = inner.descend(theta, first_order=True)
    loss = inner.query_loss(params)
    return loss, Report(loss, losses_K, {})

  return MetaGradient(estimate)


def reptile() -> MetaGradient:
  """start - w_K (Nichol, Achiam, Schulman 2018, alg. 1).

  The query set does not enter, but for the reported loss; the rule's own
  numbers get no gradient.
  """

  def estimate(inner, theta, key):
    del key
    theta = {**theta, "meta": jax.lax.stop_gradient(theta["meta"])}
    params, losses_K = inner.descend(jax.lax.stop_gradient(theta))
    away = jax.tree.map(jnp.subtract, theta["start"], params)
    value = _dot(theta["start"], jax.lax.stop_gradient(away))
    return value, Report(inner.query_loss(params), losses_K, {})

  return MetaGradient(estimate)


def implicit(
  strength: float, *, iterations: int = 20, tolerance: float = 1e-6
) -> MetaGradient:
  """iMAML (Rajeswaran et al. 2019, eq. 6): by the implicit function theorem.

  The inner loop descends G(w; theta) = L_s(w) + strength/2 |w - start|^2. At
  its minimum the total derivative of L_q is that of

      L_q(w) - <u, grad_w G(w; theta)>,  (grad_w^2 G) u = grad_w L_q,

  in theta, with w and u held. It does not depend on the path that led to w, nor
  on the rule. u comes from conjugate gradients on Hessian-vector products;
  metrics report their mean `cg_iterations` and final relative `cg_residual`.

  Args:
    strength: lambda, positive, and above the negative curvature of L_s.
    iterations: at most.
    tolerance: relative residual at which to stop.
  """
  if not strength > 0:
    raise ValueError(f"implicit: strength = {strength}: must be positive")

  def estimate(inner, theta, key):
    del key
    held = jax.lax.stop_gradient(theta)
    params, losses_K = jax.lax.stop_gradient(inner.descend(held))
    moving, _ = masks.split(params, inner.mask)
    _, still = masks.split(theta["start"], inner.mask)

    def query_loss(moving):
      return inner.query_loss(masks.merge(moving, still))

    def slope(moving, start):
      return jax.grad(inner.descended_loss(start))(moving)

    def curvature(direction):
      at = lambda m: slope(m, held["start"])
      return jax.jvp(at, (moving,), (direction,))[1]

    loss, gradient = jax.value_and_grad(query_loss)(moving)
    solution = jax.lax.stop_gradient(
      conjugate.solve(
        curvature, jax.lax.stop_gradient(gradient), iterations, tolerance
      )
    )
    value = loss - _dot(solution.x, slope(moving, theta["start"]))
    metrics = {
      "cg_iterations": solution.iterations,
      "cg_residual": solution.residual,
    }
    return value, Report(loss, losses_K, metrics)

  return MetaGradient(estimate, strength)


def evolution(sigma: float, pairs: int) -> MetaGradient:
  """Antithetic evolution strategies (Salimans et al. 2017): no differentiation.

  An unbiased estimate of the gradient of E[L_q(w_K(theta + sigma e))], e ~
  N(0, I), for unrolls that are too long or too rough to differentiate; its
  spread falls as 1 / sqrt(pairs * tasks).

  Args:
    sigma: size of the perturbation, the same for all entries of theta.
    pairs: (e, -e) per task.
  """
  if not sigma > 0 or pairs < 1:
    raise ValueError(
      f"evolution: sigma = {sigma}, pairs = {pairs}: sigma must be positive,"
      " pairs at least 1"
    )

  def estimate(inner, theta, key):
    flat_N, unravel = flatten_util.ravel_pytree(theta)
    held_N = jax.lax.stop_gradient(flat_N)

    def loss(flat_N):
      return inner.query_loss(inner.descend(unravel(flat_N))[0])

    e_PxN = jax.random.normal(key, (pairs, held_N.size), held_N.dtype)
    ahead_P = jax.vmap(lambda e_N: loss(held_N + sigma * e_N))(e_PxN)
    behind_P = jax.vmap(lambda e_N: loss(held_N - sigma * e_N))(e_PxN)
    gradient_N = (ahead_P - behind_P) @ e_PxN / (2 * sigma * pairs)
    params, losses_K = inner.descend(unravel(held_N))
    report = Report(inner.query_loss(params), losses_K, {})
    return flat_N @ gradient_N, report

  return MetaGradient(estimate, needs_key=True)


def _dot(one: base.PyTree, two: base.PyTree) -> base.Array:
  products = jax.tree.map(lambda a, b: jnp.sum(a * b), one, two)
  return sum(jax.tree.leaves(products))
