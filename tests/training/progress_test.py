"""The time left is that of the work that is left."""

import pytest

from raml_jax.training import progress


def test_progress_leaves_restored_work_out_of_the_time_left(monkeypatch):
  clock = [0.0]
  monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
  bar = progress.Progress(4)
  bar("a", 10, 10, {})
  clock[0] = 30.0
  bar("b", 5, 10, {"loss": 1.0})
  assert bar.line("b") == " 38 % b, 2:30 left"
  bar.advance("b")
  bar.advance("c")
  bar.advance("d")
  assert bar.line("d") == "100 % d, 0:00 left"


def test_the_time_left_knows_what_takes_longest(monkeypatch):
  """Ten seconds for a quarter of what is three of four units."""
  clock = [0.0]
  monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
  bar = progress.Progress(4, weights={"long": 3})
  clock[0] = 10.0
  bar("long", 1, 3, {"loss": 1.0})
  assert bar.line("long") == " 25 % long, 0:30 left"
  bar.advance("long")
  bar.advance("short")
  assert bar.line("short") == "100 % short, 0:00 left"


def test_progress_never_passes_its_total(monkeypatch):
  """Nine thirds add up to more than three in floating point."""

  class Bar:
    initial = n = 0.0

    def update(self, gain):
      self.n += gain
      assert self.n <= 3.0

    def set_description_str(self, name, refresh):
      self.name = name

  monkeypatch.setattr(progress, "_bar", lambda total: Bar())
  bar = progress.Progress(3)
  for name in "abc":
    for step in (1, 2, 3):
      bar(name, step, 3, {"loss": 1.0})
  bar.advance("d")


def test_progress_prints_lines_where_there_is_no_terminal(capsys):
  bar = progress.Progress(2, interval=0.0)
  bar("a", 1, 2, {"loss": 1.0})
  bar.close()
  assert capsys.readouterr().err.startswith(" 25 % a, ")


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
