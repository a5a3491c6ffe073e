"""What is trained in one arm: every regime of the main job.

Objectives, optimizers and reasoners are made once (`functools.cache`) and
shared by the arms, which differ in numbers only: nothing compiles twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
import dataclasses
import functools

import jax
import jax.numpy as jnp

from raml_jax import base
from raml_jax.config import maml_vs_cot as config_lib
from raml_jax.inner import maml
from raml_jax.inner import optimizers
from raml_jax.models import attention
from raml_jax.models import factory
from raml_jax.models import reasoners
from raml_jax.studies import running
from raml_jax.tasks import regression
from raml_jax.training import loop
from raml_jax.training import objectives
from raml_jax.training import sources
from raml_jax.training import sweep
from raml_jax.training import teachers

# Of MAML's inner rule, by the names in the results.
VARIANTS = {
  "shared": optimizers.sgd,
  "per_step": optimizers.per_step,
  "per_coordinate": optimizers.meta_sgd,
  "preconditioner": optimizers.preconditioned,
  "shrunk": optimizers.shrunk,
}


@dataclasses.dataclass(frozen=True)
class Run:
  """One thing to train.

  Attributes:
    name: e.g. "outcome_full_k2"; unique within an arm.
    regime: the entry of `config.REGIMES` that asks for it.
    steps: K, the length of its trajectory.
    reasoner: how it is run.
    phase: `(task, done) -> loop.Phase`, `done` the params of earlier runs.
    batch: episodes per step.
  """

  name: str
  regime: str
  steps: int
  reasoner: base.Reasoner | None
  phase: Callable[..., loop.Phase]


def task(
  config: config_lib.Task, covariance: config_lib.Covariance
) -> regression.LinearRegression:
  """The task of an arm, with explicit pairs."""
  root_DxD = regression.covariance_root(
    config.d, covariance.kind, covariance.spectrum
  )
  return regression.LinearRegression(
    root_DxD,
    scale=jnp.float32(config.scale),
    noise=jnp.float32(config.noise),
    prior_scale=jnp.float32(config.prior_scale),
    d=config.d,
    n=config.n,
    law=config.law,
    prior=config.prior,
  )


def longest(config: config_lib.MamlVsCot) -> int:
  """Weight tokens that the longest path asks for."""
  trained = (
    config.imitation.steps,
    config.decoys.steps,
    config.decoys.straight_steps,
    *config.outcome.steps,
  )
  return config.measure.beyond * max(trained)


_model = functools.cache(factory.make)


def model(config: config_lib.MamlVsCot, steps: int | None = None) -> base.Model:
  """The model, with room for `steps` tokens, or for all that is measured.

  Params do not depend on the room: it is small in training, where it costs.
  """
  return _model(config.model, config.task, steps, longest(config))


_imitation = functools.cache(objectives.imitation)
_sweep = functools.cache(sweep.imitation)
_outcome = functools.cache(
  lambda reasoner, steps, cap: objectives.outcome(reasoner, steps, cap=cap)
)


@functools.cache
def _restricted(reasoner, steps, cap, d):
  mask = attention.restricted_mask(d)
  return objectives.outcome(reasoner, steps, mask, cap)


def runs(config: config_lib.MamlVsCot) -> list[Run]:
  """Everything one arm trains, in order, for the regimes asked for."""
  every = [
    *_maml_runs(config),
    *_taught_runs(config),
    *_outcome_runs(config),
  ]
  return [run for run in every if run.regime in config.regimes]


def _one_layer(config):
  return config.model.kind == "linear_attention" and config.model.layers == 1


def _train_task(config, task_):
  """Moments alone where the model needs no more and the law allows it."""
  light = config.model.kind == "linear_attention" and task_.law == "normal"
  return dataclasses.replace(task_, moments_only=light)


def _taught_runs(config: config_lib.MamlVsCot) -> Iterator[Run]:
  """Teacher forcing: on gradient descent, on decoys, on the straight path."""
  model_ = model(config)
  d, c = config.task.d, config.decoys
  eye_DxD = jnp.eye(d)
  low, high = c.preconditioned_eigenvalues
  q_DxD = regression.fixed_rotation(d)
  p_DxD = (q_DxD * jnp.linspace(low, high, d)[None]) @ q_DxD.T
  turn_DxD = teachers.block_rotation(d, c.rotated_degrees)

  def of_maml(done):
    alpha_S = done[f"maml_shared_k{c.steps}"]["meta"]["alpha"]
    return {"P": alpha_S[:, None, None] * eye_DxD}

  def fixed(**meta):
    return lambda done: running.stacked(
      jax.tree.map(jnp.float32, meta), config.seeds
    )

  linear, i = teachers.linear, config.imitation
  k, k_straight = c.steps, c.straight_steps
  heavy = fixed(alpha=c.heavy_ball_eta, mu=c.heavy_ball_mu)
  shrunk = fixed(alpha=c.shrunk_alpha, beta=c.shrunk_beta)
  straight = fixed(eta=c.straight_eta)
  rows = [
    # name, regime, K, teacher, its numbers
    ("imitation", "imitation", i.steps, linear, fixed(P=i.eta * eye_DxD)),
    ("rotated", "decoys", k, linear, fixed(P=c.rotated_eta * turn_DxD)),
    ("preconditioned", "decoys", k, linear, fixed(P=p_DxD)),
    ("shrunk", "decoys", k, teachers.shrunk, shrunk),
    ("heavy_ball", "decoys", k, teachers.heavy_ball, heavy),
    (
      "straight_path",
      "straight_path",
      k_straight,
      teachers.straight_path,
      straight,
    ),
  ]
  if "maml" in config.regimes:
    rows.append(("imitation_maml", "imitation", k, linear, of_maml))
  for name, regime, steps, teacher, meta in rows:
    train = i.train if name == "imitation" else c.train
    phase = functools.partial(
      _taught_phase, config, name, steps, teacher, meta, train
    )
    yield Run(name, regime, steps, reasoners.reasoner(model_), phase)


def _taught_phase(config, name, steps, teacher, meta, train, task_, done):
  model_ = model(config, steps)
  one_layer = _one_layer(config)
  task_, numbers = _train_task(config, task_), meta(done)
  task_ = running.stacked(task_, config.seeds)
  if one_layer and teacher is teachers.linear:
    source = sweep.Taught(task_, numbers["P"], steps, train.batch)
  else:
    source = sources.Taught(task_, numbers, teacher, steps, train.batch)
  return loop.Phase(
    name,
    model_.init,
    _sweep() if one_layer else _imitation(model_),
    source,
    running.optimizer(train),
    train.steps,
  )


def _judged_run(config, name, regime, steps, reasoner, init, objective, train):
  """A run that is judged by its last iterate."""

  def phase(task_, done):
    del done
    source = sources.Episodes(
      running.stacked(_train_task(config, task_), config.seeds), train.batch
    )
    return loop.Phase(
      name, init, objective, source, running.optimizer(train), train.steps
    )

  return Run(name, regime, steps, reasoner, phase)


def _outcome_runs(config: config_lib.MamlVsCot) -> Iterator[Run]:
  """Direct answers, and chains judged by their last token."""
  c, d = config.outcome, config.task.d

  def run(name, regime, steps, train, restricted=False):
    model_ = model(config, steps)
    trained = reasoners.reasoner(model_)
    init = model_.init
    objective = _outcome(trained, steps, c.cap)
    if restricted:
      init = functools.partial(_restricted_init, model_, d)
      objective = _restricted(trained, steps, c.cap, d)
    cot = reasoners.reasoner(model(config))
    return _judged_run(config, name, regime, steps, cot, init, objective, train)

  yield run("direct", "direct", 1, c.direct)
  for steps in c.steps:
    if _one_layer(config):
      name = f"outcome_restricted_k{steps}"
      yield run(name, "outcome_restricted", steps, c.restricted, True)
    yield run(f"outcome_full_k{steps}", "outcome_full", steps, c.full)


def _restricted_init(model_, d, key):
  """Random V_31 and W_13; W_24 = -1, as in the construction; else zero."""
  random = model_.init(key)
  zeros_DxD = jnp.zeros((d, d))
  return jax.tree.map(
    lambda r, m, z: r * m + z,
    random,
    attention.restricted_mask(d),
    attention.construction(zeros_DxD, zeros_DxD),
  )


def _maml_runs(config: config_lib.MamlVsCot) -> Iterator[Run]:
  """Every variant of the inner rule, for every K."""
  c, d = config.maml, config.task.d
  named = {
    "shared": (c.shared_steps, c.shared),
    "per_step": (c.per_step_steps, c.per_step),
  }
  for variant, make in VARIANTS.items():
    lengths, train = named.get(variant, (c.other_steps, c.others))
    rule = make(c.alpha)
    for steps in lengths:
      reasoner = maml.reasoner(rule)

      def init(key, rule=rule, steps=steps):
        return maml.init(rule, d, steps, key)

      yield _judged_run(
        config,
        f"maml_{variant}_k{steps}",
        "maml",
        steps,
        reasoner,
        init,
        _outcome(reasoner, steps, None),
        train,
      )


def canonical(run: Run, params: base.PyTree) -> base.PyTree:
  """Per-step MAML in ascending order: training leaves the order to chance."""
  if not run.name.startswith("maml_per_step"):
    return params
  meta = {"alpha": jnp.sort(params["meta"]["alpha"], axis=-1)}
  return {**params, "meta": meta}
