"""Fitting the rivals to observed updates, and naming the simplest adequate.

Every rule is fitted by least squares on one half of the tasks and scored on
the other. Each place counts alike, whatever the size of its updates. Sums over
tasks are made on the device, for all seeds at once; the small linear systems
that remain are solved on the host in float64.
"""

from __future__ import annotations

from collections.abc import Mapping
import functools

import jax
import jax.numpy as jnp
import numpy as np

from raml_jax import base
from raml_jax.tasks import regression
from raml_jax.theory import observe
from raml_jax.theory import rules

# No rule that leaves more than this of the update unexplained names it.
ADEQUATE = 0.05
# Rules this close to the best are as good as the best; the simplest is named.
TIE = 0.01
NOBODY = "none of them"
_TINY = 1e-30
_FLOOR = 1e-5
# Combinations of the columns (b, S w, w - w') that make other columns.
_RESIDUAL = np.array([1.0, -1.0, 0.0])
_VELOCITY = np.array([0.0, 0.0, 1.0])
_B, _MINUS_SW = np.array([1.0, 0.0, 0.0]), np.array([0.0, -1.0, 0.0])


def statistics(observations: observe.Observations) -> dict[str, base.Array]:
  """Means over tasks of all products that linear rules need, at each place.

  Returns:
    size_T: |u|^2. gram_TxCxC and right_TxC: inner products of the columns
    b, S w and w - w' with each other and with u. cross_TxDxD = u r^T,
    power_TxDxD = r r^T, r = b - S w.
  """
  o = observations

  def one(support, w_TxD):
    s_DxD, b_D = regression.moments(support)
    return jnp.broadcast_to(b_D, w_TxD.shape), w_TxD @ s_DxD

  b_BxTxD, sw_BxTxD = jax.vmap(one)(o.support, o.w_BxTxD)
  r_BxTxD = b_BxTxD - sw_BxTxD
  columns = jnp.stack([b_BxTxD, sw_BxTxD, o.w_BxTxD - o.previous_BxTxD])
  u_BxTxD = o.update_BxTxD
  batch = u_BxTxD.shape[0]
  return {
    "size_T": jnp.einsum("btd,btd->t", u_BxTxD, u_BxTxD) / batch,
    "gram_TxCxC": jnp.einsum("ibtd,jbtd->tij", columns, columns) / batch,
    "right_TxC": jnp.einsum("ibtd,btd->ti", columns, u_BxTxD) / batch,
    "cross_TxDxD": jnp.einsum("btd,bte->tde", u_BxTxD, r_BxTxD) / batch,
    "power_TxDxD": jnp.einsum("btd,bte->tde", r_BxTxD, r_BxTxD) / batch,
  }


def regress(stats: Mapping[str, np.ndarray], columns, places=slice(None)):
  """Coefficients c of u = sum_i c_i column_i, one seed, places weighted alike.

  Args:
    stats: `statistics`, on the host.
    columns: combinations of (b, S w, w - w').
    places: which places.

  Returns:
    c, and the unexplained share of every place, share_T.
  """
  size_T = _sizes(stats, places)
  mix = np.stack(columns)
  gram_T = mix @ np.float64(stats["gram_TxCxC"][places]) @ mix.T
  right_T = np.float64(stats["right_TxC"][places]) @ mix.T
  weight_T = 1.0 / size_T
  gram = np.einsum("tij,t->ij", gram_T, weight_T)
  # A column that is zero everywhere (momentum at one step) gets c = 0.
  c = np.linalg.pinv(gram, rcond=1e-9, hermitian=True) @ (weight_T @ right_T)
  left_T = size_T - 2 * right_T @ c + np.einsum("tij,i,j->t", gram_T, c, c)
  return c, left_T / size_T


def two_coefficients(stats, places=slice(None)) -> tuple[float, float]:
  """(a, b) of u = -a S w + b S w_LS: gradient descent means a = b.

  The right-hand side comes from X and y (S w_LS = X y / n), never from w*.
  """
  (b, a), _ = regress(stats, [_B, _MINUS_SW], places)
  return float(a), float(b)


def one_step_size(stats, places=slice(None)) -> tuple[float, np.ndarray]:
  """(eta, unexplained share of every place) of u = -eta grad L."""
  (eta,), share_T = regress(stats, [_RESIDUAL], places)
  return float(eta), share_T


def preconditioner(stats, places=slice(None)) -> np.ndarray:
  """P_DxD of u = -P grad L."""
  cross_DxD, power_DxD = _matrices(stats, places)
  return cross_DxD @ np.linalg.pinv(power_DxD, rcond=1e-9, hermitian=True)


def _sizes(stats, places):
  """|u|^2 of every place, held above a floor (see `_floored`)."""
  return _floored(np.float64(stats["size_T"]))[places]


def _floored(size_T):
  """A place without updates, such as those after a jump, does not count."""
  return size_T.clip(max=None, min=_FLOOR * size_T.max() + _TINY)


def _matrices(stats, places):
  weight_T = 1.0 / _sizes(stats, places)
  return tuple(
    np.einsum("tde,t->de", np.float64(stats[name][places]), weight_T)
    for name in ("cross_TxDxD", "power_TxDxD")
  )


def _rotation(stats) -> np.ndarray:
  """eta R: scaled orthogonal Procrustes (Schoenemann 1966)."""
  cross_DxD, power_DxD = _matrices(stats, slice(None))
  left_DxD, size_D, right_DxD = np.linalg.svd(cross_DxD)
  eta = size_D.sum() / max(np.trace(power_DxD), _TINY)
  return eta * left_DxD @ right_DxD


def predict(
  rule: rules.Rule, theta, observations: observe.Observations
) -> base.Array:
  """The rule's updates at the observed places, u_BxTxD (teacher forcing)."""
  o = observations
  places = jax.vmap(rule.update, in_axes=(None, None, 0, 0, 0))
  tasks = jax.vmap(places, in_axes=(None, 0, 0, 0, None))
  return tasks(theta, o.support, o.w_BxTxD, o.previous_BxTxD, o.time_T)


def unexplained(
  observations: observe.Observations, predicted_BxTxD: base.Array
) -> base.Array:
  """|u - prediction|^2 / |u|^2, sums over tasks, averaged over places."""
  u_BxTxD = observations.update_BxTxD
  error_T = jnp.sum((u_BxTxD - predicted_BxTxD) ** 2, axis=(0, 2))
  return jnp.mean(error_T / _floored(jnp.sum(u_BxTxD**2, axis=(0, 2))))


def score(name: str, theta, observations: observe.Observations) -> base.Array:
  """Unexplained share of the rule called `name`.

  "adaptive" has two numbers per update: its share is that of the part outside
  span{r, S r}, divided by what a random direction would leave, (d - 2) / d.
  """
  if name != "adaptive":
    predicted = predict(rules.TABLE[name], theta, observations)
    return unexplained(observations, predicted)

  def project(support, w_D, u_D):
    s_DxD, b_D = regression.moments(support)
    basis_2xD = rules.krylov_basis(s_DxD, b_D - s_DxD @ w_D)
    return basis_2xD.T @ (basis_2xD @ u_D)

  o = observations
  d = o.w_BxTxD.shape[-1]
  places = jax.vmap(project, in_axes=(None, 0, 0))
  projected = jax.vmap(places)(o.support, o.w_BxTxD, o.update_BxTxD)
  return unexplained(o, projected) * d / (d - 2)


def _search(theta_of, name, low, high, observations):
  """The best of one nonlinear number: a logarithmic grid, refined twice."""

  def share(value):
    return score(name, theta_of(value, observations), observations)

  bottom, top = jnp.log(low), jnp.log(high)
  for _ in range(3):
    grid = jnp.linspace(bottom, top, 24)
    best = grid[jnp.argmin(jax.vmap(share)(jnp.exp(grid)))]
    width = (top - bottom) / 23
    bottom, top = best - width, best + width
  return theta_of(jnp.exp(best), observations)


def _gd_plus_plus(gamma, observations):
  unit = {"eta": jnp.ones(()), "gamma": gamma}
  column = predict(rules.TABLE["gd_plus_plus"], unit, observations)
  size_T = jnp.sum(observations.update_BxTxD**2, axis=(0, 2))
  weight_T = 1.0 / _floored(size_T)
  right = jnp.einsum("btd,btd,t", column, observations.update_BxTxD, weight_T)
  eta = right / jnp.maximum(
    jnp.einsum("btd,btd,t", column, column, weight_T), _TINY
  )
  return {"eta": eta, "gamma": gamma}


@jax.jit
@jax.vmap
def _nonlinear(observations):
  """Fits of the rules that are not linear in their numbers; seeds stacked."""
  largest = jnp.max(observations.support.spectrum.values_D)
  searches = {
    "ridge": (lambda v, _: {"lambda": v}, 1e-4, 10.0),
    "newton": (lambda v, _: {"a": v}, 1e-4, 2.0 / largest**2),
    "gd_plus_plus": (_gd_plus_plus, 1e-4, 1.0),
  }
  return {
    name: _search(theta_of, name, low, high, observations)
    for name, (theta_of, low, high) in searches.items()
  }


@functools.partial(jax.jit, static_argnums=0)
def _scores(names, thetas, observations):
  def one(thetas, observations):
    return {name: score(name, thetas[name], observations) for name in names}

  return jax.vmap(one)(thetas, observations)


def _linear(stats, steps, time_T) -> dict[str, base.PyTree]:
  """Fits of the linear rules, one seed, on the host."""
  b, minus_a = _B, _MINUS_SW
  (alpha, alpha_beta), _ = regress(stats, [b, minus_a])
  (eta, mu), _ = regress(stats, [_RESIDUAL, _VELOCITY])
  eta_K = [one_step_size(stats, time_T == t)[0] for t in range(steps)]
  beta = alpha_beta / alpha if abs(alpha) > _TINY else 1.0
  return {
    "least_squares": {},
    "conjugate": {},
    "adaptive": {},
    "gradient": {"eta": one_step_size(stats)[0]},
    "per_step": {"eta_K": np.array(eta_K)},
    "shrunk": {"alpha": alpha, "beta": beta},
    "momentum": {"eta": eta, "mu": mu},
    "rotated": {"P": _rotation(stats)},
    "preconditioned": {"P": preconditioner(stats)},
  }


def fit_and_score(
  observations: observe.Observations, steps: int
) -> tuple[dict[str, base.PyTree], dict[str, np.ndarray]]:
  """Fits every rule on half of the tasks and scores it on the other half.

  Args:
    observations: stacked over seeds, with spectra.
    steps: K, how many step sizes "per_step" has.

  Returns:
    thetas: rule -> its numbers, stacked over seeds.
    shares: rule -> unexplained share_S on the tasks not fitted on.
  """
  fit_on, score_on = jax.vmap(observe.split)(observations)
  stats = jax.device_get(jax.jit(jax.vmap(statistics))(fit_on))
  seeds, time_T = len(stats["size_T"]), np.asarray(observations.time_T[0])
  linear = [
    _linear({k: v[s] for k, v in stats.items()}, steps, time_T)
    for s in range(seeds)
  ]
  thetas = jax.tree.map(lambda *x: jnp.asarray(np.stack(x)), *linear)
  thetas |= _nonlinear(fit_on)
  shares = jax.device_get(_scores(tuple(rules.TABLE), thetas, score_on))
  return thetas, shares


def simplest_adequate(
  shares: Mapping[str, float], counts: Mapping[str, float]
) -> str:
  """Names the rule with the fewest numbers within TIE of the best.

  Args:
    shares: rule -> unexplained share on held-out tasks.
    counts: rule -> how many numbers it has.

  Returns:
    Its name, or NOBODY if even the best leaves more than ADEQUATE.
  """
  finite = {k: v for k, v in shares.items() if np.isfinite(v)}
  best = min(finite.values(), default=np.inf)
  if best > ADEQUATE:
    return NOBODY
  adequate = [name for name, share in finite.items() if share <= best + TIE]
  return min(adequate, key=lambda name: (counts[name], finite[name]))
