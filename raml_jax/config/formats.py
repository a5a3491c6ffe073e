"""The config of the study of formats, as typed, frozen dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import itertools
from typing import Any, Literal

from raml_jax import parsing
from raml_jax.config import arithmetic
from raml_jax.config import common


@dataclasses.dataclass(frozen=True)
class Measure:
  """The evaluation.

  Attributes:
    questions: held out, the same for all formats and seeds.
    threshold: share of right answers that a model must reach to have learned.
  """

  questions: int
  threshold: float


@dataclasses.dataclass(frozen=True)
class Cut:
  """Training on windows that begin anywhere, where `Formats.begin` is else.

  Attributes:
    window: tokens of one.
    longer: times `fit.steps`, the updates.
  """

  window: int
  longer: int


@dataclasses.dataclass(frozen=True)
class Formats:
  """The study: `studies.formats`.

  Attributes:
    experiment: its name.
    seed: of all randomness.
    seeds: training seeds; each has training questions of its own.
    seeds_at_once: under one `vmap`. Such groups run on a CPU core each, on an
      accelerator one after another. It decides the last bits, so it is no
      matter of the machine.
    digits: the most that an operand of the additions has.
    sizes: by format, numbers of distinct training examples, ascending. A
      smaller set is part of the larger, and all formats have the same ones.
    windows: by format, tokens of one window of the stream of examples.
    longer: by format, times `fit.steps`, the updates: the longer a text, the
      more of them it takes to learn from examples without end.
    begin: where windows do: anywhere, as published, or where an example does.
    cut: by format, more training at its largest size, for the artefact of
      windows that begin anywhere.
    model: who learns.
    fit: how; `batch` counts windows of the format with the longest, and of the
      others so many that an update has as many tokens.
    measure: the evaluation.
    claims: words and margins.
  """

  experiment: Literal["formats"]
  seed: int
  seeds: int
  seeds_at_once: int
  digits: int
  sizes: Mapping[str, tuple[int, ...]]
  windows: Mapping[str, int]
  longer: Mapping[str, int]
  begin: Literal["anywhere", "examples"]
  cut: Mapping[str, Cut]
  model: arithmetic.Decoder
  fit: arithmetic.Fit
  measure: Measure
  claims: Mapping[str, common.ClaimSpec]

  @property
  def tokens(self) -> int:
    """Of one update."""
    return self.fit.batch * max(self.windows[name] for name in self.sizes)


def parse(mapping: Mapping[str, Any]) -> Formats:
  """Converts and checks a config.

  Raises:
    ConfigError: an unknown, missing, ill-typed or impossible field.
  """
  c = parsing.convert(Formats, mapping, "config")
  # Roles check their own weights.
  checked = dataclasses.replace(
    c, fit=dataclasses.replace(c.fit, weights={}), claims={}
  )
  common.check_numbers(checked, ("seed", *arithmetic.ZERO_ALLOWED))
  arithmetic.check_decoder("model", c.model)
  arithmetic.check_fit("fit", c.fit, unit=1)
  common.require(c.seeds >= 2, "seeds", c.seeds, "at least 2")
  common.require(
    c.seeds % c.seeds_at_once == 0,
    "seeds_at_once",
    c.seeds_at_once,
    f"a divisor of seeds = {c.seeds}",
  )
  common.require(len(c.sizes) > 0, "sizes", dict(c.sizes), "at least one")
  for format, sizes in c.sizes.items():
    allowed = " or ".join(map(repr, arithmetic.FORMATS))
    known = format in arithmetic.FORMATS
    common.require(known, f"sizes.{format}", format, allowed)
    rises = all(a < b for a, b in itertools.pairwise(sizes))
    common.require(
      rises and len(sizes) >= 2,
      f"sizes.{format}",
      sizes,
      "two or more, ascending",
    )
  for format in c.sizes:
    for field in ("windows", "longer"):
      known = tuple(getattr(c, field))
      named = format in known
      common.require(named, field, known, f"given for {format!r} too")
  for format in c.cut:
    allowed = " or ".join(map(repr, c.sizes))
    common.require(format in c.sizes, f"cut.{format}", format, allowed)
  common.require(
    c.begin == "examples" or not c.cut,
    "cut",
    tuple(c.cut),
    "empty where all windows begin anywhere",
  )
  threshold = c.measure.threshold
  common.require(threshold <= 1, "measure.threshold", threshold, "at most 1")
  # A config file sorts its fields by name.
  ordered = {
    name: c.sizes[name] for name in arithmetic.FORMATS if name in c.sizes
  }
  return dataclasses.replace(c, sizes=ordered)
