"""The rules that are tuned rather than learned, and how they are tuned.

Every rival is tuned anew for each criterion it is judged by, over a grid of all
its numbers, then over finer step sizes around the best. The learned rule is
trained once, for the area under its curve alone.
"""

from __future__ import annotations

from collections.abc import Callable
import itertools

import jax.numpy as jnp
import numpy as np
import optax

from raml_jax import base
from raml_jax.config import learned_optimizer as config_lib
from raml_jax.inner import optimizers
from raml_jax.studies.learned_optimizer import curves
from raml_jax.studies.learned_optimizer import problems
from raml_jax.studies.learned_optimizer import summaries


def _rule(make: Callable[..., optax.GradientTransformation]):
  """A rule whose numbers are chosen from outside, as its meta."""

  def init(key, params, steps):
    raise ValueError("the numbers of a rival come from its tuning")

  return optimizers.InnerOptimizer(init, lambda meta: make(**meta))


# By name, those of `config.RIVALS`; their numbers are the functions' arguments.
TABLE = {
  "sgd": _rule(lambda alpha: optax.sgd(alpha)),
  "momentum": _rule(lambda alpha, mu: optax.sgd(alpha, mu)),
  "nesterov": _rule(lambda alpha, mu: optax.sgd(alpha, mu, nesterov=True)),
  "rmsprop": _rule(lambda alpha, decay: optax.rmsprop(alpha, decay)),
  "adam": _rule(lambda alpha, b1, b2: optax.adam(alpha, b1, b2)),
}


def _axes(tune: config_lib.Tune) -> dict[str, dict[str, tuple[float, ...]]]:
  """What is tried of every number but the step size."""
  return {
    "sgd": {},
    "momentum": {"mu": tune.mu},
    "nesterov": {"mu": tune.mu},
    "rmsprop": {"decay": tune.decay},
    "adam": {"b1": tune.b1, "b2": tune.b2},
  }


# From curves "loss", "error" [C, T] to a number [C] to be as small as can be.
Criterion = Callable[[dict[str, np.ndarray]], np.ndarray]


def criteria(
  config: config_lib.LearnedOptimizer, problem: problems.Problem
) -> dict[str, Criterion]:
  """By name: the area under the curve, the final loss, the answer's error.

  The last is what the chains of thought of length k are trained on.
  """
  length, job = config.length, config.chains.job
  out: dict[str, Criterion] = {
    "area": lambda found: summaries.area(found["loss"], length),
    "final": lambda found: found["loss"][:, length],
  }
  if "error" in problem.values:
    for k in sorted({*job.outcome.steps, job.imitation.steps}):
      out[f"answer_k{k}"] = lambda found, k=k: found["error"][:, k]
  return out


def tuned(
  config: config_lib.LearnedOptimizer,
  problem: problems.Problem,
  episodes_B: base.Episode,
) -> dict[str, np.ndarray]:
  """The best numbers of every rival for every criterion: see `best`."""
  job = config.chains.job
  steps = max(config.length, job.imitation.steps, *job.outcome.steps)
  wanted = criteria(config, problem)
  out = {}
  for name in TABLE:
    out |= best(name, wanted, config.tune, problem, episodes_B, steps)
  return out


def best(
  name: str,
  wanted: dict[str, Criterion],
  tune: config_lib.Tune,
  problem: problems.Problem,
  episodes_B: base.Episode,
  steps: int,
) -> dict[str, np.ndarray]:
  """The best numbers of one rival for every criterion.

  Args:
    name: of the rival.
    wanted: criteria by name.
    tune: what is tried.
    problem: what on.
    episodes_B: its tasks.
    steps: as long as the criteria ask for.

  Returns:
    "<rival>/<criterion>/<number>", the number chosen, and
    "<rival>/<criterion>/alpha_C", "<rival>/<criterion>/value_C": the criterion
    against the step size, its other numbers at the chosen ones.
  """
  alpha_C = np.geomspace(tune.low, tune.high, tune.points)
  axes = _axes(tune)[name]

  def values(rows):
    # So many at a time that one program serves the grid and its refinement.
    parts = [
      _curves(
        TABLE[name], problem, rows[i : i + tune.points], episodes_B, steps
      )
      for i in range(0, len(rows), tune.points)
    ]
    found = {key: np.concatenate([p[key] for p in parts]) for key in parts[0]}
    return {label: of(found) for label, of in wanted.items()}

  grid = [
    {"alpha": alpha, **dict(zip(axes, rest, strict=True))}
    for rest in itertools.product(*axes.values())
    for alpha in alpha_C
  ]
  out = {}
  for label, value_G in values(grid).items():
    at = int(np.argmin(value_G))
    row, first = grid[at], at - at % tune.points
    if row["alpha"] in (alpha_C[0], alpha_C[-1]):
      print(
        f"warning: the best step size of {name} for {label} on {problem.name}"
        f" is at the end of config.tune: {row['alpha']:.3g}",
        flush=True,
      )
    near_C = row["alpha"] * (alpha_C[1] / alpha_C[0]) ** np.linspace(
      -1, 1, tune.points
    )
    fine_C = values([{**row, "alpha": alpha} for alpha in near_C])[label]
    alphas = np.concatenate([alpha_C, near_C])
    found = np.concatenate([value_G[first : first + tune.points], fine_C])
    order = np.argsort(alphas, kind="stable")
    for key, number in {**row, "alpha": alphas[np.argmin(found)]}.items():
      out[f"{name}/{label}/{key}"] = np.float64(number)
    out[f"{name}/{label}/alpha_C"] = alphas[order]
    out[f"{name}/{label}/value_C"] = found[order]
  return out


def chosen(
  tuning: dict[str, np.ndarray], name: str, criterion: str
) -> dict[str, base.Array]:
  """The numbers of a rival, its `meta`."""
  prefix = f"{name}/{criterion}/"
  return {
    key.removeprefix(prefix): jnp.float32(value)
    for key, value in tuning.items()
    if key.startswith(prefix) and np.ndim(value) == 0
  }


def _curves(rule, problem, rows, episodes_B, steps):
  meta_C = {
    key: jnp.asarray([row[key] for row in rows], jnp.float32) for key in rows[0]
  }
  found = curves.means(rule, problem, meta_C, episodes_B, steps)
  return {name: np.asarray(value_CxT) for name, value_CxT in found.items()}
