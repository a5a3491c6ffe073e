"""What is asked, and the trajectories that are tried on each question.

    own        the question's own trajectory
    other      that of another question, with another answer
    false      one wrong digit, and what follows from it
    shuffled   the right lines in an order that derives nothing
    filler     every token of the lines is `vocab.FILLER`
    random     every token of the lines is drawn at random

All of them end in the answer that is right, at the same place. Only questions
that have them all, and as many lines as the longest, are asked.
"""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses

import jax
import numpy as np

from raml_jax import base
from raml_jax import parsing
from raml_jax.config import maml_vs_cot_arithmetic as config_lib
from raml_jax.studies import decoders
from raml_jax.tasks import vocab
from raml_jax.tasks.arithmetic import formats
from raml_jax.tasks.arithmetic import variants
from raml_jax.tasks.arithmetic import writing
from raml_jax.tasks.arithmetic.families import family as family_lib
from raml_jax.training import loop
from raml_jax.training import sequences

_SPARE = 1.5  # Questions drawn for each that is asked: some lack a variant.
_PRINTED = vocab.CHARACTERS.replace("\n", "").replace(vocab.END, "")


@dataclasses.dataclass(frozen=True)
class Asked:
  """Questions with every trajectory tried on them, as NumPy arrays.

  Attributes:
    written: by kind, a batch; roles say which tokens are what.
    texts: the same as the measurements see them.
  """

  written: dict[str, base.Trajectory]
  texts: dict[str, sequences.Text]

  def first(self, kind: str, count: int) -> sequences.Text:
    """The first questions, with one kind of trajectory."""
    return jax.tree.map(lambda a: a[:count], self.texts[kind])


def ask(
  config: config_lib.Arithmetic,
  split: str,
  purpose: str,
  count: int,
  layout: sequences.Layout,
) -> Asked:
  """Different questions of a split, the same for every seed.

  Args:
    config: of the study.
    split: one of `splits.SPLITS`.
    purpose: makes them others than those of another purpose.
    count: how many.
    layout: of the texts that models are trained on.

  Raises:
    ConfigError: there are not so many.
  """
  asked = decoders.family(
    config.task, split, "", config.measure.options, "measure.options"
  )
  key = loop.evaluation_key(jax.random.key(config.seed), purpose)
  try:
    drawn = family_lib.distinct(asked, key, int(_SPARE * count))
  except ValueError as error:
    raise parsing.ConfigError(
      f"config.measure, {count} questions for {purpose}: {error}"
    ) from error
  rng = np.random.default_rng(config.seed)
  own = [formats.write(question, config.task.format) for question in drawn]
  rows = []
  for i, question in enumerate(drawn):
    found = _varied(question, own, i, layout, config.task.format, rng)
    if found is not None:
      rows.append(found)
  if len(rows) < count:
    raise parsing.ConfigError(
      f"config.measure, {count} questions for {purpose}: only {len(rows)} have"
      f" {layout.lines} {layout.unit}s and every trajectory"
    )
  written = {
    kind: writing.stack([row[kind] for row in rows[:count]], asked.context)
    for kind in config_lib.KINDS
  }
  texts = {
    kind: jax.device_get(
      jax.vmap(lambda one: sequences.text(one, layout.unit))(batch)
    )
    for kind, batch in written.items()
  }
  reads = int(texts["own"].answer_L.sum(1).min())
  if config.measure.reads > reads:
    raise parsing.ConfigError(
      f"config.measure.reads = {config.measure.reads}: must be at most {reads},"
      " the read-outs of the shortest answer"
    )
  return Asked(written, texts)


def _varied(
  question, own: Sequence[writing.Written], i, layout, format, rng
) -> dict[str, writing.Written] | None:
  """Every kind of trajectory for question i, or None where one is lacking."""
  right = own[i]
  sizes = [len(step) for step in right.steps]

  def vary(variant):
    return variants.vary(question, format, variant, rng).steps

  def alike(steps):
    return [len(step) for step in steps] == sizes

  others = (
    text.steps
    for text in own[i + 1 :] + own[:i]
    if text.answer != right.answer and alike(text.steps)
  )
  try:
    steps = {
      "own": right.steps,
      "other": next(others),
      "false": vary("wrong_digit"),
      "shuffled": vary("shuffled"),
      "filler": vary("filler"),
      "random": tuple(_drawn(step, rng) for step in right.steps),
    }
  except (ValueError, StopIteration):
    return None
  # The answer is to be read out at the same places, whatever stands before.
  lines = len(sizes)
  if layout.unit == "token":
    # The last token is the first read-out.
    lines = len(right.opening) + sum(sizes) + len(right.closing) - 1
  if lines != layout.lines or not all(map(alike, steps.values())):
    return None
  return {
    kind: dataclasses.replace(right, steps=found)
    for kind, found in steps.items()
  }


def _drawn(step: str, rng) -> str:
  """As many characters at random."""
  return "".join(rng.choice(list(_PRINTED), len(step)))
