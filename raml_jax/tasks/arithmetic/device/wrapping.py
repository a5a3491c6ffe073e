"""Puts question, steps and answer together: `formats.wrap` on the device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import dataclasses

import jax.numpy as jnp

from raml_jax import base
from raml_jax.tasks import vocab
from raml_jax.tasks.arithmetic.device import slots


@dataclasses.dataclass(frozen=True)
class Steps:
  """The steps of B scratchpads.

  Attributes:
    blocks: their places.
    last_B: K + 1, the step of what follows them.
  """

  blocks: Sequence[slots.Places]
  last_B: base.Array


@dataclasses.dataclass(frozen=True)
class Content:
  """What is written, whatever the format.

  Attributes:
    question: its text.
    answer_1xJxB: digits of the answer, the lowest first.
    negative_1xB: whether it has a minus; None if it never has.
    scratchpad: `(detailed) -> Steps`.
  """

  question: Sequence[slots.Part]
  answer_1xJxB: base.Array
  negative_1xB: base.Array | None
  scratchpad: Callable[[bool], Steps]


def wrap(content: Content, format: str, lead: str) -> list[slots.Places]:
  """All places of B examples, in their order."""
  batch = content.answer_1xJxB.shape[2]
  role = vocab.Role
  steps = Steps([], jnp.ones(batch, jnp.int32))
  opening, closing, end = "", "", vocab.END
  before, after = f"{lead}Input:\n", "\nTarget:\n"
  if format == "plain":
    before, after = lead, "="
  elif format == "reversed":
    before, after, end = f"{lead}$", "=", f"${vocab.END}"
  elif format == "simplified":
    closing = ".\n"
    steps = content.scratchpad(False)
  else:
    opening, closing = "<scratch>\n", " , END\n</scratch>\n"
    steps = content.scratchpad(True)
  numeral = slots.numeral(
    content.answer_1xJxB,
    spaced=format == "detailed",
    low_first=format == "reversed",
  )
  answer = [numeral]
  if content.negative_1xB is not None:
    answer.insert(format == "reversed", slots.sign(content.negative_1xB))
  prompt = [slots.text(before), *content.question, slots.text(after)]
  return [
    line(prompt, 0, batch, role.QUESTION),
    line([slots.text(opening)], 0, batch, role.DELIMITER),
    *steps.blocks,
    line([slots.text(closing)], steps.last_B, batch, role.DELIMITER),
    line(answer, steps.last_B, batch, role.ANSWER),
    line([slots.text(end)], steps.last_B, batch, role.DELIMITER),
  ]


def line(
  parts: Sequence[slots.Part],
  step_B: base.Array | int,
  batch: int,
  role: vocab.Role = vocab.Role.STEP,
) -> slots.Places:
  """One line of every question, always written."""
  step_1xB = jnp.broadcast_to(jnp.asarray(step_B, jnp.int32), (1, batch))
  return slots.block(parts, role, step_1xB, jnp.ones((1, batch), bool))
