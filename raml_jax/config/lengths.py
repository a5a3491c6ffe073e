"""The config of the study of length generalisation."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
from typing import Any, Literal

from raml_jax import parsing
from raml_jax.config import arithmetic
from raml_jax.config import common

Format = Literal["simplified", "reversed", "mirrored"]
FORMATS: tuple[str, ...] = Format.__args__
Scheme = Literal["learned", "rotary", "none", "abacus"]
SCHEMES: tuple[str, ...] = Scheme.__args__


@dataclasses.dataclass(frozen=True)
class Network:
  """The decoder; how it is told positions is what the study varies.

  Attributes:
    layers: blocks.
    heads: of attention.
    width: of the stream.
    mlp: hidden width of the MLP over `width`.
    dtype: of the computation.
    kernel: of attention, see `gpt.Options`: None, or "cudnn" on a GPU with
      bfloat16.
  """

  layers: int
  heads: int
  width: int
  mlp: int
  dtype: Literal["float32", "bfloat16"]
  kernel: Literal["cudnn", "xla", "blocks"] | None


@dataclasses.dataclass(frozen=True)
class Arm:
  """Training in one format.

  Attributes:
    digits: L, the most that an operand has in training; 1..L alike often.
    fit: how.
  """

  digits: int
  fit: arithmetic.Fit

  @property
  def tested(self) -> int:
    """Digits of the longest operands that are asked after training."""
    return 2 * self.digits

  @property
  def lengths(self) -> range:
    """Of the questions, in digits."""
    return range(1, self.tested + 1)


@dataclasses.dataclass(frozen=True)
class Lengths:
  """The study: `studies.lengths`.

  Attributes:
    experiment: its name.
    seed: of all randomness.
    seeds: training seeds.
    seeds_at_once: under one `vmap`. Such groups run on a CPU core each, on an
      accelerator one after another. It decides the last bits, so it is no
      matter of the machine.
    base: of the numerals.
    formats: by name, each a world of its own: simplified is the scratchpad of
      Lee et al. (2023), reversed has the answer alone, its lowest digit first,
      and mirrored has the operands that way too, as McLeish et al. (2024).
    schemes: of positions.
    network: who learns it.
    questions: held out, of every length; all there are where those are fewer.
    claims: words and margins.
  """

  experiment: Literal["lengths"]
  seed: int
  seeds: int
  seeds_at_once: int
  base: int
  formats: Mapping[str, Arm]
  schemes: tuple[Scheme, ...]
  network: Network
  questions: int
  claims: Mapping[str, common.ClaimSpec]

  def decoder(self, scheme: str, digits: int) -> arithmetic.Decoder:
    """The decoder with one scheme, for operands of so many digits at most."""
    return arithmetic.Decoder(
      **dataclasses.asdict(self.network),
      positions=scheme,
      # A sum has one digit more. Random starts in training reach the last row.
      digits=digits + 1,
      attention="softmax",
      loops=1,
      context=0,
    )


def parse(mapping: Mapping[str, Any]) -> Lengths:
  """Converts and checks a config.

  Raises:
    ConfigError: an unknown, missing, ill-typed or impossible field.
  """
  c = parsing.convert(Lengths, mapping, "config")
  for name, arm in c.formats.items():
    allowed = " or ".join(FORMATS)
    common.require(name in FORMATS, f"formats.{name}", name, allowed)
    fit = dataclasses.replace(arm.fit, weights={})
    common.check_numbers(
      dataclasses.replace(arm, fit=fit),
      arithmetic.ZERO_ALLOWED,
      f"formats.{name}",
    )
    arithmetic.check_fit(f"formats.{name}.fit", arm.fit)
  known = {name: c.formats[name] for name in FORMATS if name in c.formats}
  # In the order of FORMATS, whatever the file has.
  c = dataclasses.replace(c, formats=known)
  common.check_numbers(dataclasses.replace(c, formats={}), ("seed",))
  common.require(c.seeds >= 2, "seeds", c.seeds, "at least 2")
  common.require(
    c.seeds % c.seeds_at_once == 0,
    "seeds_at_once",
    c.seeds_at_once,
    f"a divisor of seeds = {c.seeds}",
  )
  common.require(2 <= c.base <= 36, "base", c.base, "2 to 36")
  common.require(len(c.formats) > 0, "formats", (), "at least one")
  distinct = len(c.schemes) > 0 and len(set(c.schemes)) == len(c.schemes)
  common.require(
    distinct, "schemes", c.schemes, "at least one, each named once"
  )
  for scheme in c.schemes:
    arithmetic.check_decoder("network", c.decoder(scheme, 1))
  return c
