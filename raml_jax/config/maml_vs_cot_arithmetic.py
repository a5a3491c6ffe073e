"""The config of MAML on written trajectories beside the chain of thought."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
from typing import Any, Literal

from raml_jax import parsing
from raml_jax.config import arithmetic
from raml_jax.config import common

# What is trained. All but `cot` and `direct` take true inner steps in training.
Arm = Literal[
  "cot",
  "second_order",
  "head",
  "low_rank",
  "first_order",
  "head_first_order",
  "low_rank_first_order",
  "direct",
]
ARMS: tuple[str, ...] = Arm.__args__
# Trajectories tried on each question, and how: see `studies`.
KINDS = ("own", "other", "false", "shuffled", "filler", "random")
MODES = ("context", "inner")
MAML = ARMS[1:-1]


@dataclasses.dataclass(frozen=True)
class Inner:
  """Inner loops in training: a learned step size per line and tensor.

  Attributes:
    unit: what the inner steps are taken on, lines or single tokens of the
      trajectory. All else that is said of lines is then said of tokens.
    alpha: where these step sizes start.
    alphas: by arm, where it is not there.
    repeats: inner steps on each line.
    head: regular expression of what moves in the arms `head`.
    low_rank: of the matrices that get deltas in the arms `low_rank`.
    rank: of the deltas.
  """

  unit: Literal["line", "token"]
  alpha: float
  alphas: Mapping[str, float]
  repeats: int
  head: str
  low_rank: str
  rank: int


@dataclasses.dataclass(frozen=True)
class Tune:
  """One step size for all lines, for whoever was not trained with any.

  Attributes:
    questions: of the validation split.
    low: least step size.
    high: largest.
    points: step sizes, evenly in the logarithm.
    repeats: inner steps on each line that are tried, each with every step size.
  """

  questions: int
  low: float
  high: float
  points: int
  repeats: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Measure:
  """The evaluation, on the test split.

  Attributes:
    options: fields of the task's options that differ from training; all
      questions must have as many lines as the longest.
    questions: that everything is measured on with their own trajectory.
    control_questions: the first of them, for all other trajectories.
    update_questions: the first of them, for changes of parameters.
    reads: read-outs, from the first, whose states are compared.
    ridge: penalty of the probes.
  """

  options: Mapping[str, Any]
  questions: int
  control_questions: int
  update_questions: int
  reads: int
  ridge: float


@dataclasses.dataclass(frozen=True)
class Arithmetic:
  """The study: `studies.maml_vs_cot_arithmetic`.

  Attributes:
    experiment: its name.
    seed: of all randomness.
    seeds: training seeds.
    checkpoints: the workdir of an earlier run of this study whose trained arms
      serve again; it must have trained the same. Empty for none.
    arms: what is trained.
    task: what is asked.
    model: the decoder of every arm.
    fit: the outer loop of every arm; `weights` are those of the chain of
      thought, all others learn the answer alone.
    learning_rates: by arm, where they are not that of `fit`.
    inner: the inner loop.
    tune: inner step sizes after training.
    measure: the evaluation.
    claims: words and margins.
  """

  experiment: Literal["maml_vs_cot_arithmetic"]
  seed: int
  seeds: int
  checkpoints: str
  arms: tuple[Arm, ...]
  task: arithmetic.Task
  model: arithmetic.Decoder
  fit: arithmetic.Fit
  learning_rates: Mapping[str, float]
  inner: Inner
  tune: Tune
  measure: Measure
  claims: Mapping[str, common.ClaimSpec]


# What a run must have in common with one whose checkpoints it takes.
TRAINED = (
  "seed",
  "seeds",
  "task",
  "model",
  "fit",
  "learning_rates",
  "inner",
)


def parse(mapping: Mapping[str, Any]) -> Arithmetic:
  """Converts and checks a config.

  Raises:
    ConfigError: an unknown, missing, ill-typed or impossible field.
  """
  c = parsing.convert(Arithmetic, mapping, "config")
  # The families check their own fields.
  checked = dataclasses.replace(
    c,
    task=dataclasses.replace(c.task, options={}),
    fit=dataclasses.replace(c.fit, weights={}),
    measure=dataclasses.replace(c.measure, options={}),
  )
  common.check_numbers(checked, ("seed", *arithmetic.ZERO_ALLOWED))
  arithmetic.check_decoder("model", c.model)
  arithmetic.check_fit("fit", c.fit)
  common.require(c.seeds >= 2, "seeds", c.seeds, "at least 2")
  for field, values in (("arms", c.arms), ("tune.repeats", c.tune.repeats)):
    distinct = len(values) > 0 and len(set(values)) == len(values)
    common.require(distinct, field, values, "at least one, each named once")
  common.require("cot" in c.arms, "arms", c.arms, "'cot' and others")
  for field, names, arms in (
    ("learning_rates", c.learning_rates, ARMS),
    ("inner.alphas", c.inner.alphas, MAML),
  ):
    for name in names:
      common.require(name in arms, f"{field}.{name}", name, " or ".join(arms))
  m = c.measure
  common.require(
    c.tune.high > c.tune.low, "tune.high", c.tune.high, "above tune.low"
  )
  common.require(c.tune.points >= 2, "tune.points", c.tune.points, "at least 2")
  for field in ("control_questions", "update_questions"):
    count = getattr(m, field)
    fine = 2 <= count <= m.questions
    allowed = f"2 to measure.questions = {m.questions}"
    common.require(fine, f"measure.{field}", count, allowed)
  _check_model(c)
  return c


def _check_model(c: Arithmetic) -> None:
  """What the measurements need of the decoder and the format."""
  for field, value, fine, allowed in (
    (
      "task.format",
      c.task.format,
      c.task.format in ("simplified", "detailed"),
      "'simplified' or 'detailed', which have a trajectory",
    ),
    (
      "model.positions",
      c.model.positions,
      c.model.positions != "abacus",
      "learned, rotary or none: the answer is read without its trajectory",
    ),
    (
      "model.dtype",
      c.model.dtype,
      c.model.dtype == "float32",
      "'float32': implied updates are built exactly",
    ),
    ("model.loops", c.model.loops, c.model.loops == 1, "1"),
    ("fit.microbatches", c.fit.microbatches, c.fit.microbatches == 1, "1"),
  ):
    common.require(fine, field, value, allowed)
