"""The rivals: update rules that could explain a trajectory.

Each predicts the update from what a reasoner may know: the support's moments
(S, b), the current iterate, the one before it, and the index of the step. All
of them are run, too, as reasoners of their own. With r = b - S w = -grad L(w):

  least_squares   u = w_LS - w                                       0 numbers
  conjugate       u = line search along r + conjugate part of w - w' 0
  gradient        u = eta r                                          1
  ridge           u = (S + lambda I)^-1 b - w                        1
  newton          u = M_t r, M_{t+1} = 2 M_t - M_t S M_t, M_0 = a S  1
  shrunk          u = alpha (b - beta S w)                           2
  momentum        u = eta r + mu (w - w')                            2
  gd_plus_plus    u = eta (I - gamma S)^2 r                          2
  per_step        u = eta_t r                                        K
  rotated         u = eta R r, R orthogonal               1 + d(d - 1)/2
  preconditioned  u = P r                                           d^2
  adaptive        u = c_1 r + c_2 S r, c of every task and step    2 each
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
import math

import jax.numpy as jnp

from raml_jax import base
from raml_jax.tasks import regression


@dataclasses.dataclass(frozen=True)
class Rule:
  """A rival.

  Attributes:
    name: as in the table above.
    update: `(theta, support, w_D, previous_D, t) -> u_D`.
    count: `(d, steps) -> ` how many numbers it has.
    example: `(d, steps) -> theta`, a typical member, to run as a reasoner.
  """

  name: str
  update: Callable[..., base.Array]
  count: Callable[[int, int], float]
  example: Callable[[int, int], base.PyTree]


def _residual(support, w_D):
  return -regression.gradient(w_D, support)


def gradient(theta, support, w_D, previous_D, t):
  """u = -eta grad L(w)."""
  del previous_D, t
  return theta["eta"] * _residual(support, w_D)


def per_step(theta, support, w_D, previous_D, t):
  """u = -eta_t grad L(w)."""
  del previous_D
  return theta["eta_K"][t] * _residual(support, w_D)


def shrunk(theta, support, w_D, previous_D, t):
  """u = -alpha grad L(beta w)."""
  del previous_D, t
  return theta["alpha"] * _residual(support, theta["beta"] * w_D)


def momentum(theta, support, w_D, previous_D, t):
  """Heavy ball: u = -eta grad L(w) + mu (w - w')."""
  del t
  velocity_D = w_D - previous_D
  return theta["eta"] * _residual(support, w_D) + theta["mu"] * velocity_D


def gd_plus_plus(theta, support, w_D, previous_D, t):
  """Gradient descent on inputs x <- (I - gamma S) x (von Oswald 2023).

  The predictor of the transformed data is w'. (I - gamma S) x: in the weights
  (I - gamma S) w' of the plain inputs, its gradient step reads as below.
  """
  del previous_D, t
  s_DxD, _ = regression.moments(support)
  u_D = theta["eta"] * _residual(support, w_D)
  for _ in range(2):
    u_D = u_D - theta["gamma"] * (s_DxD @ u_D)
  return u_D


def preconditioned(theta, support, w_D, previous_D, t):
  """u = -P grad L(w); "rotated" is the same with P = eta R."""
  del previous_D, t
  return theta["P"] @ _residual(support, w_D)


def ridge(theta, support, w_D, previous_D, t):
  """u = (S + lambda I)^-1 b - w."""
  del previous_D, t
  _, b_D = regression.moments(support)
  return _inverse(support, lambda s: s + theta["lambda"], b_D) - w_D


def least_squares(theta, support, w_D, previous_D, t):
  """u = w_LS - w, the minimum-norm least-squares weights."""
  del theta, previous_D, t
  _, b_D = regression.moments(support)
  return _inverse(support, lambda s: s, b_D) - w_D


def newton(theta, support, w_D, previous_D, t):
  """Iterative Newton (Fu et al. 2024): M_0 = a S, M_{t+1} = 2M_t - M_t S M_t.

  On the spectrum of S, 1 - s m_t = (1 - a s^2)^(2^t).
  """
  del previous_D

  def denominator(s):
    left = jnp.clip(1.0 - theta["a"] * s**2, -1.0, 1.0) ** (2.0**t)
    return s / jnp.maximum(1.0 - left, 1e-12)

  return _inverse(support, denominator, _residual(support, w_D))


def _inverse(support, denominator, v_D):
  """Q diag(1 / denominator(s)) Q^T v over the range of S."""
  if support.spectrum is None:
    raise ValueError("this rule needs `regression.with_spectrum(support)`")
  s_D = support.spectrum.values_D
  positive_D = s_D > 1e-5 * s_D[-1]
  inverse_D = 1.0 / denominator(jnp.where(positive_D, s_D, 1.0))
  q_DxD = support.spectrum.vectors_DxD
  return q_DxD @ (jnp.where(positive_D, inverse_D, 0.0) * (q_DxD.T @ v_D))


def conjugate(theta, support, w_D, previous_D, t):
  """Conjugate gradients (Hestenes, Stiefel 1952), from w, w' and r alone."""
  del theta, t
  s_DxD, _ = regression.moments(support)
  r_D = _residual(support, w_D)
  last_D = w_D - previous_D
  curvature = last_D @ s_DxD @ last_D
  p_D = r_D - last_D * _ratio(r_D @ s_DxD @ last_D, curvature)
  return p_D * _ratio(r_D @ p_D, p_D @ s_DxD @ p_D)


def adaptive(theta, support, w_D, previous_D, t):
  """The minimiser of L on w + span{r, S r}: as a reasoner, free of numbers."""
  del theta, previous_D, t
  s_DxD, _ = regression.moments(support)
  r_D = _residual(support, w_D)
  first_D, second_D = krylov_basis(s_DxD, r_D)
  # Exact line search along r, then along the part of S r conjugate to it.
  image_D = s_DxD @ first_D
  curvature = first_D @ image_D
  second_D -= first_D * _ratio(second_D @ image_D, curvature)
  along = first_D * _ratio(r_D @ first_D, curvature)
  across = _ratio(r_D @ second_D, second_D @ s_DxD @ second_D)
  return along + second_D * across


def krylov_basis(s_DxD: base.Array, r_D: base.Array) -> base.Array:
  """An orthonormal basis of span{r, S r}, basis_2xD (zero rows if r is 0)."""
  first_D = r_D * _ratio(1.0, jnp.linalg.norm(r_D))
  second_D = s_DxD @ first_D
  second_D -= first_D * (first_D @ second_D)
  second_D *= _ratio(1.0, jnp.linalg.norm(second_D))
  return jnp.stack([first_D, second_D])


def _ratio(numerator, denominator):
  tiny = jnp.abs(denominator) < 1e-20
  return jnp.where(tiny, 0.0, numerator / jnp.where(tiny, 1.0, denominator))


def _anisotropic(d):
  return jnp.diag(jnp.linspace(0.15, 0.45, d))


def _turned(d):
  # A quarter of a turn in consecutive planes, on top of the identity.
  turn_DxD = jnp.zeros((d, d))
  for i in range(0, d - 1, 2):
    turn_DxD = turn_DxD.at[i, i + 1].set(-1.0).at[i + 1, i].set(1.0)
  turn_DxD += jnp.eye(d).at[: d - d % 2].set(0.0)
  return 0.2 * turn_DxD


TABLE = {
  rule.name: rule
  for rule in (
    Rule("least_squares", least_squares, lambda d, k: 0, lambda d, k: {}),
    Rule("conjugate", conjugate, lambda d, k: 0, lambda d, k: {}),
    Rule("gradient", gradient, lambda d, k: 1, lambda d, k: {"eta": 0.3}),
    Rule("ridge", ridge, lambda d, k: 1, lambda d, k: {"lambda": 0.3}),
    Rule("newton", newton, lambda d, k: 1, lambda d, k: {"a": 0.1}),
    Rule(
      "shrunk",
      shrunk,
      lambda d, k: 2,
      lambda d, k: {"alpha": 0.5, "beta": 0.775},
    ),
    Rule(
      "momentum",
      momentum,
      lambda d, k: 2,
      lambda d, k: {"eta": 0.2, "mu": 0.5},
    ),
    Rule(
      "gd_plus_plus",
      gd_plus_plus,
      lambda d, k: 2,
      lambda d, k: {"eta": 0.5, "gamma": 0.2},
    ),
    Rule(
      "per_step",
      per_step,
      lambda d, k: k,
      lambda d, k: {"eta_K": jnp.linspace(0.1, 0.5, k)},
    ),
    Rule(
      "rotated",
      preconditioned,
      lambda d, k: 1 + math.comb(d, 2),
      lambda d, k: {"P": _turned(d)},
    ),
    Rule(
      "preconditioned",
      preconditioned,
      lambda d, k: d * d,
      lambda d, k: {"P": _anisotropic(d)},
    ),
    Rule("adaptive", adaptive, lambda d, k: math.inf, lambda d, k: {}),
  )
}


def reasoner(rule: Rule) -> base.Reasoner:
  """A rule as a reasoner: params = theta, state = (support, w, w', t)."""

  def start(params, support):
    del params
    w_D = jnp.zeros_like(support.gram_ExE[0, :-1])
    return support, w_D, w_D, jnp.zeros((), jnp.int32)

  def step(params, state):
    support, w_D, previous_D, t = state
    u_D = rule.update(params, support, w_D, previous_D, t)
    return support, w_D + u_D, w_D, t + 1

  def read(state):
    return state[1]

  def replace(state, w_D):
    support, _, previous_D, t = state
    # Without history there is no previous iterate, hence no velocity.
    return support, w_D, jnp.where(t == 0, w_D, previous_D), t

  return base.Reasoner(start, step, read, replace)
