"""The config of the learned-optimizer study, as typed, frozen dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
from typing import Any, Literal

from raml_jax import parsing
from raml_jax.config import common
from raml_jax.config import maml_vs_cot


@dataclasses.dataclass(frozen=True)
class Rule:
  """The coordinatewise LSTM: `inner.learned.lstm`.

  Attributes:
    layers: of the LSTM.
    width: units of each.
    preprocess: p of the gradient's preprocessing, 0 for none.
    scale: of the update.
    second_derivatives: whether training through truncated windows keeps them;
      the paper drops them. Training on answers always keeps them, as that of a
      chain of thought does.
  """

  layers: int
  width: int
  preprocess: float
  scale: float
  second_derivatives: bool


@dataclasses.dataclass(frozen=True)
class Quadratics:
  """`tasks.quadratics.Quadratics`."""

  d: int
  start_scale: float


@dataclasses.dataclass(frozen=True)
class Tune:
  """How the rivals are tuned, on tasks that nothing is measured on.

  Attributes:
    tasks: how many.
    low: least step size.
    high: largest.
    points: step sizes in between, evenly in the logarithm. Around the best one
      as many again are tried.
    mu: momenta.
    decay: of RMSProp's mean square.
    b1: of Adam.
    b2: of Adam.
  """

  tasks: int
  low: float
  high: float
  points: int
  mu: tuple[float, ...]
  decay: tuple[float, ...]
  b1: tuple[float, ...]
  b2: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Measure:
  """The evaluation.

  Attributes:
    tasks: per seed, for the curves.
    beyond: how many times the training length curves are followed.
    chain_tasks: per seed, for the comparison with chains of thought.
    scales: of the interventions there.
  """

  tasks: int
  beyond: int
  chain_tasks: int
  scales: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Chains:
  """The chains of thought that are compared.

  Attributes:
    workdir: a run of the main job, whose chains are taken if it is finished
      and was made with the same settings; else they are trained here.
    job: the main job's config. Its first arm is used, its tasks are those of
      the linear regression, its seed and seeds become the study's.
  """

  workdir: str
  job: maml_vs_cot.MamlVsCot


@dataclasses.dataclass(frozen=True)
class LearnedOptimizer:
  """The study: `studies.learned_optimizer`.

  Attributes:
    experiment: its name.
    seed: of all randomness.
    seeds: training seeds.
    rule: what is learned.
    unroll: inner steps that training differentiates through.
    length: inner steps of a training problem.
    train: outer loop on the curves of quadratics, and of linear regression.
    answers: outer loop on the last iterate, at the lengths of the chains.
    quadratics: the tasks of Andrychowicz et al. 2016.
    tune: of the rivals.
    measure: the evaluation.
    chains: of thought.
    claims: words and margins.
  """

  experiment: Literal["learned_optimizer"]
  seed: int
  seeds: int
  rule: Rule
  unroll: int
  length: int
  train: common.Training
  answers: common.Training
  quadratics: Quadratics
  tune: Tune
  measure: Measure
  chains: Chains
  claims: Mapping[str, common.ClaimSpec]


# The rules that are tuned: `studies.learned_optimizer.rivals`.
RIVALS = ("sgd", "momentum", "nesterov", "rmsprop", "adam")
_REGIMES = ("imitation", "outcome_full")
_ZERO_ALLOWED = ("seed", "preprocess")


def parse(mapping: Mapping[str, Any]) -> LearnedOptimizer:
  """Converts and checks a config.

  Raises:
    ConfigError: an unknown, missing, ill-typed or impossible field.
  """
  c = parsing.convert(LearnedOptimizer, mapping, "config")
  common.require(c.seed >= 0, "seed", c.seed, "at least 0")
  common.require(c.seeds >= 2, "seeds", c.seeds, "at least 2")
  job = dataclasses.replace(c.chains.job, seed=c.seed, seeds=c.seeds)
  try:
    job = maml_vs_cot.parse(parsing.plain(job))
  except parsing.ConfigError as error:
    message = str(error).removeprefix("config.")
    raise parsing.ConfigError(f"config.chains.job.{message}") from error
  c = dataclasses.replace(c, chains=dataclasses.replace(c.chains, job=job))
  _check(c)
  return c


def _check(c: LearnedOptimizer) -> None:
  """What types cannot say."""
  # The job has been checked by its own rules; what is tried is checked below.
  tried = ("mu", "decay", "b1", "b2")
  tune = dataclasses.replace(c.tune, **dict.fromkeys(tried, ()))
  own = dataclasses.replace(c, chains=None, tune=tune)
  common.check_numbers(own, _ZERO_ALLOWED)
  common.require(
    c.length % c.unroll == 0,
    "length",
    c.length,
    f"a multiple of unroll = {c.unroll}",
  )
  t = c.tune
  common.require(t.high > t.low, "tune.high", t.high, "above tune.low")
  common.require(t.points >= 3, "tune.points", t.points, "at least 3")
  for name in tried:
    values = getattr(t, name)
    good = len(values) > 0 and all(0 <= v < 1 for v in values)
    common.require(good, f"tune.{name}", values, "numbers from 0 to below 1")
  for field in ("tasks", "chain_tasks"):
    value = getattr(c.measure, field)
    common.require(value >= 2, f"measure.{field}", value, "at least 2")
  common.require(
    len(c.measure.scales) > 0, "measure.scales", (), "at least one scale"
  )
  common.require(
    c.chains.workdir != "", "chains.workdir", "", "the name of a directory"
  )
  regimes = c.chains.job.regimes
  for name in _REGIMES:
    allowed = " and ".join(_REGIMES)
    common.require(
      name in regimes and len(regimes) == 2,
      "chains.job.regimes",
      regimes,
      allowed,
    )
