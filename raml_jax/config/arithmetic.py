"""What the configs of all experiments on arithmetic share."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
from typing import Any, Literal

from raml_jax.config import common

Format = Literal["plain", "reversed", "simplified", "detailed"]
FORMATS: tuple[str, ...] = Format.__args__


@dataclasses.dataclass(frozen=True)
class Task:
  """A family of questions, and how they are written.

  Attributes:
    family: of `tasks.arithmetic.families`.
    format: of `tasks.arithmetic.formats`.
    base: of the numerals.
    options: the family's own fields; those left out have its defaults.
  """

  family: Literal["pairs", "chains", "expressions"]
  format: Format
  base: int
  options: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Decoder:
  """Which GPT; see `models.gpt.Options`.

  Attributes:
    layers: blocks.
    heads: of attention.
    width: of the stream.
    mlp: hidden width of the MLP over `width`.
    positions: learned, rotary, none or abacus.
    digits: largest place in the table of abacus positions.
    attention: softmax or linear.
    loops: times the stack of blocks is applied.
    dtype: of the computation.
    kernel: of attention, see `gpt.Options`: None, or "cudnn" on a GPU with
      bfloat16.
    context: rows of the table of learned positions; 0 for as many as training
      and measuring take.
  """

  layers: int
  heads: int
  width: int
  mlp: int
  positions: Literal["learned", "rotary", "none", "abacus"]
  digits: int
  attention: Literal["softmax", "linear"]
  loops: int
  dtype: Literal["float32", "bfloat16"]
  kernel: Literal["cudnn", "xla", "blocks"] | None
  context: int


@dataclasses.dataclass(frozen=True)
class Fit:
  """AdamW, linear warm-up, cosine decay to zero, the gradient's norm clipped.

  Attributes:
    steps: updates.
    batch: examples per update.
    learning_rate: at its highest.
    warmup: updates until then.
    weight_decay: of AdamW.
    b2: of AdamW.
    clip: global norm of the gradient.
    weights: of a token in the loss, by role; roles left out weigh nothing.
    microbatches: parts of a batch that are in memory one after the other.
    remat: whether activations inside blocks are computed twice, not kept.
  """

  steps: int
  batch: int
  learning_rate: float
  warmup: int
  weight_decay: float
  b2: float
  clip: float
  weights: Mapping[str, float]
  microbatches: int
  remat: bool


# Numbers of the classes above that may be 0.
ZERO_ALLOWED = ("weight_decay", "warmup", "context")


def check_decoder(field: str, decoder: Decoder) -> None:
  """Raises ConfigError where fields contradict each other."""
  d = decoder
  common.require(
    d.width % d.heads == 0,
    f"{field}.heads",
    d.heads,
    f"a divisor of width = {d.width}",
  )
  if d.positions == "rotary":
    common.require(
      d.width // d.heads % 2 == 0,
      f"{field}.heads",
      d.heads,
      "such that width / heads is even, for rotary positions",
    )
  if d.kernel is not None:
    common.require(
      d.attention == "softmax", f"{field}.kernel", d.kernel, "None when linear"
    )


def check_fit(field: str, fit: Fit, unit: int = 2) -> None:
  """Raises ConfigError where a value is impossible.

  Args:
    field: where it stands.
    fit: the values.
    unit: what each microbatch has a multiple of.
  """
  f = fit
  common.require(f.b2 < 1, f"{field}.b2", f.b2, "below 1")
  common.require(f.warmup < f.steps, f"{field}.warmup", f.warmup, "below steps")
  common.require(
    f.batch % (unit * f.microbatches) == 0,
    f"{field}.batch",
    f.batch,
    f"a multiple of {unit} * microbatches = {unit * f.microbatches}",
  )
  total = sum(f.weights.values())
  common.require(
    total > 0, f"{field}.weights", dict(f.weights), "above 0 for some role"
  )
