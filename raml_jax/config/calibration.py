"""The config of the calibration study, as typed, frozen dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
from typing import Any, Literal

from raml_jax import parsing
from raml_jax.config import common

Part = Literal["linear", "decoder", "maml"]


@dataclasses.dataclass(frozen=True)
class Task:
  """Linear regression with isotropic inputs and no noise.

  Attributes:
    d: input dimension, even: then every vector makes the same angle with its
      rotated image.
    n: support pairs.
  """

  d: int
  n: int


@dataclasses.dataclass(frozen=True)
class Teachers:
  """What chains are taught.

  Attributes:
    eta: step size of gradient descent, of its rotated decoy and of the straight
      path.
    degrees: of the rotation.
    alpha: step size of descent on a shrunk iterate.
    beta: how far it is shrunk.
  """

  eta: float
  degrees: float
  alpha: float
  beta: float


@dataclasses.dataclass(frozen=True)
class Linear:
  """One layer of linear attention.

  Attributes:
    task: what it is asked.
    teachers: numbers of the rules, exact and taught.
    steps: K of every chain, and of what is measured of it.
    line: steps over which the exact rules are drawn, and for which descent and
      the straight path are taught.
    init_scale: standard deviation of the entries of V and W.
    cap: of a task's error when chains are judged by their last token.
    taught: training on teachers.
    outcome: training on the last token.
  """

  task: Task
  teachers: Teachers
  steps: int
  line: int
  init_scale: float
  cap: float
  taught: common.Training
  outcome: common.Training


@dataclasses.dataclass(frozen=True)
class Decoder:
  """A softmax decoder on weight tokens, read out of a blank one.

  Attributes:
    task: what it is asked.
    teachers: numbers of the rules.
    steps: K of every chain.
    layers: blocks.
    heads: per block.
    width: of the stream.
    mlp: hidden width of the MLP over the width.
    layer_norm: whether it normalises, as the decoders on characters do.
    train: training on teachers.
  """

  task: Task
  teachers: Teachers
  steps: int
  layers: int
  heads: int
  width: int
  mlp: int
  layer_norm: bool
  train: common.Training


@dataclasses.dataclass(frozen=True)
class Adaptation:
  """MAML on the same decoder: as many true inner steps as a chain has tokens.

  Attributes:
    beyond: inner steps measured.
    alpha: step size at the start; it is learned.
    queries: query pairs of a task.
    low: least step size tried for who has learned none.
    high: largest.
    points: step sizes tried, evenly in the logarithm.
    train: the outer loop.
  """

  beyond: int
  alpha: float
  queries: int
  low: float
  high: float
  points: int
  train: common.Training


@dataclasses.dataclass(frozen=True)
class Measure:
  """The evaluation.

  Attributes:
    tasks: per seed; one half fits a step size, the other is explained by it.
    at_once: tasks side by side, for memory; a divisor of them.
  """

  tasks: int
  at_once: int


@dataclasses.dataclass(frozen=True)
class Calibration:
  """The study: `studies.calibration`.

  Attributes:
    experiment: its name.
    seed: of all randomness.
    seeds: training seeds.
    parts: what is run; "maml" stands beside the chains of "decoder".
    linear: linear attention.
    decoder: the softmax decoder.
    adaptation: MAML on that decoder.
    measure: the evaluation.
    claims: words and margins.
  """

  experiment: Literal["calibration"]
  seed: int
  seeds: int
  parts: tuple[Part, ...]
  linear: Linear
  decoder: Decoder
  adaptation: Adaptation
  measure: Measure
  claims: Mapping[str, common.ClaimSpec]


def parse(mapping: Mapping[str, Any]) -> Calibration:
  """Converts and checks a config.

  Raises:
    ConfigError: an unknown, missing, ill-typed or impossible field.
  """
  c = parsing.convert(Calibration, mapping, "config")
  common.check_numbers(c, ("seed",))
  common.require(c.seeds >= 2, "seeds", c.seeds, "at least 2")
  distinct = len(c.parts) > 0 and len(set(c.parts)) == len(c.parts)
  common.require(distinct, "parts", c.parts, "at least one, each named once")
  alone = "maml" in c.parts and "decoder" not in c.parts
  common.require(not alone, "parts", c.parts, "with decoder where maml is")
  for name in ("linear", "decoder"):
    part = getattr(c, name)
    d, steps = part.task.d, part.steps
    common.require(d % 2 == 0, f"{name}.task.d", d, "even")
    # The first token is what the question alone is answered.
    common.require(steps >= 3, f"{name}.steps", steps, "at least 3")
  low, line = c.linear.steps, c.linear.line
  common.require(
    line >= low, "linear.line", line, f"at least linear.steps = {low}"
  )
  x = c.decoder
  common.require(
    x.width % x.heads == 0,
    "decoder.heads",
    x.heads,
    f"a divisor of decoder.width = {x.width}",
  )
  rows, needed = x.width, x.task.n + 1
  common.require(
    rows > needed, "decoder.width", rows, f"above decoder.task.n + 1 = {needed}"
  )
  a, m = c.adaptation, c.measure
  common.require(
    a.beyond >= x.steps,
    "adaptation.beyond",
    a.beyond,
    f"at least decoder.steps = {x.steps}",
  )
  common.require(a.high > a.low, "adaptation.high", a.high, "above its low")
  common.require(a.points >= 2, "adaptation.points", a.points, "at least 2")
  common.require(m.tasks >= 4, "measure.tasks", m.tasks, "at least 4")
  common.require(
    m.tasks % m.at_once == 0,
    "measure.at_once",
    m.at_once,
    f"a divisor of measure.tasks = {m.tasks}",
  )
  return c
