"""The config of the sinusoid study, as typed, frozen dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
from typing import Any, Literal

from raml_jax import parsing
from raml_jax.config import common

Method = Literal[
  "maml",
  "first_order",
  "anil",
  "meta_sgd",
  "reptile",
  "imaml",
  "pretrained",
  "oracle",
]
METHODS: tuple[str, ...] = Method.__args__


@dataclasses.dataclass(frozen=True)
class Network:
  """The multi-layer perceptron that every method trains.

  Attributes:
    widths: of the hidden layers.
    scale: standard deviation of the initial weights.
  """

  widths: tuple[int, ...]
  scale: float


@dataclasses.dataclass(frozen=True)
class Outer:
  """The outer loop of one method.

  Attributes:
    rule: how the meta-gradient is followed.
    learning_rate: at its highest.
    schedule: of the learning rate: constant, linear to zero, or warm-up over a
      twentieth of the updates and cosine to zero.
  """

  rule: Literal["adam", "sgd"]
  learning_rate: float
  schedule: Literal["constant", "linear", "cosine"]


@dataclasses.dataclass(frozen=True)
class Inner:
  """The inner loop in training.

  Attributes:
    alpha: step size; where that of Meta-SGD starts.
    steps: how many.
  """

  alpha: float
  steps: int


@dataclasses.dataclass(frozen=True)
class Implicit:
  """iMAML.

  Attributes:
    alpha: step size of its inner loop.
    mu: momentum of its inner loop.
    clip: norm to which its inner gradients are cut: nothing in the implicit
      meta-gradient keeps the curvature low enough for the step size.
    steps: of its inner loop.
    strength: lambda of the proximal term.
    iterations: of conjugate gradients, at most.
    tolerance: relative residual at which they stop.
  """

  alpha: float
  mu: float
  clip: float
  steps: int
  strength: float
  iterations: int
  tolerance: float


@dataclasses.dataclass(frozen=True)
class Measure:
  """The evaluation.

  Attributes:
    tasks: per seed and number of shots.
    queries: points of a task that errors are measured on.
    steps: how far adaptation is followed.
    shown: tasks whose fitted functions are drawn.
  """

  tasks: int
  queries: int
  steps: int
  shown: int


@dataclasses.dataclass(frozen=True)
class Tune:
  """Step sizes of whoever was not trained with one.

  Attributes:
    tasks: per seed, that nothing is measured on.
    low: least step size.
    high: largest.
    points: step sizes, evenly in the logarithm.
  """

  tasks: int
  low: float
  high: float
  points: int


@dataclasses.dataclass(frozen=True)
class Path:
  """A way down the inner problem of iMAML.

  Attributes:
    rule: gradient descent or Adam.
    alpha: its step size.
    mu: momentum of gradient descent; Adam has its own.
    steps: how many.
    clip: norm to which gradients are cut, if they are.
  """

  rule: Literal["sgd", "adam"]
  alpha: float
  mu: float
  steps: int
  clip: float | None = None


@dataclasses.dataclass(frozen=True)
class Problem:
  """An inner problem, and ways down it.

  Attributes:
    strength: lambda of its proximal term.
    unrolled: whether unrolled meta-gradients are taken beside the implicit one.
    reference: the way that the others are compared with.
    ways: by name.
  """

  strength: float
  unrolled: bool
  reference: str
  ways: Mapping[str, Path]


@dataclasses.dataclass(frozen=True)
class Paths:
  """Whether the meta-gradient depends on the inner path.

  Attributes:
    tasks: per seed.
    iterations: of conjugate gradients, at most.
    tolerance: relative residual at which they stop.
    settled: inner gradient, over that at the start, below which a way has come
      to its end.
    strong: a problem so strongly held to the start that it has one minimum.
    as_trained: that of training, whose own inner loop is a further way.
  """

  tasks: int
  iterations: int
  tolerance: float
  settled: float
  strong: Problem
  as_trained: Problem


@dataclasses.dataclass(frozen=True)
class Sinusoid:
  """The study: `studies.sinusoid`.

  Attributes:
    experiment: its name.
    seed: of all randomness.
    seeds: training seeds.
    shots: numbers K of support points, each a world of its own.
    methods: what is trained.
    network: what every method trains.
    iterations: outer updates, the same for all.
    batch: tasks per update, the same for all.
    outer: by method.
    inner: of MAML, first-order MAML, ANIL and Meta-SGD.
    reptile: its inner loop.
    imaml: its inner loop and its linear solver.
    tune: step sizes after training.
    measure: the evaluation.
    paths: down the inner problem of iMAML, at the first K.
    claims: words and margins.
  """

  experiment: Literal["sinusoid"]
  seed: int
  seeds: int
  shots: tuple[int, ...]
  methods: tuple[Method, ...]
  network: Network
  iterations: int
  batch: int
  outer: Mapping[str, Outer]
  inner: Inner
  reptile: Inner
  imaml: Implicit
  tune: Tune
  measure: Measure
  paths: Paths
  claims: Mapping[str, common.ClaimSpec]


def parse(mapping: Mapping[str, Any]) -> Sinusoid:
  """Converts and checks a config.

  Raises:
    ConfigError: an unknown, missing, ill-typed or impossible field.
  """
  c = parsing.convert(Sinusoid, mapping, "config")
  common.check_numbers(c, ("seed", "mu"))
  common.require(c.seeds >= 2, "seeds", c.seeds, "at least 2")
  for field in ("shots", "methods"):
    values = getattr(c, field)
    distinct = len(values) > 0 and len(set(values)) == len(values)
    common.require(distinct, field, values, "at least one, each named once")
  for name in c.methods:
    known = tuple(c.outer)
    common.require(name in c.outer, "outer", known, f"given for {name!r} too")
  for name in c.outer:
    allowed = " or ".join(METHODS)
    common.require(name in METHODS, f"outer.{name}", name, allowed)
  t, m = c.tune, c.measure
  common.require(t.high > t.low, "tune.high", t.high, "above tune.low")
  common.require(t.points >= 2, "tune.points", t.points, "at least 2")
  common.require(m.tasks >= 2, "measure.tasks", m.tasks, "at least 2")
  common.require(
    m.shown <= m.tasks, "measure.shown", m.shown, "at most measure.tasks"
  )
  common.require(
    c.paths.tasks <= t.tasks, "paths.tasks", c.paths.tasks, "at most tune.tasks"
  )
  common.require(c.imaml.mu < 1, "imaml.mu", c.imaml.mu, "below 1")
  for name in ("strong", "as_trained"):
    _check_problem(f"paths.{name}", getattr(c.paths, name))
  strength = c.imaml.strength
  common.require(
    c.paths.as_trained.strength == strength,
    "paths.as_trained.strength",
    c.paths.as_trained.strength,
    f"imaml.strength = {strength}",
  )
  return c


def _check_problem(field: str, problem: Problem) -> None:
  ways, first = problem.ways, problem.reference
  common.require(len(ways) >= 2, f"{field}.ways", tuple(ways), "at least two")
  known = " or ".join(map(repr, ways))
  common.require(first in ways, f"{field}.reference", first, known)
  for name, way in ways.items():
    common.require(way.mu < 1, f"{field}.ways.{name}.mu", way.mu, "below 1")
