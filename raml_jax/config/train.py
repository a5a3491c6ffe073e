"""The config of training one decoder on arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
from typing import Any, Literal

from raml_jax import parsing
from raml_jax.config import arithmetic
from raml_jax.config import common

# The test of the task itself, beside those that the config names.
HELD_OUT = "held_out"
CLAIMS = ("exact-match",)


@dataclasses.dataclass(frozen=True)
class Data:
  """Where training examples come from.

  Attributes:
    dataset: of `tasks.datasets`, e.g. "addition/simplified_2"; None for fresh
      examples, drawn by the family itself. It must be one of the same task.
    folder: where data sets are kept; they are prepared there if they are not.
    variants: of `tasks.arithmetic.variants`, one of which, drawn at random,
      every fresh example is; empty for the usual trajectory.
  """

  dataset: str | None
  folder: str
  variants: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Measure:
  """The evaluation.

  Attributes:
    questions: of every test, all of them held out.
    every: updates between two evaluations in training, and two checkpoints.
    watched: questions of these evaluations, from the validation split.
    tests: by name, fields of the task's options that differ from training.
    samples: answers to each question for Pass@k; 0 for none.
    ks: of Pass@k and mG-Pass@k.
    temperature: of these samples.
  """

  questions: int
  every: int
  watched: int
  tests: Mapping[str, Mapping[str, Any]]
  samples: int
  ks: tuple[int, ...]
  temperature: float


@dataclasses.dataclass(frozen=True)
class Mesh:
  """Devices; their product must be all there are, or 1 for no mesh.

  Attributes:
    data: parts that a batch is cut into; 0 for as many as there are devices.
    model: parts that parameters are cut into.
  """

  data: int
  model: int


@dataclasses.dataclass(frozen=True)
class Train:
  """One decoder, `studies.train`.

  Attributes:
    experiment: its name.
    seed: of all randomness.
    seeds: training seeds.
    seeds_at_once: under one `vmap`. Such groups run on a CPU core each, on an
      accelerator one after another. It decides the last bits, so it is no
      matter of the machine.
    task: what is learned.
    data: where it comes from.
    model: who learns it.
    fit: how.
    measure: the evaluation.
    mesh: of devices.
    claims: words and margins; these are by the name of a test.
    vocabulary: all characters that are tokens, in order. The run writes down
      its own here.
  """

  experiment: Literal["train"]
  seed: int
  seeds: int
  seeds_at_once: int
  task: arithmetic.Task
  data: Data
  model: arithmetic.Decoder
  fit: arithmetic.Fit
  measure: Measure
  mesh: Mesh
  claims: Mapping[str, common.ClaimSpec]
  vocabulary: str = ""


def parse(mapping: Mapping[str, Any]) -> Train:
  """Converts and checks a config.

  Raises:
    ConfigError: an unknown, missing, ill-typed or impossible field.
  """
  c = parsing.convert(Train, mapping, "config")
  # The families check their own fields, and roles theirs.
  checked = dataclasses.replace(
    c,
    task=dataclasses.replace(c.task, options={}),
    fit=dataclasses.replace(c.fit, weights={}),
    measure=dataclasses.replace(c.measure, tests={}),
  )
  # "data" is that of the mesh: the other one is no number.
  zero_allowed = ("seed", "samples", "data", *arithmetic.ZERO_ALLOWED)
  common.check_numbers(checked, zero_allowed)
  arithmetic.check_decoder("model", c.model)
  arithmetic.check_fit("fit", c.fit)
  m = c.measure
  common.require(
    m.every <= c.fit.steps, "measure.every", m.every, "at most fit.steps"
  )
  for k in m.ks:
    common.require(
      k <= m.samples, "measure.ks", m.ks, f"at most samples = {m.samples} each"
    )
  common.require(
    c.seeds % c.seeds_at_once == 0,
    "seeds_at_once",
    c.seeds_at_once,
    f"a divisor of seeds = {c.seeds}",
  )
  if c.data.dataset is not None:
    common.require(
      not c.data.variants,
      "data.variants",
      c.data.variants,
      "empty where data.dataset is given",
    )
  for name in m.tests:
    # It names files.
    fine = name.isidentifier() and name != HELD_OUT
    allowed = f"letters, digits and _, and not {HELD_OUT}"
    common.require(fine, f"measure.tests.{name}", name, allowed)
  for id_, spec in c.claims.items():
    known = " or ".join(CLAIMS)
    common.require(id_ in CLAIMS, f"claims.{id_}", id_, known)
    for name in spec.margins:
      tests = (HELD_OUT, *m.tests)
      allowed = f"the name of a test: {', '.join(tests)}"
      common.require(name in tests, f"claims.{id_}.margins", name, allowed)
  return c
