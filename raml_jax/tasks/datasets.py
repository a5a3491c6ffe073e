"""Arithmetic as TFDS data sets, prepared once and read by index.

    from raml_jax.tasks import datasets  # Registers the builders.
    source = tfds.data_source("addition/simplified_3", data_dir=folder)
    source["train"][0]["question"]      b"128+367"

    family = pairs.Pairs("+", digits=6, format="reversed")
    config = datasets.Config(name="six", family=family, train=50_000, seed=1)
    datasets.Addition(config=config, data_dir=folder).download_and_prepare()

Builders: addition, subtraction, multiplication, modular, expressions. Their
configs are named by format and size: "plain_3" has numbers of three digits,
for modular three terms, for expressions three operations.

    train, validation, test   questions as `splits` divides them
    longer                    up to two digits, terms or operations more
    other                     another operation

No question occurs twice in a split, and those of `longer` and `other` are test
questions too: no config ever trains on them.

The builders check a data set in full when they open it (`prepared`); what TFDS
opens without them, `builder_from_directory` for one, is not checked. Of several
processes let one prepare it, and the others wait.

This is the one module of `tasks` that needs tensorflow_datasets, whose registry
knows a builder only once its class exists. TensorFlow is not needed.
"""

from __future__ import annotations

from collections.abc import Iterator
import dataclasses
from typing import Any

from etils import epath
import jax
import numpy as np
import tensorflow_datasets as tfds

from raml_jax.tasks import prepared
from raml_jax.tasks import vocab
from raml_jax.tasks.arithmetic import formats
from raml_jax.tasks.arithmetic import questions
from raml_jax.tasks.arithmetic.families import chains
from raml_jax.tasks.arithmetic.families import expressions
from raml_jax.tasks.arithmetic.families import family as family_lib
from raml_jax.tasks.arithmetic.families import pairs
from raml_jax.tasks.arithmetic.families import shifts

SPLITS = ("train", "validation", "test", "longer", "other")
# There are but 10,000 additions of two digits, a tenth of them for tests.
_FEW = {"train": 5000, **dict.fromkeys(SPLITS[1:], 300)}
_SIZES = {2: _FEW, 3: {}, 5: {}}


@dataclasses.dataclass(eq=False, kw_only=True)
class Config(tfds.core.BuilderConfig):
  """What one data set holds.

  Attributes:
    family: of the questions. Its `split` and `length` do not matter.
    train: the number of questions in this split, and so on; 0 for no split.
    validation: see `train`.
    test: see `train`.
    longer: see `train`.
    other: see `train`.
    seed: of all draws.
  """

  family: family_lib.Family
  train: int = 10_000
  validation: int = 1_000
  test: int = 1_000
  longer: int = 1_000
  other: int = 1_000
  seed: int = 0

  def __post_init__(self):
    for split, count in self.examples.items():
      family_lib.check_at_least(split, count, 0)
    family_lib.check_at_least("seed", self.seed, 0)
    if not any(self.examples.values()):
      raise prepared.DatasetError(
        "train = 0: must be at least 1 where the others are 0"
      )

  @property
  def examples(self) -> dict[str, int]:
    """The number of questions in each split."""
    return {split: getattr(self, split) for split in SPLITS}

  def drawn_from(self, split: str) -> family_lib.Family:
    """The questions that a split is drawn from."""
    inside = split if split in ("train", "validation", "test") else "test"
    family = dataclasses.replace(self.family, split=inside, length=0)
    if split == "longer":
      return shifts.longer(family)
    return shifts.other(family) if split == "other" else family

  @property
  def metadata(self) -> dict[str, Any]:
    """What the files of the data set say of it."""
    return {
      "characters": vocab.CHARACTERS,
      "family": str(self.drawn_from("train")),
      "examples": self.examples,
      "seed": self.seed,
    }


class Arithmetic(tfds.core.GeneratorBasedBuilder, skip_registration=True):
  """What all the builders share.

  An example has the `tokens`, `role` and `step` of a `base.Trajectory` without
  padding, and the texts `question` ("128+367") and `answer` ("495") as bytes.
  """

  VERSION = tfds.core.Version("1.0.0")
  RELEASE_NOTES = {"1.0.0": "The first."}
  BUILDER_CONFIGS = []
  # TFDS 4.9.10 looks for it by importlib_resources, which it does not require.
  code_path = epath.Path(__file__)
  # Type and operator of the families that a config may have.
  KIND = (family_lib.Family, None)

  def __init__(
    self,
    *,
    config: Config | str | None = None,
    file_format: str = "array_record",
    **arguments: Any,
  ):
    """Finds or describes a data set; `download_and_prepare` writes it.

    Args:
      config: one, or the name of a built-in one; None for the first of these.
      file_format: "array_record".
      **arguments: `data_dir` and `version`.

    Raises:
      prepared.DatasetError: there is no such config or version, the config is
        one of another builder, or the files that describe the data set are
        damaged.
    """
    if isinstance(config, str) and config not in self.builder_configs:
      names = ", ".join(self.builder_configs)
      raise prepared.DatasetError(
        f"config = {config!r}: must be one of {names}"
      )
    if getattr(file_format, "value", file_format) != "array_record":
      raise prepared.DatasetError(
        f"file_format = {file_format!r}: must be 'array_record', as the others"
        " need TensorFlow"
      )
    if isinstance(config, Config):
      kind = type(config.family), getattr(config.family, "operator", None)
      if kind != self.KIND:
        raise prepared.DatasetError(
          f"config.family = {config.family}: is no {self.name}"
        )
    try:
      super().__init__(config=config, file_format=file_format, **arguments)
    except Exception as error:  # Of any type: parsers have their own.
      reason = prepared.line(error)
      # It knows its folder, so it failed at reading what is there.
      if hasattr(self, "data_path"):
        reason = f"{self.data_path} is damaged ({reason}): {prepared.REMEDY}"
      raise prepared.DatasetError(reason) from error

  def as_data_source(self, split: Any = None, **arguments: Any) -> Any:
    """Returns what `tfds` does, of a data set that was checked in full.

    Raises:
      prepared.DatasetError: see `prepared.check`.
    """
    files = (
      file
      for one in self.info.splits.values()
      for file in zip(one.filepaths, one.shard_lengths)
    )
    prepared.check(self.data_path, self.builder_config.metadata, files)
    return super().as_data_source(split, **arguments)

  def _info(self) -> tfds.core.DatasetInfo:
    values = lambda dtype: tfds.features.Tensor(shape=(None,), dtype=dtype)
    return tfds.core.DatasetInfo(
      builder=self,
      description=self.__doc__,
      features=tfds.features.FeaturesDict(
        {
          "tokens": values(np.int32),
          "role": values(np.uint8),
          "step": values(np.int32),
          "question": tfds.features.Text(),
          "answer": tfds.features.Text(),
        }
      ),
      metadata=tfds.core.MetadataDict(self.builder_config.metadata),
    )

  def _split_generators(self, dl_manager: Any) -> dict[str, Iterator]:
    config = self.builder_config
    key = jax.random.key(config.seed)
    drawn = {}
    for i, (split, count) in enumerate(config.examples.items()):
      if count:
        family = config.drawn_from(split)
        # All are drawn before any is written: there may be too few.
        some = family_lib.distinct(family, jax.random.fold_in(key, i), count)
        drawn[split] = self._generate_examples(family, some)
    return drawn

  def _generate_examples(
    self, family: family_lib.Family, asked: list[questions.Question]
  ) -> Iterator[tuple[int, dict[str, Any]]]:
    for i, one in enumerate(asked):
      written = formats.write(one, family.format, lead=family.lead)
      trajectory = written.trajectory(len(written.text))
      yield (
        i,
        {
          "tokens": trajectory.tokens_L,
          "role": trajectory.role_L.astype(np.uint8),
          "step": trajectory.step_L,
          "question": one.text,
          "answer": questions.numeral(one.answer, one.base),
        },
      )


def _configs(make: Any, size: str, **fields: Any) -> list[Config]:
  """Every format in every size, "plain_2" first."""
  return [
    Config(
      name=f"{format}_{n}",
      description=f"In the {format} format, {size} = {n}.",
      family=make(format=format, **{size: n}, **fields),
      **counts,
    )
    for n, counts in _SIZES.items()
    for format in formats.FORMATS
  ]


class Addition(Arithmetic):
  """x + y of numbers with up to so many digits."""

  KIND = (pairs.Pairs, "+")
  BUILDER_CONFIGS = _configs(pairs.Pairs, "digits", operator="+")


class Subtraction(Arithmetic):
  """x - y of numbers with up to so many digits."""

  KIND = (pairs.Pairs, "-")
  BUILDER_CONFIGS = _configs(pairs.Pairs, "digits", operator="-")


class Multiplication(Arithmetic):
  """x * y of numbers with up to so many digits."""

  KIND = (pairs.Pairs, "*")
  BUILDER_CONFIGS = _configs(pairs.Pairs, "digits", operator="*")


class Modular(Arithmetic):
  """Sums and products of several terms, modulo something."""

  KIND = (chains.Chains, None)
  BUILDER_CONFIGS = _configs(chains.Chains, "terms", modulus=97)


class Expressions(Arithmetic):
  """Nested brackets with up to so many operations."""

  KIND = (expressions.Expressions, None)
  BUILDER_CONFIGS = _configs(expressions.Expressions, "operations", digits=1)


# By the name that stands before the "/".
BUILDERS = {
  builder.name: builder
  for builder in (Addition, Subtraction, Multiplication, Modular, Expressions)
}
