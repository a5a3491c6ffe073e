"""Everything that is asked of one reasoner, for all seeds, in one call."""

from __future__ import annotations

from collections.abc import Sequence
import functools

import jax
import jax.numpy as jnp
import numpy as np

from raml_jax import base
from raml_jax.tasks import regression
from raml_jax.theory import fitting
from raml_jax.theory import iterates
from raml_jax.theory import observe
from raml_jax.theory import rules

# A mean error beyond this many times that of w = 0 has diverged.
DIVERGED = 10.0
# Most programs here run once or twice: compiling them takes far longer than
# running them, unless the compiler is told not to try hard.
RUN_ONCE = {"xla_backend_optimization_level": 0}


@functools.partial(jax.jit, static_argnums=(0, 3, 5), compiler_options=RUN_ONCE)
def _look(reasoner, params_S, episodes_SxB, steps, key, scales):
  def one(params, episodes, key):
    key_w, key_labels, key_controls = jax.random.split(key, 3)
    observed, path_BxKxD = observe.observe(
      reasoner, params, episodes.support, steps, key_w, scales
    )
    other_BxD = jax.random.normal(key_labels, episodes.latent_D.shape)
    answers = iterates.answers(
      reasoner, params, observed, path_BxKxD, other_BxD
    )
    on_trajectory = iterates.on_trajectory(
      episodes.support, episodes.latent_D, path_BxKxD, key_controls
    )
    return observed, path_BxKxD, answers, on_trajectory

  keys_S = jax.random.split(key, episodes_SxB.latent_D.shape[0])
  return jax.vmap(one)(params_S, episodes_SxB, keys_S)


_statistics = jax.jit(jax.vmap(fitting.statistics))


def measure(
  reasoner: base.Reasoner,
  params_S: base.PyTree,
  episodes_SxB: base.Episode,
  steps: int,
  key: base.Array,
  scales: Sequence[float],
) -> dict[str, np.ndarray]:
  """On-trajectory metrics, interventions, step sizes and rivals.

  Args:
    reasoner: who.
    params_S: its parameters, stacked over seeds.
    episodes_SxB: evaluation tasks of every seed, with spectra
      (`regression.with_spectrum`).
    steps: K, the length it was trained for.
    key: an evaluation key.
    scales: of the interventions.

  Returns:
    Named arrays, leading axis seeds: those of `iterates.on_trajectory`,
    `iterates.interventions` and `iterates.step_sizes`, "history", "path_BxKxD"
    of the first seed's first tasks, and, in the order of `rules.TABLE`,
    "rivals_SxR" (held-out unexplained shares), "free_running_SxR" and the name
    of the simplest adequate rule, "named_S".
  """
  scales = tuple(scales)
  observed, path_SxBxKxD, answers, out = _look(
    reasoner, params_S, episodes_SxB, steps, key, scales
  )
  out = {f"{k}_SxK": np.asarray(v) for k, v in out.items()}
  stats = jax.device_get(_statistics(observed))
  answers = jax.device_get(answers)
  seeds = len(answers["history"])
  found = []
  for s in range(seeds):
    of_seed = {k: v[s] for k, v in stats.items()}
    found.append(
      {
        **iterates.interventions(
          of_seed,
          steps,
          answers["swapped_u_BxD"][s],
          answers["swapped_r_BxD"][s],
        ),
        **iterates.step_sizes(of_seed, steps),
      }
    )
  for name in found[0]:
    out[stacked_name(name)] = np.stack([f[name] for f in found])
  out["history_S"] = answers["history"]

  thetas, shares = fitting.fit_and_score(observed, steps)
  free = _free_running(thetas, episodes_SxB.support, path_SxBxKxD)
  d = episodes_SxB.latent_D.shape[-1]
  counts = {name: rule.count(d, steps) for name, rule in rules.TABLE.items()}
  out["rivals_SxR"] = np.stack([shares[name] for name in rules.TABLE], -1)
  out["free_running_SxR"] = np.stack([free[name] for name in rules.TABLE], -1)
  out["named_S"] = np.array(
    [
      fitting.simplest_adequate({k: v[s] for k, v in shares.items()}, counts)
      for s in range(seeds)
    ]
  )
  out["w_PxTxD"] = np.asarray(observed.w_BxTxD[0, :8])
  out["update_PxTxD"] = np.asarray(observed.update_BxTxD[0, :8])
  out["descent_PxTxD"] = np.asarray(
    iterates.descent(
      jax.tree.map(lambda leaf: leaf[0, :8], observed.support),
      observed.w_BxTxD[0, :8],
    )
  )
  return out


def stacked_name(name: str) -> str:
  """The name of an array once it has a leading axis of seeds."""
  stem, _, axes = name.rpartition("_")
  return f"{stem}_Sx{axes}" if stem else f"{name}_S"


@functools.partial(jax.jit, compiler_options=RUN_ONCE)
def _free_running(thetas, support_SxB, path_SxBxKxD):
  def one(thetas, support, path_BxKxD):
    # The scored half of the tasks: see `observe.split`.
    half = jax.tree.map(lambda leaf: leaf[1::2], support)
    return {
      name: iterates.free_running(name, thetas[name], half, path_BxKxD[1::2])
      for name in rules.TABLE
    }

  return jax.vmap(one)(thetas, support_SxB, path_SxBxKxD)


@functools.partial(jax.jit, static_argnums=(0, 3))
def _errors(reasoner, params_S, episodes_SxB, steps):
  def one(params, episodes):
    path_BxKxD = observe.paths(reasoner, params, episodes.support, steps)
    error_BxK = jnp.sum((path_BxKxD - episodes.latent_D[:, None]) ** 2, -1)
    # One task in thousands may diverge: the median says what is typical.
    return jnp.mean(error_BxK, axis=0), jnp.median(error_BxK, axis=0)

  return jax.vmap(one)(params_S, episodes_SxB)


def errors(
  reasoner: base.Reasoner,
  params_S: base.PyTree,
  episodes_SxB: base.Episode,
  steps: int,
) -> dict[str, np.ndarray]:
  """|w_k - w*|^2 along a free-running path that may be longer than trained.

  Returns:
    error_SxK and median_SxK, K + 1 long, clipped at `DIVERGED` times the error
    of w = 0; diverged_at_S: the first such step of the mean, or -1.
  """
  mean, median = jax.device_get(
    _errors(reasoner, params_S, episodes_SxB, steps)
  )
  limit = DIVERGED * mean[:, :1]
  gone = ~(mean < limit)
  return {
    "error_SxK": np.where(gone, limit, mean),
    "median_SxK": np.where(median < limit, median, limit),
    "diverged_at_S": np.where(gone.any(1), gone.argmax(1), -1),
  }


def tracking(
  reasoner: base.Reasoner,
  params_S: base.PyTree,
  eta_S: np.ndarray,
  episodes_SxB: base.Episode,
  steps: int,
) -> tuple[np.ndarray, np.ndarray]:
  """How far a path stays from gradient descent with step eta.

  Tasks on which that descent is itself unstable (eta * lambda_max >= 2) say
  nothing about following it: they are left out and counted.

  Args:
    reasoner: who.
    params_S: its parameters.
    eta_S: step size of the yardstick, per seed.
    episodes_SxB: tasks, with spectra.
    steps: K.

  Returns:
    share_S: sum |w_t - v_t|^2 / sum |v_t|^2 over tasks and steps, clipped at
    `DIVERGED`; left_out_S: share of the tasks left out.
  """
  top_SxB = np.asarray(episodes_SxB.support.spectrum.values_D[..., -1])
  stable_SxB = eta_S[:, None] * top_SxB < 2.0
  share_S = np.asarray(
    _tracking(
      reasoner,
      params_S,
      jnp.asarray(eta_S, jnp.float32),
      episodes_SxB,
      stable_SxB,
      steps,
    )
  )
  share_S = np.where(share_S < DIVERGED, share_S, DIVERGED)
  return share_S, 1.0 - stable_SxB.mean(axis=1)


@functools.partial(jax.jit, static_argnums=(0, 5), compiler_options=RUN_ONCE)
def _tracking(reasoner, params_S, eta_S, episodes_SxB, stable_SxB, steps):
  descent = rules.reasoner(rules.TABLE["gradient"])

  def seed(params, eta, episodes, stable_B):
    w_BxKxD = observe.paths(reasoner, params, episodes.support, steps)
    v_BxKxD = observe.paths(descent, {"eta": eta}, episodes.support, steps)
    gap_B = jnp.sum((w_BxKxD - v_BxKxD) ** 2, axis=(1, 2))
    size_B = jnp.sum(v_BxKxD**2, axis=(1, 2))
    total = jnp.sum(jnp.where(stable_B, gap_B, 0.0))
    return total / jnp.maximum(jnp.sum(jnp.where(stable_B, size_B, 0.0)), 1e-30)

  return jax.vmap(seed)(params_S, eta_S, episodes_SxB, stable_SxB)


def evaluation_tasks(
  task: regression.LinearRegression, key: base.Array, seeds: int, batch: int
) -> base.Episode:
  """Episodes_SxB; every seed has its own."""
  return _draw(task, jax.random.split(key, seeds), batch)


@functools.partial(jax.jit, static_argnums=2)
def _draw(task, keys_S, batch):
  return jax.vmap(lambda key: task.sample(key, batch))(keys_S)
