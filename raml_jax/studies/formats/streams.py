"""What is trained on: a stream of distinct examples, read in random windows.

The questions of a seed are the same in every format, and a smaller set is the
beginning of a larger one. In front of every question stands the sign that ends
the example before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from raml_jax import base
from raml_jax import parsing
from raml_jax.config import arithmetic as arithmetic_lib
from raml_jax.config import formats as config_lib
from raml_jax.studies import decoders
from raml_jax.tasks import vocab
from raml_jax.tasks.arithmetic import formats
from raml_jax.tasks.arithmetic import questions
from raml_jax.tasks.arithmetic.families import family as family_lib
from raml_jax.training import loop
from raml_jax.training import sources

# The format whose answers are shuffled among the questions, for a control.
CONTROL = "plain"


class Run(NamedTuple):
  """One training run of all seeds.

  Attributes:
    format: of its examples.
    size: how many there are.
    kind: "" for a run of the comparison; "shuffled" where every question has
      another one's answer; "cut" where windows begin anywhere.
  """

  format: str
  size: int
  kind: str = ""

  @property
  def name(self) -> str:
    """Of the phase and of the result."""
    return f"{self.format}/{self.kind}{'_' if self.kind else ''}n{self.size}"


class Stream(NamedTuple):
  """The examples of one seed, one after another, without padding.

  Attributes:
    tokens_T: of the text; it begins with a sign.
    role_T: `vocab.Role` of each.
    start_E: where each example begins.
  """

  tokens_T: np.ndarray
  role_T: np.ndarray
  start_E: np.ndarray


def runs(config: config_lib.Formats) -> list[Run]:
  """All that is trained, controls included."""
  found = [
    Run(format, size)
    for format, sizes in config.sizes.items()
    for size in sizes
  ]
  found += [Run(name, config.sizes[name][-1], "cut") for name in config.cut]
  if CONTROL in config.sizes:
    found.append(Run(CONTROL, config.sizes[CONTROL][-1], "shuffled"))
  return found


def task(config: config_lib.Formats, format: str) -> arithmetic_lib.Task:
  """The additions of the study in one format."""
  options = {"operator": "+", "digits": config.digits}
  return arithmetic_lib.Task("pairs", format, 10, options)


def family(
  config: config_lib.Formats, format: str, split: str, lead: str = ""
) -> family_lib.Family:
  """The same as a distribution of questions."""
  return decoders.family(task(config, format), split, lead, None, "digits")


def write(run: Run, asked: Sequence[questions.Question]) -> Stream:
  """The stream of one seed.

  Args:
    run: which stream.
    asked: the questions of the seed, of which it has the first.
  """
  asked = asked[: run.size]
  if run.kind == "shuffled":
    # Turned by one: nobody keeps an answer but by chance, and which ones there
    # are, and how often, stays as it was.
    turned = [*asked[1:], *asked[:1]]
    examples = [
      formats.wrap(question, run.format, (), other.answer)
      for question, other in zip(asked, turned)
    ]
  else:
    examples = [formats.write(one, run.format) for one in asked]
  pieces = [(vocab.END, vocab.Role.DELIMITER, 0)]
  for example in examples:
    pieces += example.pieces()
  ends_E = np.cumsum([len(example.text) for example in examples])
  return Stream(
    vocab.encode("".join(text for text, _, _ in pieces)).astype(np.uint8),
    np.repeat(
      np.array([role for _, role, _ in pieces], np.uint8),
      [len(text) for text, _, _ in pieces],
    ),
    np.concatenate([[1], 1 + ends_E[:-1]]).astype(np.int32),
  )


def all_streams(config: config_lib.Formats) -> dict[str, list[Stream]]:
  """The streams of every run, one per seed, by name of the run.

  Raises:
    ConfigError: there are not so many questions, or too few for a window.
  """
  most = max(sizes[-1] for sizes in config.sizes.values())
  key = loop.train_key(jax.random.key(config.seed), "questions")
  asked_S = [
    _distinct(config, "train", jax.random.fold_in(key, seed), most, "sizes")
    for seed in range(config.seeds)
  ]
  found = {}
  for run in runs(config):
    streams = [write(run, asked) for asked in asked_S]
    shortest = min(len(stream.tokens_T) for stream in streams)
    if shortest < window(config, run):
      raise parsing.ConfigError(
        f"config.sizes.{run.format} = {config.sizes[run.format]}: {run.size}"
        f" examples have {shortest} tokens and must fill a window of"
        f" {window(config, run)}"
      )
    found[run.name] = streams
  return found


def held_out(config: config_lib.Formats) -> list[questions.Question]:
  """The questions of the exams, the same in every format.

  Raises:
    ConfigError: there are not so many.
  """
  key = loop.evaluation_key(jax.random.key(config.seed), "questions")
  count = config.measure.questions
  return _distinct(config, "test", key, count, "measure.questions")


def _distinct(config, split, key, count, field):
  # Any format will do: what is asked does not depend on it.
  asker = family(config, next(iter(config.sizes)), split)
  try:
    return family_lib.distinct(asker, key, count)
  except ValueError as error:
    raise parsing.ConfigError(f"config.{field}: {error}") from error


def window(config: config_lib.Formats, run: Run) -> int:
  """Tokens of one window of a run."""
  if run.kind == "cut":
    return config.cut[run.format].window
  return config.windows[run.format]


def longer(config: config_lib.Formats, run: Run) -> int:
  """Times `fit.steps`, the updates of a run."""
  if run.kind == "cut":
    return config.cut[run.format].longer
  return config.longer[run.format]


def source(
  config: config_lib.Formats,
  run: Run,
  streams: Sequence[Stream],
  length: int,
) -> base.PyTree:
  """Random windows of the streams of all seeds.

  Args:
    config: of the study.
    run: whose streams.
    streams: one per seed.
    length: that all are padded to: one for all runs, as steps of equal shapes
      are compiled once.
  """

  def stacked(parts, length):
    return jnp.stack([vocab.pad(part, length) for part in parts])

  width = window(config, run)
  tokens_SxT = stacked((stream.tokens_T for stream in streams), length)
  role_SxT = stacked((stream.role_T for stream in streams), length)
  size = max(1, round(config.tokens / width))
  if run.kind == "cut" or config.begin == "anywhere":
    count_S = jnp.array([len(stream.tokens_T) for stream in streams])
    return sources.Crops(tokens_SxT, role_SxT, count_S, size, width)
  most = max(sizes[-1] for sizes in config.sizes.values())
  start_SxE = stacked((stream.start_E for stream in streams), most)
  count_S = jnp.array([len(stream.start_E) for stream in streams])
  return sources.Openings(tokens_SxT, role_SxT, start_SxE, count_S, size, width)
