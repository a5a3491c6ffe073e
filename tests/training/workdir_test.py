"""A working directory belongs to one config and never loses or mixes files."""

import json
import pathlib
import time

import numpy as np
import pytest

from raml_jax.training import workdir as workdir_lib

CONFIG = {"experiment": "toy", "train": {"steps": 100, "lr": 0.1}, "k": (1, 2)}


def open_error(path, config=CONFIG):
  with pytest.raises(workdir_lib.WorkdirError) as error:
    workdir_lib.open_workdir(path, config)
  assert isinstance(error.value, ValueError)
  assert "\n" not in str(error.value)
  return str(error.value)


def changed(**train):
  return CONFIG | {"train": CONFIG["train"] | train}


def test_the_same_config_opens_again_and_is_kept_as_json(tmp_path):
  for _ in range(2):
    workdir_lib.open_workdir(tmp_path / "a/b", CONFIG)
  stored = json.loads((tmp_path / "a/b/config.json").read_text())
  assert stored == CONFIG | {"k": [1, 2]}
  workdir, config = workdir_lib.load_workdir(tmp_path / "a/b")
  assert config == stored and workdir.path == tmp_path / "a/b"


@pytest.mark.parametrize(
  "config, said",
  [
    (changed(steps=200), "train.steps=100, now 200"),
    (changed(extra=1), "train.extra=(absent), now 1"),
    (CONFIG | {"train": {"steps": 100}}, "train.lr=0.1, now (absent)"),
    (CONFIG | {"experiment": "other"}, 'experiment="toy", now "other"'),
    (changed(steps=100.0), "train.steps=100, now 100.0"),
  ],
)
def test_another_config_is_refused_with_the_field_and_both_values(
  tmp_path, config, said
):
  workdir_lib.open_workdir(tmp_path, CONFIG)
  before = (tmp_path / "config.json").read_bytes()
  message = open_error(tmp_path, config)
  assert said in message and str(tmp_path) in message
  assert (tmp_path / "config.json").read_bytes() == before


def test_a_file_is_refused(tmp_path):
  path = tmp_path / "file"
  path.write_text("precious")
  assert "is a file" in open_error(path)
  assert "cannot be written" in open_error(path / "below")
  assert path.read_text() == "precious"


def test_a_folder_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
  def denied(self, *args, **kwargs):
    raise PermissionError(13, "Permission denied")

  monkeypatch.setattr(pathlib.Path, "touch", denied)
  assert "cannot be written (Permission denied)" in open_error(tmp_path)


def test_a_folder_with_other_things_is_refused_untouched(tmp_path):
  (tmp_path / "thesis.tex").write_text("precious")
  assert "'thesis.tex'" in open_error(tmp_path)
  assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_run_killed_while_it_wrote_its_config_starts_again(tmp_path):
  (tmp_path / ".tmp-config.json").write_text('{"experi')
  workdir_lib.open_workdir(tmp_path, CONFIG)
  workdir_lib.open_workdir(tmp_path, CONFIG)


@pytest.mark.parametrize("content", [b"", b'{"a": 1', b"[1]", b"\xff\x00"])
def test_a_damaged_config_is_refused(tmp_path, content):
  (tmp_path / "config.json").write_bytes(content)
  assert "config.json" in open_error(tmp_path)


def test_a_folder_without_a_run_cannot_be_loaded(tmp_path):
  with pytest.raises(workdir_lib.WorkdirError, match="holds no run"):
    workdir_lib.load_workdir(tmp_path / "absent")


def test_results_round_trip_and_equal_results_are_equal_bytes(
  tmp_path, monkeypatch
):
  workdir = workdir_lib.open_workdir(tmp_path, CONFIG)
  arrays = {
    "file": np.arange(6, dtype=np.int32).reshape(2, 3),
    "error": np.array([1.0, np.nan], np.float32),
    "names": np.array(["gd", "cg"]),
  }
  assert not workdir.has_result("arm/x")
  first = workdir.save_result("arm/x", arrays, {"unit": "1", "k": 2})
  before = first.read_bytes()
  now = time.time()
  monkeypatch.setattr(time, "time", lambda: now + 1e8)
  workdir.save_result("arm/x", arrays, {"unit": "1", "k": 2})
  assert first.read_bytes() == before
  loaded, meta = workdir.load_result("arm/x")
  assert meta == {"unit": "1", "k": 2} and loaded.keys() == arrays.keys()
  for name, array in arrays.items():
    np.testing.assert_array_equal(loaded[name], array)
    assert loaded[name].dtype == array.dtype
  assert workdir.has_result("arm/x")


@pytest.mark.parametrize("damage", ["empty", "truncated", "flipped"])
def test_a_broken_result_counts_as_absent_and_is_named(
  tmp_path, capsys, damage
):
  workdir = workdir_lib.open_workdir(tmp_path, CONFIG)
  path = workdir.save_result("x", {"a": np.arange(1000.0)}, {})
  content = bytearray(path.read_bytes())
  content[4000] ^= 1
  path.write_bytes(
    {"empty": b"", "truncated": content[:5000], "flipped": bytes(content)}[
      damage
    ]
  )
  assert not workdir.has_result("x")
  assert str(path) in capsys.readouterr().err


def test_objects_and_non_finite_json_are_refused(tmp_path):
  workdir = workdir_lib.open_workdir(tmp_path, CONFIG)
  with pytest.raises(ValueError, match="array 'a' has dtype object"):
    workdir.save_result("x", {"a": np.array([{}])}, {})
  for value in (np.nan, np.float32(np.inf), np.array([1.0, -np.inf])):
    with pytest.raises(ValueError, match=r"results/x\.json"):
      workdir.save_json("results/x.json", {"a": value})
  assert not (tmp_path / "results").exists()
  path = workdir.save_json("results/x.json", {"a": np.float32(0.5), "b": (1,)})
  assert json.loads(path.read_text()) == {"a": 0.5, "b": [1]}


def test_metrics_are_cut_back_by_phase_and_torn_lines_dropped(tmp_path):
  workdir = workdir_lib.open_workdir(tmp_path, CONFIG)
  for phase, step in [("a", 2), ("a", 4), ("b", 4)]:
    workdir.append_metrics(phase, step, {"loss": np.array([1.0, step])})
  lines = workdir.read_metrics()
  assert lines[0] == {
    "phase": "a",
    "step": 2,
    "metrics": {"loss": {"mean": 1.5, "per_seed": [1.0, 2.0]}},
  }
  with open(tmp_path / "metrics.jsonl", "ab") as stream:
    stream.write(b'{"phase": "b", "st')
  assert workdir.read_metrics() == lines
  workdir.cut_metrics("a", 2)
  workdir.append_metrics("b", 6, {})
  assert workdir.read_metrics() == [
    lines[0],
    lines[2],
    {"phase": "b", "step": 6, "metrics": {}},
  ]


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
