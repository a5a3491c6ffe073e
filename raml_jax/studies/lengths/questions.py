"""What is trained on, and what is asked.

    simplified   Input:/128+367/Target:/A->5 , C->1/.../A->4 , C->0./495|
    reversed     $128+367=594$|
    mirrored     $821+763=594$|

(/ is a newline.) The third is the second with its operands turned round too, so
that a digit's place within its number is its place value, which is how McLeish
et al. (2024) write sums for abacus positions. It is known to this study alone;
to be judged by the parser it is turned back.
"""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses
import re

import jax
import numpy as np

from raml_jax import base as nouns
from raml_jax.config import lengths as config_lib
from raml_jax.tasks.arithmetic import formats
from raml_jax.tasks.arithmetic import questions
from raml_jax.tasks.arithmetic import splits
from raml_jax.tasks.arithmetic import writing
from raml_jax.tasks.arithmetic.device import columns
from raml_jax.tasks.arithmetic.device import slots
from raml_jax.tasks.arithmetic.device import wrapping
from raml_jax.tasks.arithmetic.families import pairs
from raml_jax.training import evaluation
from raml_jax.training import loop

# Where there are at most so many questions of a length, they are counted.
_FEW = 20_000
_MIRRORED = re.compile(r"\$([0-9a-z]+)\+([0-9a-z]+)=")


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class Mirrored(pairs.Pairs):
  """Sums whose every number is written lowest digit first."""

  format: str = dataclasses.field(default="reversed", kw_only=True)

  def places(self, x_NxB, y_NxB):
    content = columns.write(x_NxB, y_NxB, self.operator, self.base)
    question = [
      slots.numeral(x_NxB[None], low_first=True),
      slots.text(self.operator),
      slots.numeral(y_NxB[None], low_first=True),
    ]
    content = dataclasses.replace(content, question=question)
    return wrapping.wrap(content, self.format, self.lead)

  def write(self, asked: Sequence[questions.Question]) -> nouns.Trajectory:
    written = (formats.write(one, self.format, lead=self.lead) for one in asked)
    mirrored = [
      dataclasses.replace(one, question=turned(one.question)) for one in written
    ]
    return writing.stack(mirrored, self.context)


def turned(text: str) -> str:
  """A mirrored question as a reversed one, or back."""
  return _MIRRORED.sub(lambda m: f"${m[1][::-1]}+{m[2][::-1]}=", text, count=1)


def trained(config: config_lib.Lengths, format: str) -> pairs.Pairs:
  """Sums of 1 to L digits, every number of digits alike often."""
  digits = config.formats[format].digits
  return _family(config, format, "train", (1.0,) * digits)


def asked(config: config_lib.Lengths, format: str, digits: int) -> pairs.Pairs:
  """Held-out sums with exactly so many digits in the longer operand."""
  return _family(config, format, "test", (0.0,) * (digits - 1) + (1.0,))


def _family(config, format, split, weights) -> pairs.Pairs:
  kind = Mirrored if format == "mirrored" else pairs.Pairs
  written = "reversed" if format == "mirrored" else format
  return kind(
    "+",
    len(weights),
    weights,
    format=written,
    base=config.base,
    split=split,
  )


@dataclasses.dataclass(frozen=True, eq=False)
class Exam:
  """Questions of all lengths in one, so that one program answers them.

  Attributes:
    asked: the questions, shortest first.
    digits_B: of the longer operand of each.
  """

  asked: evaluation.Exam
  digits_B: np.ndarray


def exam(config: config_lib.Lengths, format: str) -> Exam:
  """The same questions for every scheme and seed."""
  parts, digits = [], []
  for n in config.formats[format].lengths:
    key = loop.evaluation_key(jax.random.key(config.seed), f"{format}/{n}")
    count = min(config.questions, _held_out(config.base, n))
    parts.append(evaluation.exam(asked(config, format, n), key, count))
    digits += [n] * count
  width = max(part.prompt_BxT.shape[1] for part in parts)
  prompts = [
    np.pad(p.prompt_BxT, ((0, 0), (0, width - p.prompt_BxT.shape[1])))
    for p in parts
  ]
  together = dataclasses.replace(
    parts[-1],
    prompt_BxT=np.concatenate(prompts),
    new_tokens=max(part.new_tokens for part in parts),
  )
  return Exam(together, np.array(digits))


def _held_out(radix: int, digits: int) -> int:
  """Questions of a length that are held out, or many."""
  high = radix**digits
  if high**2 > _FEW:
    return _FEW
  low = radix ** (digits - 1) if digits > 1 else 0
  return sum(
    splits.contains("test", (x, y))
    for x in range(high)
    for y in range(high)
    if max(x, y) >= low
  )


def texts(exam: Exam, format: str, tokens_BxW: np.ndarray) -> list[str]:
  """Every question with what one seed wrote after it, for the parser."""
  found = evaluation.texts(exam.asked, tokens_BxW)
  return list(map(turned, found)) if format == "mirrored" else found
