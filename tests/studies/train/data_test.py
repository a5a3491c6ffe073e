"""What training reads: whole examples, little padding, one batch for all."""

import dataclasses
import pathlib
import types

import jax
import numpy as np
import pytest

from experiments.configs import train_smoke
from raml_jax import parsing
from raml_jax.config import train as config_lib
from raml_jax.studies.train import data
from raml_jax.studies.train import study
from raml_jax.tasks import prepared
from raml_jax.tasks import vocab
from raml_jax.tasks.arithmetic.checking import parser
from raml_jax.tasks.arithmetic.families import pairs
from raml_jax.training import packing as packing_lib

BATCH = 32


def _config(folder=None, dataset=None, variants=(), **options):
  plain = train_smoke.get_config().to_dict()
  plain["fit"] |= {"batch": BATCH, "steps": 40}
  plain["data"] = {
    "dataset": dataset,
    "folder": str(folder),
    "variants": variants,
  }
  plain["task"]["options"] |= options
  return config_lib.parse(plain)


def _source(config, placement=None):
  family = data.room(config, study.families(config)["train"])
  return data.source(config, family, placement)


def _texts(rows) -> list[str]:
  """Every example of every row, in no order."""
  found = []
  for tokens_T in np.asarray(rows.tokens_BxT).reshape(
    -1, rows.tokens_BxT.shape[-1]
  ):
    parts = vocab.decode(tokens_T).split(vocab.END)
    found += [part + vocab.END for part in parts if part]
  return found


class _Half:
  """One of two processes, as a placement would tell it."""

  mesh = types.SimpleNamespace(size=2)

  def __init__(self, process):
    self._process = process

  def rows(self, batch):
    return slice(self._process * batch // 2, (self._process + 1) * batch // 2)


@pytest.fixture(scope="module")
def prepared_folder(tmp_path_factory):
  folder = tmp_path_factory.mktemp("datasets")
  _source(_config(folder, "addition/simplified_2"))
  return folder


def test_on_the_host_rows_are_packed_as_on_the_device():
  family = pairs.Pairs(digits=3, weights=(1.0, 1.0, 1.0), format="simplified")
  how = packing_lib.packing(family, BATCH)
  assert how.examples > 1
  drawn = family.sample(jax.random.key(0), BATCH)
  on_device = how.rows(drawn)
  on_host = how.rows(jax.tree.map(np.asarray, drawn))
  assert isinstance(on_host.tokens_BxT, np.ndarray)
  for a, b in zip(jax.tree.leaves(on_host), jax.tree.leaves(on_device)):
    np.testing.assert_array_equal(a, b)


def test_fresh_sums_are_drawn_on_the_device():
  source, packing = _source(_config())
  rows = source.batch(jax.random.key(0))
  assert rows.tokens_BxT.shape == (BATCH // packing.examples, packing.width)


@pytest.mark.parametrize(
  "config",
  [
    _config(variants=("correct", "reflection", "wrong_digit")),
    _config(variants=("empty",)),
    _config(operator="*"),
  ],
  ids=["variants", "empty", "products"],
)
def test_what_is_written_on_the_host_is_whole_and_little_is_padding(config):
  source, packing = _source(config)
  rows = source.chunk(0, 12)
  assert rows.tokens_BxT.shape[:2] == (config.seeds, 12)
  assert np.mean(rows.tokens_BxT == vocab.PAD) < 0.1
  texts = _texts(rows)
  assert len(texts) > 0.97 * config.seeds * 12 * BATCH
  verdicts = [parser.check(text) for text in texts]
  assert all(v.well_formed for v in verdicts)
  wanted = config.data.variants or ("correct",)
  waits = np.mean([vocab.WAIT in text for text in texts])
  assert (0.2 < waits < 0.45) == ("reflection" in wanted)
  wrong = np.mean([not v.right for v in verdicts])
  assert (wrong > 0.2) == ("wrong_digit" in wanted)


def test_a_data_set_is_prepared_once_and_read_whole(prepared_folder):
  config = _config(prepared_folder, "addition/simplified_2")
  before = {p: p.stat().st_mtime_ns for p in _shards(prepared_folder)}
  assert before
  source, _ = _source(config)
  rows = source.chunk(0, 40)
  assert before == {p: p.stat().st_mtime_ns for p in _shards(prepared_folder)}
  assert np.mean(rows.tokens_BxT == vocab.PAD) < 0.1
  texts = _texts(jax.tree.map(lambda leaf: leaf[0], rows))
  # 40 batches of 32 are less than an epoch of 5,000: no example comes twice.
  assert len(set(texts)) == len(texts) > 1200
  held = study.families(config)[config_lib.HELD_OUT]
  exam = {one.text for one in held.questions(jax.random.key(1), 300)}
  assert not exam & {text.split("\n")[1] for text in texts}


@pytest.mark.parametrize("kind", ["data set", "variants"])
def test_two_processes_share_the_batches_of_one(prepared_folder, kind):
  config = _config(variants=("correct", "reflection", "empty"))
  if kind == "data set":
    config = _config(prepared_folder, "addition/simplified_2")
  whole, packing = _source(config)
  assert (packing.examples > 1) == (kind == "variants")
  halves = [_source(config, _Half(process))[0] for process in range(2)]
  expected = whole.chunk(0, 3)
  found = jax.tree.map(
    lambda *leaves: np.concatenate(leaves, axis=2),
    *(half.chunk(0, 3) for half in halves),
  )
  for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected)):
    np.testing.assert_array_equal(a, b)


def _shards(folder: pathlib.Path) -> list[pathlib.Path]:
  return sorted(folder.rglob("*.array_record*"))


def test_a_truncated_shard_is_named_in_one_line(prepared_folder, tmp_path):
  import shutil

  copy = tmp_path / "copy"
  shutil.copytree(prepared_folder, copy)
  (shard,) = [path for path in _shards(copy) if "-train." in path.name]
  shard.write_bytes(shard.read_bytes()[: shard.stat().st_size // 2])
  with pytest.raises(prepared.DatasetError) as error:
    _source(_config(copy, "addition/simplified_2"))
  said = str(error.value)
  assert said.startswith(f"{shard} is damaged") and "\n" not in said
  assert said.endswith(prepared.REMEDY)


@pytest.mark.parametrize(
  "changes, message",
  [
    (
      {"dataset": "division/plain_2"},
      "config.data.dataset = 'division/plain_2': must be one of addition/...,",
    ),
    (
      {"dataset": "addition/simplified_9"},
      "config.data.dataset = 'addition/simplified_9': must be one of addition/",
    ),
    (
      {"dataset": "addition/plain_2"},
      "config.data.dataset = 'addition/plain_2': holds Pairs(format='plain'",
    ),
    ({"variants": ("mirrored",)}, "config.data.variants: variants = "),
    (
      {"variants": ("wrong_carry",), "operator": "*"},
      "config.data.variants: variant = 'wrong_carry': ",
    ),
    ({"digits": 0}, "config.task.options: digits = 0: must be at least 1"),
  ],
)
def test_mistakes_are_one_line(tmp_path, changes, message):
  with pytest.raises(parsing.ConfigError) as error:
    _source(_config(tmp_path, **changes))
  assert str(error.value).startswith(message)
  assert "\n" not in str(error.value)
  assert not list(tmp_path.iterdir())


def test_a_batch_that_devices_cannot_share_is_refused():
  config = _config()
  fit = dataclasses.replace(config.fit, batch=18, microbatches=3)
  config = dataclasses.replace(config, fit=fit)
  with pytest.raises(parsing.ConfigError, match="batch = 18: .* of 12, the"):
    _source(
      dataclasses.replace(config, fit=dataclasses.replace(fit, microbatches=6)),
      _Half(0),
    )


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
