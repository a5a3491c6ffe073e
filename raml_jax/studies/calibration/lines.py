"""Linear attention: exact rules, students and controls against both losses.

Rules run in float64 and answer for identities; students run as trained.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from raml_jax import base
from raml_jax.config import calibration as config_lib
from raml_jax.models import attention
from raml_jax.models import reasoners
from raml_jax.studies.calibration import students
from raml_jax.studies.calibration import summaries
from raml_jax.theory import alignment
from raml_jax.theory import linear_path
from raml_jax.theory.implicit import weight_tokens
from raml_jax.training import loop

LOSSES = tuple(weight_tokens.LOSSES)
# Controls, made of the updates of exact gradient descent.
CONTROLS = ("other_question", "shuffled_steps", "random_direction")


def episodes(config: config_lib.Calibration) -> base.Episode:
  """Tasks of their own for every seed, leading axes S and B."""
  key = loop.evaluation_key(jax.random.key(config.seed), "linear")
  task = students.task(config.linear.task)
  keys_S = jax.random.split(key, config.seeds)
  return jax.vmap(lambda k: task.sample(k, config.measure.tasks))(keys_S)


def rules(
  config: config_lib.Calibration, episodes_SxB: base.Episode
) -> dict[str, np.ndarray]:
  """Every exact rule, and the step of the straight path's student.

  Returns:
    For each rule and loss what `summaries.of_moments` gives, over the chain's
    own steps and, behind "line/", over many; in the space of w, and behind
    "parameters/" in that of V_31. gap_S: the largest |difference| of the
    cosines in the two.
  """
  c, out = config.linear, {}
  with jax.enable_x64(True):
    known = students.rules(c.teachers, c.task.d)
    teacher, numbers = known["gradient"]
    # What imitation of the straight path comes to: w* is not to be had.
    shrink = c.task.n / (c.task.n + c.task.d + 1)
    numbers = {"P": shrink * numbers["P"]}
    known["gradient_of_straight"] = teacher, numbers
    exact_SxB = _doubled(episodes_SxB)
    eye_DxD = jnp.eye(c.task.d)
    params = attention.construction(-c.teachers.eta * eye_DxD, eye_DxD)
    for name, rule in known.items():
      w_SxBxTxD = _taught(*rule, c.line, exact_SxB)[:, :, 1:]
      short = w_SxBxTxD[:, :, : c.steps]
      line = _in_weights(exact_SxB, w_SxBxTxD)
      out |= _summarised(f"{name}/line", line)
      weights = _in_weights(exact_SxB, short)
      out |= _summarised(name, weights)
      whole = _in_parameters(
        students.linear_model(c), params, exact_SxB, short, shared=True
      )
      out |= _summarised(f"{name}/parameters", whole)
      out |= {f"{name}/gap_S": _gap(weights, whole)}
    w_SxBxTxD = _taught(*known["gradient"], c.steps, exact_SxB)[:, :, 1:]
    out |= _controls(config, exact_SxB, w_SxBxTxD)
  return out


def student(
  config: config_lib.Calibration,
  params_S: base.PyTree,
  episodes_SxB: base.Episode,
) -> dict[str, np.ndarray]:
  """The same of what a trained, or untrained, model writes itself.

  And error_SxK: E|w_k - w*|^2 of its chain, the start included.
  """
  c = config.linear
  model = students.linear_model(c)
  w_SxBxTxD = _written(model, c.steps, params_S, episodes_SxB)
  weights = _in_weights(episodes_SxB, w_SxBxTxD[:, :, 1:])
  whole = _in_parameters(model, params_S, episodes_SxB, w_SxBxTxD[:, :, 1:])
  off = w_SxBxTxD - episodes_SxB.latent_D[:, :, None]
  return {
    **_summarised("weights", weights),
    **_summarised("parameters", whole),
    "error_SxK": np.asarray(jnp.sum(off**2, -1).mean(1)),
  }


def _doubled(tree: base.PyTree) -> base.PyTree:
  return jax.tree.map(lambda a: jnp.asarray(a, jnp.float64), tree)


def _each(function, episodes_SxB, *more):
  """`function` over seeds and tasks, compiled."""
  run = jax.jit(jax.vmap(jax.vmap(function)))
  return jax.tree.map(np.asarray, run(episodes_SxB, *more))


def _taught(teacher, numbers, steps, episodes_SxB):
  return _each(lambda e: teacher(numbers, e, steps), episodes_SxB)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _written(model, steps, params_S, episodes_SxB):
  walk = reasoners.reasoner(model)

  def one(params, episode):
    return reasoners.rollout(walk, params, episode.support, steps)

  return jax.vmap(jax.vmap(one, (None, 0)))(params_S, episodes_SxB)


def _in_weights(episodes_SxB, w_SxBxKxD):
  """Moments [S, B, K - 1] of each loss."""

  def one(episode, w_KxD):
    return {
      loss: linear_path.in_weights(episode, w_KxD, loss) for loss in LOSSES
    }

  return _each(one, episodes_SxB, jnp.asarray(w_SxBxKxD))


def _in_parameters(model, params, episodes_SxB, w_SxBxKxD, shared=False):
  """The same in V_31; the params are one for all seeds, or stacked."""

  def one(params, episode, w_KxD):
    return {
      loss: linear_path.in_parameters(model, params, episode, w_KxD, loss)
      for loss in LOSSES
    }

  tasks = jax.vmap(one, (None, 0, 0))
  run = jax.jit(jax.vmap(tasks, (None if shared else 0, 0, 0)))
  found = run(params, episodes_SxB, jnp.asarray(w_SxBxKxD))
  return jax.tree.map(np.asarray, found)


def _summarised(prefix, moments) -> dict[str, np.ndarray]:
  out = {}
  for loss, m in moments.items():
    found = summaries.of_moments(m)
    out |= summaries.named(f"{prefix}/{loss}", found)
  return out


def _gap(one, two) -> np.ndarray:
  """Largest |difference| of cosines, per seed."""
  gaps = [
    np.abs(alignment.cosine(one[loss]) - alignment.cosine(two[loss]))
    for loss in LOSSES
  ]
  return np.max(gaps, axis=(0, 2, 3))


def _controls(config, episodes_SxB, w_SxBxKxD) -> dict[str, np.ndarray]:
  """Updates of another origin, against the gradients of the same losses."""
  key = loop.evaluation_key(jax.random.key(config.seed), "random directions")
  steps_SxBxPxD = np.diff(w_SxBxKxD, axis=2)
  size = np.linalg.norm(steps_SxBxPxD, axis=-1, keepdims=True)
  random = np.array(jax.random.normal(key, steps_SxBxPxD.shape))
  random *= size / np.linalg.norm(random, axis=-1, keepdims=True)
  updates = {
    "other_question": np.roll(steps_SxBxPxD, 1, axis=1),
    "shuffled_steps": steps_SxBxPxD[:, :, ::-1],
    "random_direction": random,
  }
  out = {}
  for name, update in updates.items():
    against = _against(episodes_SxB, jnp.asarray(w_SxBxKxD), update)
    out |= _summarised(name, against)
  return out


def _against(episodes_SxB, w_SxBxKxD, update_SxBxPxD):
  """Moments of given updates against the gradients along a chain."""

  def one(episode, w_KxD, update_PxD):
    def of(loss):
      of_w = weight_tokens.LOSSES[loss]
      slope = jax.vmap(jax.grad(lambda w_D: of_w(w_D, episode)))(w_KxD[:-1])
      return jax.vmap(alignment.moments)(update_PxD, slope)

    return {loss: of(loss) for loss in LOSSES}

  return _each(one, episodes_SxB, w_SxBxKxD, jnp.asarray(update_SxBxPxD))
