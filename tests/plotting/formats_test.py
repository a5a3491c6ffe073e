"""Claims, figures and report of the study of formats, from made-up verdicts."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from experiments.configs import formats
from raml_jax import parsing
from raml_jax.config import formats as config_lib
from raml_jax.plotting import formats as plotting
from raml_jax.studies import claims as claims_lib
from raml_jax.studies.formats import finders
from raml_jax.studies.formats import summary as summary_lib
from raml_jax.training import workdir as workdir_lib

_QUESTIONS = 20_000
_LENGTHS = {"plain": 9, "reversed": 11, "simplified": 50, "detailed": 210}
# Examples at which each comes to the threshold.
_NEEDED = {"plain": 1e6, "reversed": 2000, "simplified": 900, "detailed": 300}


@pytest.fixture(scope="module")
def config():
  mapping = formats.get_config().to_dict()
  mapping["sizes"] = {name: (100, 400, 1600, 6400) for name in _LENGTHS}
  return config_lib.parse(mapping)


def _verdicts(share_S, rng):
  """The exact share of right answers, in random places."""
  count_S = np.round(share_S * _QUESTIONS).astype(int)
  right = np.arange(_QUESTIONS)[None] < count_S[:, None]
  return rng.permuted(right, axis=1)


@pytest.fixture(scope="module")
def results(config):
  rng = np.random.default_rng(0)
  out = {}

  def add(name, bare_S, led_S, tokens):
    out[name] = {"tokens_S": np.full(config.seeds, tokens)}
    for protocol, share_S in (("bare", bare_S), ("led", led_S)):
      right_SxB = _verdicts(np.clip(share_S, 0, 1), rng)
      out[name][f"{protocol}/right_SxB"] = right_SxB
      out[name][f"{protocol}/well_formed_SxB"] = right_SxB | True

  for format, sizes in config.sizes.items():
    for size in sizes:
      ahead = np.log2(size / _NEEDED[format])
      share_S = 0.99 + 0.002 * ahead + rng.uniform(0, 1e-4, config.seeds)
      tokens = size * _LENGTHS[format]
      add(f"{format}/n{size}", share_S, share_S, tokens)
    if format in config.cut:
      loss = 0.1 * (format == "plain")
      add(f"{format}/cut_n{size}", share_S - loss, share_S, tokens)
    floor_S = np.zeros(config.seeds)
    add(f"{format}/untrained", floor_S, floor_S, 0)
  add("plain/shuffled_n6400", floor_S + 0.01, floor_S + 0.01, 6400 * 9)
  return out


@pytest.fixture(scope="module")
def summary(config, results):
  return summary_lib.compute(config, results)


@pytest.fixture(scope="module")
def rows(config, summary):
  found = claims_lib.decide(
    config.claims, finders.TABLE, _QUESTIONS, config, summary
  )
  return {row["id"]: row for row in found}


def test_made_up_runs_are_judged_as_they_were_made(rows):
  expected = {
    "format-order": "supported",
    # The made-up curves are one above the other, by less than the margin.
    "format-order/curves": "refuted",
    "plain-plateaus": "supported",
    "newline-artefact": "supported",
    "newline-artefact/others": "supported",
  }
  assert {name: rows[name]["verdict"] for name in expected} == expected
  parts = rows["equal-tokens-order"]["parts"]
  found = {part["where"].split(",")[0]: part["estimate"] for part in parts}
  # log2 (900 * 50 / (2000 * 11)) and log2 (300 * 210 / (900 * 50)).
  assert found["simplified over reversed"] == pytest.approx(1.03, abs=0.15)
  assert found["detailed over simplified"] == pytest.approx(0.49, abs=0.15)


def test_controls_give_no_advantage_and_no_gain(rows):
  for name, control in rows["format-order/curves"]["controls"].items():
    if name != "same format, other seeds":
      assert control["high"] < -0.3
  same = rows["format-order"]["controls"]["same format, other seeds"]
  assert same["low"] <= 0 <= same["high"] and same["high"] < 0.3
  for control in rows["newline-artefact"]["controls"].values():
    assert control["low"] == control["high"] == 0


def test_order_stays_open_where_no_seed_tells_it(config, results, capsys):
  """Two formats that never come to the threshold have no order."""
  blind = {
    name: {
      key: value & False if "right" in key else value
      for key, value in arrays.items()
    }
    for name, arrays in results.items()
  }
  summary = summary_lib.compute(config, blind)
  found = claims_lib.decide(
    config.claims, finders.TABLE, _QUESTIONS, config, summary
  )
  assert "format-order" not in {row["id"] for row in found}
  assert "stays open: no seed tells which of plain" in capsys.readouterr().out


def test_an_order_of_some_of_the_pairs_is_not_decided(config, results, capsys):
  """Without a common range of two formats there is no order of all."""
  sizes = {**config.sizes, "simplified": (1600, 6400), "detailed": (100, 400)}
  apart = dataclasses.replace(config, sizes=sizes)
  summary = summary_lib.compute(apart, results)
  found = claims_lib.decide(
    apart.claims, finders.TABLE, _QUESTIONS, apart, summary
  )
  names = {row["id"] for row in found}
  assert "format-order/curves" not in names
  said = "simplified and detailed were not measured over a common range"
  assert said in capsys.readouterr().out


@pytest.fixture(scope="module")
def text(tmp_path_factory, config, results, summary, rows, root):
  """The report, written by the program in a process of its own."""
  path = tmp_path_factory.mktemp("run") / "run"
  workdir = workdir_lib.open_workdir(path, parsing.plain(config))
  for name, arrays in (results | {"summary": summary}).items():
    workdir.save_result(name, arrays, {"name": name})
  workdir.save_json("results/claims.json", list(rows.values()))
  program = """
import runpy, sys
try:
  runpy.run_module(sys.argv.pop(1), run_name="__main__")
finally:
  heavy = {"jax", "flax", "orbax", "ml_collections", "matplotlib.pyplot"}
  assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
  done = subprocess.run(
    [sys.executable, "-c", program, "experiments.report", f"--workdir={path}"],
    cwd=root,
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stderr
  for figure in plotting.TABLE:
    for kind, first in (("png", b"\x89PNG"), ("pdf", b"%PDF")):
      content = (path / "figures" / f"{figure.name}.{kind}").read_bytes()
      assert content.startswith(first)
  return (path / "report.md").read_text()


def test_the_report_shows_every_claim_with_its_verdict(text, rows):
  for name, row in rows.items():
    assert f"`{name}`" in text
    assert f"**{row['verdict'].upper()}**" in text


def test_tables_have_as_many_cells_in_every_row(text):
  tables, width = 0, None
  for line in text.splitlines():
    if not line.startswith("|"):
      width = None
      continue
    cells = line.replace("\\|", "").count("|")
    tables += width is None
    assert width in (None, cells), line
    width = cells
  assert tables >= 5


def test_curves_stand_at_the_means_and_controls_beside_them(summary, config):
  fig = plotting.curves(summary, config)
  for ax, unit in zip(fig.axes, ("examples", "tokens")):
    drawn = [bars.lines[0].get_xydata() for bars in ax.containers]
    for format, xy in zip(config.sizes, drawn):
      each = {"examples": 1, "tokens": _LENGTHS[format]}[unit]
      right_SxN = summary[f"{format}/bare/right_SxN"]
      np.testing.assert_allclose(
        xy[:, 0], each * np.array(config.sizes[format])
      )
      np.testing.assert_allclose(xy[:, 1], right_SxN.mean(axis=0))
  texts = {text.get_text() for text in fig.legends[0].get_texts()}
  assert {"untrained (plain)", "plain, answers shuffled"} <= texts


def test_a_bound_is_drawn_as_such(summary, config):
  fig = plotting.needed(summary, config)
  heads = [line for line in fig.axes[0].lines if line.get_marker() == ">"]
  shown = np.concatenate([line.get_xdata() for line in heads])
  # Plain, in every seed, and nobody else.
  np.testing.assert_allclose(
    shown[np.isfinite(shown)], np.full(config.seeds, 6400.0)
  )


def test_where_no_window_was_cut_no_artefact_is_drawn(summary, config):
  alone = dataclasses.replace(
    config, sizes={"reversed": config.sizes["reversed"]}, cut={}
  )
  kept = {key: value for key, value in summary.items() if "/cut/" not in key}
  assert plotting.artefact(kept, alone) is None


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
