"""The config of the pseudo-gradient study."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
from typing import Any, Literal

from raml_jax import parsing
from raml_jax.config import arithmetic
from raml_jax.config import common


@dataclasses.dataclass(frozen=True)
class Table:
  """The fixed examples of training.

  Attributes:
    questions: of the training split.
    wordy: of these, so many that are written in the wordier way too. The direct
      model sees none of them.
  """

  questions: int
  wordy: int


@dataclasses.dataclass(frozen=True)
class Measure:
  """How much is measured, of every training seed.

  Attributes:
    questions: held out, of the correct trajectory and the whole answer.
    controls: of these, the first for every control and for the first token.
    probes: of these, the first for exactness, identity and the proposition.
    rivals: of these, the first for the update rules that are compared.
    tuning: questions of the validation split, for the step of true descent.
    batch: questions at a time; a divisor of all the numbers above.
    exam: questions that the trained models answer.
  """

  questions: int
  controls: int
  probes: int
  rivals: int
  tuning: int
  batch: int
  exam: int


@dataclasses.dataclass(frozen=True)
class Descent:
  """Step sizes of true gradient descent, tried on the tuning questions.

  Attributes:
    low: the least.
    high: the largest.
    points: how many, evenly in the logarithm.
  """

  low: float
  high: float
  points: int


@dataclasses.dataclass(frozen=True)
class Rivals:
  """What the update rules are tuned over, beside their step size.

  Attributes:
    momentum: decay of the sum of past gradients.
    adam: (b1, b2).
    shrinkage: of the diagonal preconditioner towards one common step, in
      multiples of the mean squared gradient of a coordinate.
  """

  momentum: tuple[float, ...]
  adam: tuple[tuple[float, float], ...]
  shrinkage: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class PseudoGradient:
  """The study: `studies.pseudo_gradient`.

  Attributes:
    experiment: its name.
    seed: of all randomness.
    seeds: training seeds.
    checkpoints: the workdir of an earlier run of this study whose trained
      models serve again; it must have trained the same. Empty for none.
    task: additions with a scratchpad, in the format "simplified".
    model: the decoder.
    table: what it is trained on.
    cot: training with scratchpads.
    direct: training to answer without them.
    measure: how much is measured.
    descent: true gradient descent.
    rivals: update rules.
    claims: words and margins.
  """

  experiment: Literal["pseudo_gradient"]
  seed: int
  seeds: int
  checkpoints: str
  task: arithmetic.Task
  model: arithmetic.Decoder
  table: Table
  cot: arithmetic.Fit
  direct: arithmetic.Fit
  measure: Measure
  descent: Descent
  rivals: Rivals
  claims: Mapping[str, common.ClaimSpec]


# What a run must have in common with one whose checkpoints it takes.
TRAINED = ("seed", "seeds", "task", "model", "table", "cot", "direct")


def parse(mapping: Mapping[str, Any]) -> PseudoGradient:
  """Converts and checks a config.

  Raises:
    ConfigError: an unknown, missing, ill-typed or impossible field.
  """
  c = parsing.convert(PseudoGradient, mapping, "config")
  # The families check their own fields, and roles theirs.
  checked = dataclasses.replace(
    c,
    task=dataclasses.replace(c.task, options={}),
    cot=dataclasses.replace(c.cot, weights={}),
    direct=dataclasses.replace(c.direct, weights={}),
    rivals=None,
  )
  zero_allowed = ("seed", "wordy", *arithmetic.ZERO_ALLOWED)
  common.check_numbers(checked, zero_allowed)
  arithmetic.check_decoder("model", c.model)
  arithmetic.check_fit("cot", c.cot)
  arithmetic.check_fit("direct", c.direct)
  for name, fit in (("cot", c.cot), ("direct", c.direct)):
    # A batch has parts already, of texts of unequal length.
    common.require(
      fit.microbatches == 1, f"{name}.microbatches", fit.microbatches, "1"
    )
  _check_task(c)
  _check_measure(c.measure)
  common.require(c.seeds >= 2, "seeds", c.seeds, "at least 2")
  common.require(
    c.table.wordy <= c.table.questions,
    "table.wordy",
    c.table.wordy,
    f"at most questions = {c.table.questions}",
  )
  d = c.descent
  common.require(d.high > d.low, "descent.high", d.high, "above descent.low")
  common.require(d.points >= 2, "descent.points", d.points, "at least 2")
  _check_rivals(c.rivals)
  return c


def _check_task(c: PseudoGradient) -> None:
  """The parts of a scratchpad are told from its text: of one kind alone."""
  task, options = c.task, c.task.options
  common.require(task.family == "pairs", "task.family", task.family, "'pairs'")
  common.require(
    task.format == "simplified", "task.format", task.format, "'simplified'"
  )
  common.require(task.base <= 10, "task.base", task.base, "at most 10")
  operator = options.get("operator", "+")
  common.require(operator == "+", "task.options.operator", operator, "'+'")
  m = c.model
  common.require(m.loops == 1, "model.loops", m.loops, "1")
  common.require(m.dtype == "float32", "model.dtype", m.dtype, "'float32'")
  common.require(
    m.attention == "softmax", "model.attention", m.attention, "'softmax'"
  )
  # Where positions turn queries and keys RaML's proposition says nothing.
  common.require(
    m.positions != "rotary",
    "model.positions",
    m.positions,
    "learned, none or abacus",
  )


def _check_measure(m: Measure) -> None:
  common.require(m.batch >= 2, "measure.batch", m.batch, "at least 2")
  for name in ("questions", "controls", "rivals"):
    value = getattr(m, name)
    # Two halves of whole batches: one to fit on, one to score on.
    common.require(
      value % (2 * m.batch) == 0,
      f"measure.{name}",
      value,
      f"a multiple of 2 * batch = {2 * m.batch}",
    )
  common.require(
    m.rivals % (4 * m.batch) == 0,
    "measure.rivals",
    m.rivals,
    f"a multiple of 4 * batch = {4 * m.batch}",
  )
  for name in ("probes", "tuning"):
    value = getattr(m, name)
    common.require(
      value % m.batch == 0,
      f"measure.{name}",
      value,
      f"a multiple of batch = {m.batch}",
    )
  for name in ("controls", "probes", "rivals"):
    value = getattr(m, name)
    common.require(
      value <= m.questions,
      f"measure.{name}",
      value,
      f"at most questions = {m.questions}",
    )


def _check_rivals(r: Rivals) -> None:
  for name in ("momentum", "adam", "shrinkage"):
    value = getattr(r, name)
    common.require(len(value) > 0, f"rivals.{name}", value, "at least one")
  for i, b in enumerate(r.momentum):
    common.require(0 < b < 1, f"rivals.momentum.{i}", b, "between 0 and 1")
  for i, pair in enumerate(r.adam):
    fine = all(0 <= b < 1 for b in pair)
    common.require(fine, f"rivals.adam.{i}", pair, "0 or more and below 1")
  for i, s in enumerate(r.shrinkage):
    fine = 0 <= s < float("inf")
    common.require(fine, f"rivals.shrinkage.{i}", s, "0 or more")
