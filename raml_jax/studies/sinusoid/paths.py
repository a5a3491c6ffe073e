"""Does the meta-gradient depend on the way down the inner problem?

iMAML's inner problem is L_s(w) + lambda/2 |w - start|^2. From the same trained
start and on the same tasks several optimizers run down it, and an implicit
meta-gradient is taken at the end of each way. Beside it stand two unrolled ones
along the very same rule and steps: through the same problem, and through L_s
alone as MAML does.

The theory asks for a smooth problem with one minimum, and for its end. Neither
is certain: a network with ReLU may come to rest on a kink, where the inner
gradient jumps and never vanishes, and a weak lambda leaves several minima. So
tasks whose every way has come to its end ("settled") are told apart.
"""

from __future__ import annotations

import dataclasses

import jax
from jax import flatten_util
import jax.numpy as jnp
import numpy as np

from raml_jax import base
from raml_jax.config import sinusoid as config_lib
from raml_jax.inner import learner as learner_lib
from raml_jax.inner import loop as inner_loop
from raml_jax.inner import meta_gradients
from raml_jax.studies.sinusoid import methods

# The inner loop of training, that need not come to its end.
TRAINED = "inner loop of training"
# Tasks of one seed at once: unrolling remembers every iterate.
_AT_ONCE = 5
# Each program runs once: compiling it would take longer than running it.
_RUN_ONCE = {"xla_backend_optimization_level": 0}
# An unrolled meta-gradient may overflow: no distance is told beyond this.
_FURTHEST = 100.0


def compared(
  config: config_lib.Sinusoid,
  problem: config_lib.Problem,
  start_S: base.PyTree,
  episodes_SxB: base.Episode,
) -> dict[str, np.ndarray]:
  """Meta-gradients of every way beside those of the reference.

  At the lambda of training, its own inner loop is one way more.

  Args:
    config: of the study.
    problem: the inner problem and the ways down.
    start_S: parameters that iMAML has learned, stacked over seeds.
    episodes_SxB: tasks.

  Returns:
    Leading axis W of ways, names_W, the reference first. For each kind of
    meta-gradient {kind}_WxS and {kind}_every_WxS: |g - g_first| / |g_first| of
    its mean over settled tasks, and over all; 0 where no task has settled.
    end_WxSxB: |w - w_first| / |w_first - start|. slope_WxSxB: norm of the inner
    gradient at the end over that at the start. settled_SxB: which tasks have,
    whatever became of them in the inner loop of training.
    cg_iterations_WxSxB, cg_residual_WxSxB: of the linear solver.
  """
  first = problem.reference
  ways = {first: problem.ways[first], **problem.ways}
  if problem.strength == config.imaml.strength:
    ways[TRAINED] = methods.imaml_way(config)
  found = [
    _along(config, problem, way, start_S, episodes_SxB) for way in ways.values()
  ]
  slope_WxSxB = np.stack([f["slope"] for f in found])
  by_end_WxSxB = slope_WxSxB[: len(problem.ways)]
  settled_SxB = (by_end_WxSxB < config.paths.settled).all(axis=0)
  out = {
    "names_W": np.array(list(ways)),
    "slope_WxSxB": slope_WxSxB,
    "settled_SxB": settled_SxB,
    "end_WxSxB": _distance(np.stack([f["moved"] for f in found])),
  }
  for name in ("cg_iterations", "cg_residual"):
    out[f"{name}_WxSxB"] = np.stack([f[name] for f in found])
  for kind in _kinds(config, problem):
    g_WxSxBxP = np.stack([f[kind] for f in found]).astype(np.float64)
    out[f"{kind}_every_WxS"] = _distance(g_WxSxBxP.sum(axis=2))
    settled = np.where(settled_SxB[..., None], g_WxSxBxP, 0.0)
    out[f"{kind}_WxS"] = _distance(settled.sum(axis=2))
  return out


def _distance(value_WxP: np.ndarray) -> np.ndarray:
  """|v - v_first| / |v_first| over the last axis."""
  value_WxP = value_WxP.astype(np.float64)
  away_W = np.linalg.norm(value_WxP - value_WxP[0], axis=-1)
  size = np.linalg.norm(value_WxP[0], axis=-1)
  ratio_W = away_W / np.where(size == 0, 1.0, size)
  return np.where(ratio_W < _FURTHEST, ratio_W, _FURTHEST)


def _kinds(config, problem) -> dict[str, meta_gradients.MetaGradient]:
  implicit = meta_gradients.implicit(
    problem.strength,
    iterations=config.paths.iterations,
    tolerance=config.paths.tolerance,
  )
  if not problem.unrolled:
    return {"implicit": implicit}
  unrolled = meta_gradients.unrolled()
  proximal = dataclasses.replace(unrolled, strength=problem.strength)
  return {"implicit": implicit, "proximal": proximal, "unrolled": unrolled}


def _along(config, problem, way, start_S, episodes_SxB):
  """Of one way, for every task: flat meta-gradients and where it ends."""
  loss, rule = methods.learner(config, "imaml").loss, methods.down(way)
  kinds = _kinds(config, problem)

  def flat(tree):
    return flatten_util.ravel_pytree(tree)[0]

  def one_task(start, episode):
    def inner_loss(params):
      away = flat(params) - flat(start)
      value = loss(params, episode.support)
      return value + 0.5 * problem.strength * away @ away

    def slope(params):
      return jnp.linalg.norm(flat(jax.grad(inner_loss)(params)))

    end, _ = inner_loop.descend(inner_loss, start, rule, (), way.steps)
    out = {
      "moved": flat(end) - flat(start),
      "slope": slope(end) / slope(start),
    }
    tasks = jax.tree.map(lambda a: a[None], (episode.support, episode.query))
    for name, gradient in kinds.items():
      learner = learner_lib.Learner(loss, rule, way.steps, gradient)
      grads, metrics = learner.grads({"start": start, "meta": ()}, tasks)
      out[name] = flat(grads["start"])
      if name == "implicit":
        out |= {k: metrics[k] for k in ("cg_iterations", "cg_residual")}
    return out

  def one_seed(start, episodes_B):
    return jax.lax.map(
      lambda episode: one_task(start, episode), episodes_B, batch_size=_AT_ONCE
    )

  run = jax.jit(jax.vmap(one_seed), compiler_options=_RUN_ONCE)
  return jax.tree.map(np.asarray, run(start_S, episodes_SxB))
