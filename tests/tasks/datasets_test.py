"""Data sets hold what their configs say, always the same, or say what is wrong.

Brackets are drawn on the host, so most tests use them: nothing is compiled.
"""

import dataclasses
import hashlib

import jax
import numpy as np
import pytest
import tensorflow_datasets as tfds

from raml_jax.tasks import datasets
from raml_jax.tasks import prepared
from raml_jax.tasks import vocab
from raml_jax.tasks.arithmetic import formats
from raml_jax.tasks.arithmetic import splits
from raml_jax.tasks.arithmetic.checking import parser
from raml_jax.tasks.arithmetic.families import expressions
from raml_jax.tasks.arithmetic.families import pairs

BUILDERS = {
  "addition": datasets.Addition,
  "subtraction": datasets.Subtraction,
  "multiplication": datasets.Multiplication,
  "modular": datasets.Modular,
  "expressions": datasets.Expressions,
}
COUNTS = dict(train=40, validation=10, test=11, longer=12, other=13)
FAMILY = expressions.Expressions(operations=2, format="simplified")


def config(**changes):
  fields = dict(name="small", family=FAMILY, **COUNTS)
  return datasets.Config(**fields | changes)


def prepare(folder, **changes):
  builder = datasets.Expressions(config=config(**changes), data_dir=folder)
  builder.download_and_prepare()
  return builder


def digest(sources):
  """Of all that is decoded, in order."""
  found = hashlib.sha256()
  for name, source in sorted(sources.items()):
    found.update(name.encode())
    for one in source:
      for key in sorted(one):
        found.update(key.encode() + bytes(one[key]))
  return found.hexdigest()


@pytest.fixture(scope="module")
def builder(tmp_path_factory):
  return prepare(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def sources(builder):
  return builder.as_data_source()


def test_every_split_holds_as_many_different_questions_as_asked(sources):
  assert {name: len(source) for name, source in sources.items()} == COUNTS
  for source in sources.values():
    assert len({one["question"] for one in source}) == len(source)


def test_examples_are_whole_trajectories(sources):
  for source in sources.values():
    for one in source:
      assert {key: one[key].dtype for key in ("tokens", "role", "step")} == {
        "tokens": np.int32,
        "role": np.uint8,
        "step": np.int32,
      }
      assert one["tokens"].shape == one["role"].shape == one["step"].shape
      text = vocab.decode(one["tokens"])
      verdict = parser.check(text)
      assert verdict.sound and verdict.right
      roles = np.asarray(one["role"])
      answer = vocab.decode(one["tokens"][roles == vocab.Role.ANSWER])
      assert answer == one["answer"].decode()
      assert one["question"].decode() in text
      assert one["step"][0] == 0 and one["step"].max() == one["step"][-1]


def test_splits_are_apart(builder):
  drawn = {name: set() for name in COUNTS}
  for name in COUNTS:
    family = builder.builder_config.drawn_from(name)
    assert family.split == (name if name in splits.SPLITS else "test")
    for one in family.questions(jax.random.key(1), 200):
      drawn[name].add(one.text)
  for a in drawn:
    for b in drawn:
      assert a == b or not drawn[a] & drawn[b]


def test_longer_is_longer_and_other_is_other(sources):
  operations = lambda source: {
    sum(map(one["question"].decode().count, "+-*")) for one in source
  }
  assert operations(sources["train"]) == {1, 2}
  assert operations(sources["longer"]) == {3, 4}
  assert all(b"%" in one["question"] for one in sources["other"])
  assert not any(b"%" in one["question"] for one in sources["train"])


def test_the_content_is_the_same_in_every_folder(sources, tmp_path):
  again = prepare(tmp_path / "again").as_data_source()
  assert digest(again) == digest(sources)
  other = prepare(tmp_path / "other", seed=1).as_data_source()
  assert digest(other) != digest(sources)


def test_the_content_has_not_changed(sources):
  # If it must, raise VERSION: prepared data sets are used for years.
  assert datasets.Arithmetic.VERSION == "1.0.0"
  assert digest(sources)[:16] == "5072f04f39335125"


def test_the_registry_of_tfds_knows_every_builder():
  for name, builder in BUILDERS.items():
    assert tfds.builder_cls(name) is builder
    names = list(builder.builder_configs)
    assert names[0] == "plain_2" and len(names) == 12
    assert {name.split("_")[0] for name in names} == set(formats.FORMATS)


def test_data_source_prepares_and_reads_by_name(tmp_path):
  source = tfds.data_source(
    "expressions/plain_2", split="train[:10]", data_dir=tmp_path
  )
  assert len(source) == 10
  many = source.__getitems__([4, 0])
  assert [one["question"] for one in many] == [
    source[4]["question"],
    source[0]["question"],
  ]
  again = tfds.builder("expressions/plain_2", data_dir=tmp_path)
  assert len(again.as_data_source("train")) == 5000


def test_what_the_device_draws_is_prepared_too(tmp_path):
  counts = COUNTS | dict(train=5, validation=0, longer=0, other=0)
  family = pairs.Pairs(operator="+", digits=2, format="reversed")
  builder = datasets.Addition(
    config=config(family=family, **counts), data_dir=tmp_path
  )
  builder.download_and_prepare()
  assert set(builder.info.splits) == {"train", "test"}
  for one in builder.as_data_source("test"):
    numbers = [int(number) for number in one["question"].split(b"+")]
    assert sum(numbers) == int(one["answer"])
    assert splits.contains("test", numbers)


@pytest.mark.parametrize("name", BUILDERS)
def test_built_in_configs_have_all_splits(name):
  for one in BUILDERS[name].BUILDER_CONFIGS:
    for split in datasets.SPLITS:
      family = one.drawn_from(split)
      assert family.format == one.name.split("_")[0]
      size = [getattr(family, f, 0) for f in ("digits", "terms", "operations")]
      longest = int(one.name.split("_")[1]) + 2 * (split == "longer")
      assert max(size) - ((name, split) == ("expressions", "other")) == longest


@pytest.mark.parametrize(
  "make, message",
  [
    (lambda: pairs.Pairs(digits=0), "digits = 0: must be at least 1"),
    (lambda: config(train=-1), "train = -1: must be at least 0"),
    (lambda: config(seed=-1), "seed = -1: must be at least 0"),
    (
      lambda: config(**dict.fromkeys(COUNTS, 0)),
      "train = 0: must be at least 1 where the others are 0",
    ),
    (
      lambda: datasets.Expressions(config="plain_9"),
      "config = 'plain_9': must be one of plain_2, ",
    ),
    (
      lambda: tfds.builder("addition/plain_9"),
      ".*config = 'plain_9': must be one of plain_2, ",
    ),
    (
      lambda: datasets.Addition(config=config()),
      "config.family = Expressions.*: is no addition",
    ),
    (
      lambda: datasets.Subtraction(
        config=config(family=pairs.Pairs(operator="+"))
      ),
      "config.family = Pairs.*: is no subtraction",
    ),
    (
      lambda: datasets.Expressions(config=config(name="plain_2")),
      "Cannot name a custom BuilderConfig the same as",
    ),
    (
      lambda: datasets.Expressions(config="plain_2", version="0.9.0"),
      "Dataset expressions cannot be loaded at version 0.9.0, only: 1.0.0",
    ),
    (
      lambda: datasets.Expressions(file_format="tfrecord"),
      "file_format = 'tfrecord': must be 'array_record'",
    ),
  ],
)
def test_mistakes_are_one_clear_line(make, message):
  with pytest.raises(ValueError, match=f"^{message}[^\n]*$"):
    make()


def test_too_many_questions_are_one_clear_line_and_leave_nothing(tmp_path):
  family = dataclasses.replace(FAMILY, operations=1)
  with pytest.raises(ValueError, match="^count = 500: only 237 diff[^\n]*$"):
    prepare(tmp_path, family=family, train=500)
  assert not list(tmp_path.glob("**/*array_record*"))


def test_what_is_not_prepared_is_one_clear_line(tmp_path):
  builder = datasets.Expressions(config=config(), data_dir=tmp_path)
  with pytest.raises(
    prepared.DatasetError,
    match="small/1.0.0 is not prepared: call download_and_prepare$",
  ):
    builder.as_data_source()
  (builder.data_path.parent / "0.9.0").mkdir(parents=True)
  with pytest.raises(
    prepared.DatasetError, match=r"is not prepared \(what is there: 0.9.0\): "
  ):
    builder.as_data_source()


def test_an_interrupted_preparation_leaves_nothing(tmp_path, monkeypatch):
  write = formats.write
  written = []

  def killed(*arguments, **named):
    written.append(write(*arguments, **named))
    if len(written) == 55:
      raise KeyboardInterrupt
    return written[-1]

  monkeypatch.setattr(formats, "write", killed)
  with pytest.raises(KeyboardInterrupt):
    prepare(tmp_path)
  monkeypatch.undo()
  builder = prepare(tmp_path)
  assert len(builder.as_data_source("train")) == 40


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
