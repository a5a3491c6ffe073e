"""Token-as-weight updates against the true gradient.

Similarities are raw, between updates, never between normalised states. The
gradient is that of the support loss, at the reasoner's own iterate.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from raml_jax import base
from raml_jax.tasks import regression
from raml_jax.theory import fitting
from raml_jax.theory import observe
from raml_jax.theory import rules


def cosine(a: base.Array, b: base.Array) -> base.Array:
  """Cosine along the last axis; 0 where either vector is 0."""
  size = jnp.linalg.norm(a, axis=-1) * jnp.linalg.norm(b, axis=-1)
  inner = jnp.sum(a * b, axis=-1)
  return jnp.where(size > 0, inner / jnp.where(size > 0, size, 1.0), 0.0)


def descent(support: base.Support, w_BxKxD: base.Array) -> base.Array:
  """-grad L at every iterate of every task."""

  def one(support, w_KxD):
    s_DxD, b_D = regression.moments(support)
    return b_D[None] - w_KxD @ s_DxD

  return jax.vmap(one)(support, w_BxKxD)


def on_trajectory(
  support: base.Support,
  latent_BxD: base.Array,
  path_BxKxD: base.Array,
  key: base.Array,
) -> dict[str, base.Array]:
  """Each update of a path against -grad L there, with its controls.

  Args:
    support: B tasks.
    latent_BxD: w*, for the oracle line alone.
    path_BxKxD: K + 1 iterates.
    key: for the random direction and the shuffle.

  Returns:
    Means over tasks, [K] each: "cosine" of the update, of the "oracle"
    direction w* - w_t, and of the controls "random" direction, "shuffled"
    (the update of another step of the same path), "other_question" (the
    update of the next task); "norm_ratio" |u| / |grad L|; and
    "relative_error" |u - eta r|^2 / |u|^2 with the best eta of each step.
  """
  u_BxKxD = jnp.diff(path_BxKxD, axis=1)
  r_BxKxD = descent(support, path_BxKxD[:, :-1])
  steps = u_BxKxD.shape[1]
  key_random, key_shift = jax.random.split(key)
  shift = jax.random.randint(key_shift, (), 1, max(steps, 2))
  versus = {
    "cosine": u_BxKxD,
    "oracle": latent_BxD[:, None] - path_BxKxD[:, :-1],
    "random": jax.random.normal(key_random, u_BxKxD.shape),
    "shuffled": jnp.roll(u_BxKxD, shift, axis=1),
    "other_question": jnp.roll(u_BxKxD, 1, axis=0),
  }
  out = {k: jnp.mean(cosine(v, r_BxKxD), 0) for k, v in versus.items()}
  uu_K = jnp.sum(u_BxKxD**2, axis=(0, 2))
  rr_K = jnp.sum(r_BxKxD**2, axis=(0, 2))
  ur_K = jnp.sum(u_BxKxD * r_BxKxD, axis=(0, 2))
  tiny = 1e-30
  out["norm_ratio"] = jnp.sqrt(uu_K / jnp.maximum(rr_K, tiny))
  out["relative_error"] = 1.0 - ur_K**2 / jnp.maximum(uu_K * rr_K, tiny)
  return out


def answers(
  reasoner: base.Reasoner,
  params,
  observations: observe.Observations,
  path_BxKxD: base.Array,
  other_BxD: base.Array,
) -> dict[str, base.Array]:
  """Two more interventions, on one seed.

  Returns:
    history: share of the intervened update that depends on the tokens before
      it, |real - fresh|^2 / |fresh|^2 for the same w'.
    swapped_u_BxD, swapped_r_BxD: the update and -grad L when the labels become
      those of `other_BxD` and w' is the reasoner's own iterate.
  """
  steps = path_BxKxD.shape[1] - 1
  u_BxTxD = observations.update_BxTxD[:, steps:]
  fresh, real = jnp.split(u_BxTxD, 2, axis=1)
  size_T = jnp.maximum(jnp.sum(fresh**2, (0, 2)), 1e-30)
  other = jax.vmap(observe.relabel)(observations.support, other_BxD)
  w_Bx1xD = path_BxKxD[:, steps // 2][:, None]
  u_Bx1xD = observe.intervene(reasoner, params, other, w_Bx1xD, 0)
  return {
    "history": jnp.mean(jnp.sum((real - fresh) ** 2, (0, 2)) / size_T),
    "swapped_u_BxD": u_Bx1xD[:, 0],
    "swapped_r_BxD": descent(other, w_Bx1xD)[:, 0],
  }


def interventions(stats, steps: int, swapped_u, swapped_r) -> dict:
  """What the interventions say of one seed, on the host.

  Args:
    stats: `fitting.statistics`.
    steps: K; the places after the first K are interventions.
    swapped_u: updates under swapped labels.
    swapped_r: -grad L there.

  Returns:
    a, b of u = -a S w' + b S w_LS and "ratio" a / b - 1; "eta", the one step
    size over tasks and scales, and the share it leaves "unexplained", also of
    each place; the fitted preconditioner "P_DxD" and its "anisotropy"
    |P - (tr P / d) I| / |P|; "swapped", the share that eta leaves when the
    labels are swapped.
  """
  places = slice(steps, None)
  a, b = fitting.two_coefficients(stats, places)
  eta, share_T = fitting.one_step_size(stats, places)
  p_DxD = fitting.preconditioner(stats, places)
  d = p_DxD.shape[0]
  off_DxD = p_DxD - np.trace(p_DxD) / d * np.eye(d)
  size = max(float(np.sum(swapped_u**2)), 1e-30)
  return {
    "a": a,
    "b": b,
    "ratio": a / b - 1.0 if abs(b) > 1e-12 else -1.0,
    "eta": eta,
    "unexplained": float(share_T.mean()),
    "unexplained_T": share_T,
    "P_DxD": p_DxD,
    "anisotropy": np.linalg.norm(off_DxD) / max(np.linalg.norm(p_DxD), 1e-30),
    "swapped": float(np.sum((swapped_u - eta * swapped_r) ** 2)) / size,
  }


def step_sizes(stats, steps: int) -> dict[str, np.ndarray]:
  """The best step size eta_K and preconditioner P_KxDxD of every own step."""
  by_step = [slice(t, t + 1) for t in range(steps)]
  return {
    "eta_K": np.array([fitting.one_step_size(stats, t)[0] for t in by_step]),
    "P_KxDxD": np.array([fitting.preconditioner(stats, t) for t in by_step]),
  }


def free_running(
  name: str,
  theta,
  support: base.Support,
  path_BxKxD: base.Array,
) -> base.Array:
  """Distance of a fitted rule's own path: sum |w' - w|^2 / sum |w|^2."""
  rule = rules.reasoner(rules.TABLE[name])
  steps = path_BxKxD.shape[1] - 1
  own_BxKxD = observe.paths(rule, theta, support, steps)
  size = jnp.maximum(jnp.sum(path_BxKxD**2), 1e-30)
  return jnp.sum((own_BxKxD - path_BxKxD) ** 2) / size
