"""The measurements of one arm, each saved as soon as it is made."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from raml_jax import base
from raml_jax.config import maml_vs_cot as config_lib
from raml_jax.models import reasoners
from raml_jax.studies import running
from raml_jax.studies.maml_vs_cot import regimes
from raml_jax.tasks import regression
from raml_jax.theory import compare
from raml_jax.theory import measure
from raml_jax.theory import observe
from raml_jax.theory import rules
from raml_jax.training import loop


@dataclasses.dataclass(frozen=True)
class Arm:
  """One covariance, its evaluation tasks and everything trained on it.

  Attributes:
    name: key of `config.arms`.
    task: the family of tasks, with pairs and queries.
    episodes: evaluation tasks, [seeds, tasks].
    error_episodes: more of them, for mean errors.
    shifted: out-of-distribution tasks by name of the shift.
    runs: what was trained, by name.
    params: its parameters, stacked over seeds.
  """

  name: str
  task: regression.LinearRegression
  episodes: base.Episode
  error_episodes: base.Episode
  shifted: dict[str, base.Episode]
  runs: dict[str, regimes.Run]
  params: dict[str, base.PyTree]


def shift_task(
  config: config_lib.MamlVsCot,
  task: regression.LinearRegression,
  shift: config_lib.Shift,
) -> regression.LinearRegression:
  """The task of an arm, with one thing changed."""
  changes = {
    name: value
    for name in ("law", "n")
    if (value := getattr(shift, name)) is not None
  }
  # Arrays, as in the task itself: a plain number would compile anew.
  changes |= {
    name: jnp.float32(value)
    for name in ("scale", "noise", "prior_scale")
    if (value := getattr(shift, name)) is not None
  }
  if shift.covariance is not None:
    changes["root_DxD"] = regression.covariance_root(
      config.task.d, shift.covariance.kind, shift.covariance.spectrum
    )
  return dataclasses.replace(task, **changes)


def episodes(
  config: config_lib.MamlVsCot, task: regression.LinearRegression, name: str
) -> tuple[base.Episode, base.Episode, dict[str, base.Episode]]:
  """Evaluation tasks of an arm; keys disjoint from all training keys."""
  key = loop.evaluation_key(jax.random.key(config.seed), name)
  m, seeds = config.measure, config.seeds
  light = config.model.kind == "linear_attention"
  keys = jax.random.split(key, 2 + len(m.shifts))

  def draw(task, key, batch, pairs):
    moments = not pairs and task.law == "normal"
    task = dataclasses.replace(task, moments_only=moments)
    drawn = measure.evaluation_tasks(task, key, seeds, batch)
    spectrum = regression.with_spectrum(drawn.support)
    drawn = dataclasses.replace(drawn, support=spectrum)
    if pairs:
      return drawn
    # Equal shapes whatever n and law: measurements compile once.
    support = dataclasses.replace(drawn.support, pairs=None)
    return dataclasses.replace(drawn, support=support)

  main = draw(dataclasses.replace(task, queries=4), keys[0], m.tasks, True)
  shifted = {
    shift: draw(
      shift_task(config, task, m.shifts[shift]), k, m.tasks, not light
    )
    for k, shift in zip(keys[2:], sorted(m.shifts), strict=True)
  }
  return (
    main,
    draw(task, keys[1], m.error_tasks, not light),
    shifted,
  )


def contestants(
  config: config_lib.MamlVsCot, arm: Arm
) -> dict[str, tuple[base.Reasoner, base.PyTree, int]]:
  """Everyone who is measured: (reasoner, params, K) by name.

  Trained models of every regime, MAML at the lengths of the outcome regime,
  the untrained model, and gradient descent itself.
  """
  lengths = {config.decoys.steps, *config.outcome.steps}
  out = {
    name: (run.reasoner, arm.params[name], run.steps)
    for name, run in arm.runs.items()
    if run.regime != "maml" or run.steps in lengths
  }
  cot = reasoners.reasoner(regimes.model(config))
  out["untrained"] = (cot, arm.params["untrained"], config.decoys.steps)
  out["gradient_descent"] = (
    rules.reasoner(rules.TABLE["gradient"]),
    running.stacked({"eta": jnp.float32(config.imitation.eta)}, config.seeds),
    config.imitation.steps,
  )
  return out


def evaluate(
  config: config_lib.MamlVsCot, arm: Arm, name: str, who
) -> dict[str, np.ndarray]:
  """All measurements of one contestant."""
  reasoner, params_S, steps = who
  key = loop.evaluation_key(
    jax.random.key(config.seed), f"{arm.name}/interventions"
  )
  m = config.measure
  out = measure.measure(reasoner, params_S, arm.episodes, steps, key, m.scales)
  out |= measure.errors(
    reasoner, params_S, arm.error_episodes, steps * m.beyond
  )
  # The yardstick out of distribution: descent with the step size that fits
  # this contestant in distribution.
  tracked = [
    measure.tracking(reasoner, params_S, out["eta_S"], shifted, steps)
    for shifted in arm.shifted.values()
  ]
  out["tracking_SxH"] = np.stack([share_S for share_S, _ in tracked], axis=-1)
  out["unstable_SxH"] = np.stack([left_S for _, left_S in tracked], axis=-1)
  if name == "imitation":
    out["order_S"], out["other_examples_S"] = order(
      reasoner, params_S, arm, steps
    )
  return out


def order(
  reasoner: base.Reasoner, params_S: base.PyTree, arm: Arm, steps: int
) -> tuple[np.ndarray, np.ndarray]:
  """Relative change of a path when the examples are reversed, or replaced."""

  @jax.jit
  @jax.vmap
  def one(params, episodes):
    path = observe.paths(reasoner, params, episodes.support, steps)
    pairs = jax.tree.map(lambda a: a[:, ::-1], episodes.support.pairs)
    reversed_ = jax.vmap(regression.support_of)(pairs)
    # Other inputs of the same tasks: the next task's, labelled anew.
    other = jax.tree.map(lambda a: jnp.roll(a, 1, axis=0), episodes.support)
    other = dataclasses.replace(other, spectrum=None)
    other = jax.vmap(observe.relabel)(other, episodes.latent_D)

    def change(support):
      moved = observe.paths(reasoner, params, support, steps)
      return jnp.sum((moved - path) ** 2) / jnp.sum(path**2)

    return change(reversed_), change(other)

  return jax.device_get(one(params_S, arm.episodes))


def ablations(
  config: config_lib.MamlVsCot, arm: Arm, name: str
) -> dict[str, np.ndarray]:
  """Errors of an outcome-trained chain when a path of information is cut.

  "clean": tokens fed back as (0, 0, w, 1), nothing passes through other rows;
  "forget": earlier tokens leave the context, nothing passes through history.
  """
  run = arm.runs[name]
  out = {}
  for label, cut in (
    ("whole", {}),
    ("clean", {"clean": True}),
    ("forget", {"forget": True}),
    ("both", {"clean": True, "forget": True}),
  ):
    reasoner = reasoners.reasoner(regimes.model(config), **cut)
    found = measure.errors(
      reasoner, arm.params[name], arm.error_episodes, run.steps
    )
    out[f"{label}_SxK"] = found["error_SxK"]
  return out


@functools.partial(
  jax.jit,
  static_argnums=(0, 2, 5, 7),
  compiler_options=measure.RUN_ONCE,
)
def _versus(one, params_S, two, two_params_S, episodes, steps, key, scales):
  def seed(params, two_params, episodes):
    return compare.compare(
      one, params, two, two_params, episodes, steps, key, scales
    )

  return jax.vmap(seed)(params_S, two_params_S, episodes)


def versus(
  config: config_lib.MamlVsCot, arm: Arm, one: str, two: str
) -> dict[str, np.ndarray]:
  """`compare.compare` of two contestants, over K steps of the second."""
  who = contestants(config, arm)
  (reasoner, params, _), (other, other_params, steps) = who[one], who[two]
  key = loop.evaluation_key(jax.random.key(config.seed), f"{arm.name}/versus")
  found = _versus(
    reasoner,
    params,
    other,
    other_params,
    arm.episodes,
    steps,
    key,
    config.measure.scales,
  )
  return {measure.stacked_name(k): np.asarray(v) for k, v in found.items()}


def pairs_to_compare(
  config: config_lib.MamlVsCot, arm: Arm
) -> list[tuple[str, str]]:
  """Chains of thought beside MAML: equal lengths, every variant, controls."""
  out = []
  for maml, run in arm.runs.items():
    if run.regime != "maml" or run.steps not in config.outcome.steps:
      continue
    for kind in ("full", "restricted"):
      cot = f"outcome_{kind}_k{run.steps}"
      if cot in arm.runs:
        out.append((cot, maml))
  shared = f"maml_shared_k{config.decoys.steps}"
  if shared in arm.runs:
    for cot in ("imitation_maml", "rotated", "untrained"):
      if cot in contestants(config, arm):
        out.append((cot, shared))
  return out


def rule_reasoners(
  config: config_lib.MamlVsCot, arm: Arm
) -> dict[str, dict[str, np.ndarray]]:
  """Every rival run as a reasoner: who is it taken for?"""
  steps, out = config.decoys.steps, {}
  key = loop.evaluation_key(jax.random.key(config.seed), f"{arm.name}/rules")
  for name, rule in rules.TABLE.items():
    theta = jax.tree.map(jnp.asarray, rule.example(config.task.d, steps))
    out[name] = measure.measure(
      rules.reasoner(rule),
      running.stacked(theta, config.seeds),
      arm.episodes,
      steps,
      key,
      config.measure.scales,
    )
  return out
