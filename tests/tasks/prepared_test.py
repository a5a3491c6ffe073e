"""A data set that is damaged, or is another, is never read."""

import json

import pytest

from raml_jax.tasks import datasets
from raml_jax.tasks import prepared
from raml_jax.tasks import vocab
from raml_jax.tasks.arithmetic.families import expressions


def builder_in(folder, **changes):
  """Of a small data set that is drawn and written on the host."""
  fields = dict(
    name="small",
    family=expressions.Expressions(operations=2, operators="+-"),
    train=40,
    validation=0,
    test=11,
    longer=0,
    other=13,
  )
  config = datasets.Config(**fields | changes)
  return datasets.Expressions(config=config, data_dir=folder)


def prepare(folder):
  builder = builder_in(folder)
  builder.download_and_prepare()
  return builder.data_path


def halve(content):
  return content[: len(content) // 2]


def flip(content):
  # In the middle of the first record, after the headers of block and chunk.
  return (
    content[:150] + bytes(255 - b for b in content[150:158]) + content[158:]
  )


TRAIN = "expressions-train.array_record-00000-of-00001"


@pytest.mark.parametrize(
  "name, damage",
  [
    (TRAIN, halve),
    (TRAIN, lambda content: content[:-10]),
    (TRAIN, lambda content: content[:100]),
    (TRAIN, lambda content: b""),
    (TRAIN, flip),
    (TRAIN, None),
    ("expressions-other.array_record-00000-of-00001", halve),
    ("metadata.json", halve),
    ("metadata.json", None),
    ("dataset_info.json", None),
  ],
)
def test_damage_is_one_line_that_names_the_file(tmp_path, name, damage):
  folder = prepare(tmp_path)
  whole = (folder / name).read_bytes()
  (folder / name).unlink()
  if damage:
    (folder / name).write_bytes(damage(whole))
  with pytest.raises(
    prepared.DatasetError,
    match=f"^{folder / name} is (damaged|missing)[^\n]*: delete that folder"
    " and prepare it again$",
  ):
    builder_in(tmp_path).as_data_source()


def test_a_damaged_description_is_one_clear_line(tmp_path):
  path = prepare(tmp_path) / "dataset_info.json"
  path.write_text(path.read_text()[:300])
  with pytest.raises(
    prepared.DatasetError, match=f"^{path.parent} is damaged [^\n]*delete that"
  ):
    builder_in(tmp_path)


def test_a_file_with_other_records_is_noticed(tmp_path):
  folder = prepare(tmp_path)
  other = folder / "expressions-test.array_record-00000-of-00001"
  (folder / TRAIN).write_bytes(other.read_bytes())
  with pytest.raises(prepared.DatasetError, match="11 of 40 records can be"):
    builder_in(tmp_path).as_data_source()


@pytest.mark.parametrize("changes", [{"seed": 3}, {"test": 12}])
def test_another_config_of_the_same_name_is_noticed(tmp_path, changes):
  prepare(tmp_path)
  other = builder_in(tmp_path, **changes)
  other.download_and_prepare()  # Does nothing, as the folder is there.
  name = "seed = 0, not 3" if "seed" in changes else "examples = "
  with pytest.raises(
    prepared.DatasetError, match=f" was prepared with {name}[^\n]*$"
  ):
    other.as_data_source()


def test_another_vocabulary_is_noticed(tmp_path):
  path = prepare(tmp_path) / "metadata.json"
  metadata = json.loads(path.read_text())
  assert metadata["characters"] == vocab.CHARACTERS
  metadata["characters"] = vocab.CHARACTERS[::-1]
  path.write_text(json.dumps(metadata))
  with pytest.raises(
    prepared.DatasetError, match="was prepared with characters = [^\n]*$"
  ):
    builder_in(tmp_path).as_data_source()


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
