"""The best that each family of fixed coefficients can do, without training.

From w_0 = 0, a method with one product with S per step and coefficients common
to all tasks has w_k - w* = -p(S) w*, p a polynomial with p(0) = 1, so that its
expected error is E tr p(S)^2 for w* ~ N(0, I): a function of the moments
m_j = E tr S^j alone (noise-free). Moments are estimated from sampled spectra.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from numpy.polynomial import polynomial
from scipy import optimize

from raml_jax import base
from raml_jax.tasks import wishart


def spectra(
  key: base.Array, root_DxD: base.Array, n: int, draws: int
) -> np.ndarray:
  """Eigenvalues of S = C W C^T / n, W ~ Wishart(I, n): [draws, D], float64."""
  d = root_DxD.shape[0]
  size = 50_000

  @functools.partial(jax.jit, static_argnums=1)
  def some(key, batch):
    factor_BxDxR = root_DxD @ wishart.factor(key, batch, d, n)
    s_BxDxD = jnp.einsum("bdr,ber->bde", factor_BxDxR, factor_BxDxR) / n
    return jnp.linalg.eigvalsh(s_BxDxD)

  chunks = [
    np.asarray(some(jax.random.fold_in(key, i), min(size, draws - i * size)))
    for i in range(-(-draws // size))
  ]
  return np.concatenate(chunks).astype(np.float64)


def moments(values_BxD: np.ndarray, degree: int) -> np.ndarray:
  """m_j = E tr S^j, j = 0..degree."""
  power = np.ones_like(values_BxD)
  out = []
  for _ in range(degree + 1):
    out.append(power.sum(axis=1).mean())
    power = power * values_BxD
  return np.array(out)


def error(residual: np.ndarray, moments_J: np.ndarray) -> float:
  """E tr p(S)^2 for the coefficients of p, lowest degree first."""
  square = polynomial.polymul(residual, residual)
  return float(square @ moments_J[: len(square)])


def per_step_residual(alpha_K) -> np.ndarray:
  """p of gradient descent with steps alpha_t: prod (1 - alpha_t s)."""
  p = np.ones(1)
  for alpha in alpha_K:
    p = polynomial.polymul(p, [1.0, -alpha])
  return p


def shrunk_residual(alpha: float, beta: float, steps: int) -> np.ndarray:
  """p of w <- w - alpha S (beta w - w*), written for e = w* - w.

  w = q(S) w* with q <- q - alpha s (beta q - 1), p = 1 - q.
  """
  q = np.zeros(1)
  for _ in range(steps):
    step = polynomial.polysub(beta * q, [1.0])
    q = polynomial.polysub(q, alpha * polynomial.polymulx(step))
  return polynomial.polysub([1.0], q)


def best_shared(moments_J, steps: int) -> tuple[float, float]:
  """(alpha, error) of the best one step size."""
  found = optimize.minimize_scalar(
    lambda a: error(per_step_residual([a] * steps), moments_J),
    bounds=(0.0, 1.0),
    method="bounded",
    options={"xatol": 1e-8},
  )
  return float(found.x), float(found.fun)


def best_shrunk(moments_J, steps: int) -> tuple[float, float, float]:
  """(alpha, beta, error) of the best shrunk form."""
  alpha, _ = best_shared(moments_J, steps)
  found = optimize.minimize(
    lambda x: error(shrunk_residual(x[0], x[1], steps), moments_J),
    x0=np.array([alpha, 1.0]),
    method="Nelder-Mead",
    options={"xatol": 1e-7, "fatol": 1e-10},
  )
  return float(found.x[0]), float(found.x[1]), float(found.fun)


def best_per_step(moments_J, steps: int) -> tuple[np.ndarray, float]:
  """(steps in ascending order, error) of the best residual polynomial.

  p = 1 + sum_i c_i s^i minimising a quadratic form in c; its roots are the
  inverse step sizes. Needs moments up to 2 `steps`; float64 serves to about
  ten steps.
  """
  powers = np.arange(1, steps + 1)
  scale = moments_J[2 * powers] ** 0.5  # conditioning
  gram = moments_J[powers[:, None] + powers] / scale[:, None] / scale
  c = -np.linalg.solve(gram, moments_J[powers] / scale) / scale
  residual = np.concatenate([[1.0], c])
  alpha_K = np.sort(np.real(1.0 / polynomial.polyroots(residual)))
  return alpha_K, error(residual, moments_J)


def one_step_preconditioner(sigma_DxD: np.ndarray, n: int) -> np.ndarray:
  """Gamma^-1, the best P of w_1 = P X y / n (Ahn et al. 2023, Thm 1).

  Gamma = (1 + 1/n) Sigma + (tr Sigma / n) I, from E S^2 = Gamma Sigma.
  """
  d = sigma_DxD.shape[0]
  gamma_DxD = (1 + 1 / n) * sigma_DxD + np.trace(sigma_DxD) / n * np.eye(d)
  return np.linalg.inv(gamma_DxD)
