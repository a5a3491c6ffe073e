"""The table of a sweep as report.md, and its figure."""

from __future__ import annotations

from collections.abc import Sequence
import json
from typing import Any

import numpy as np

from raml_jax.plotting import sweep as plotting
from raml_jax.studies import report
from raml_jax.studies import tables
from raml_jax.training import workdir as workdir_lib

EXPERIMENT = "sweep"
_PANELS = 4  # of the figure
_METRICS = ("loss", "exact_match")


def write(workdir: workdir_lib.Workdir) -> None:
  """Draws the figure and writes report.md from results/sweep.json.

  Raises:
    WorkdirError: there is no such file, or it is broken.
  """
  path = workdir.path / "results" / "sweep.json"
  try:
    found = json.loads(path.read_bytes())
  except (OSError, ValueError) as error:
    raise workdir_lib.WorkdirError(
      f"workdir {workdir.path} has no readable results/sweep.json: give the"
      " sweep's command again"
    ) from error
  _, config = workdir_lib.load_workdir(workdir.path)
  rows, fields = found["rows"], list(config["set"])
  panels = _panels(rows)
  labels = [_label(row, fields) for row in rows]
  lines = [
    "# A sweep",
    "",
    f"Experiment: {config['of'].get('experiment')}. {len(rows)} of"
    f" {found['jobs']} jobs are finished; each is a run of its own, in"
    " `jobs/`, with a report.",
    *_table(rows, fields, panels),
    *_failures(rows),
    "",
    *report.figures(workdir, plotting.TABLE, labels, panels[:_PANELS]),
  ]
  workdir.write("report.md", "\n".join(lines).encode())


def _label(row, fields) -> str:
  return ", ".join(f"{f.split('.')[-1]} = {row['set'][f]}" for f in fields)


def _panels(rows: Sequence[dict[str, Any]]) -> list[plotting.Panel]:
  """Every claim that some job has decided; then what training ended with."""
  ids = dict.fromkeys(c["id"] for row in rows for c in row["claims"])
  panels = [_claim(rows, id_) for id_ in ids]
  # Of experiments that train many things, claims alone.
  if all(len(row["last"]) == 1 for row in rows):
    for name in _METRICS:
      if any(name in _last(row) for row in rows):
        panels.append(_metric(rows, name))
  return panels


def _claim(rows, id_) -> plotting.Panel:
  by_job = [{c["id"]: c for c in row["claims"]}.get(id_) for row in rows]
  first = next(claim for claim in by_job if claim)
  deciding = next(
    part
    for part in first["parts"]
    if first["deciding_part"] == f"{part['quantity']} ({part['where']})"
  )
  return plotting.Panel(
    id_,
    first["unit"],
    np.array(
      [
        [claim["estimate"], claim["low"], claim["high"]]
        if claim
        else [np.nan] * 3
        for claim in by_job
      ]
    ),
    [claim["verdict"] if claim else "" for claim in by_job],
    deciding["margin"],
  )


def _last(row) -> dict[str, Any]:
  return next(iter(row["last"].values()), {})


def _metric(rows, name) -> plotting.Panel:
  means = [_last(row).get(name, {}).get("mean") for row in rows]
  mean_J = np.array([np.nan if m is None else m for m in means], float)
  return plotting.Panel(
    f"{name.replace('_', ' ')} at the end of training",
    "mean over seeds",
    np.repeat(mean_J[:, None], 3, axis=1),
    [""] * len(rows),
    (),
  )


def _table(rows, fields, panels) -> list[str]:
  lines = []
  for j, row in enumerate(rows):
    cells = [f"`jobs/{row['job']}`", *(str(row["set"][f]) for f in fields)]
    for panel in panels:
      cells.append(_cell(panel.interval_Jx3[j], panel.verdict_J[j]))
    lines.append(cells)
  return tables.table(("job", *fields, *(p.title for p in panels)), lines)


def _cell(interval_3, verdict) -> str:
  if np.isnan(interval_3[0]):
    return "none"
  estimate, low, high = map(tables.number, interval_3)
  if not verdict:
    return estimate
  return f"{estimate} [{low}, {high}] **{verdict.upper()}**"


def _failures(rows) -> list[str]:
  failed = [row for row in rows if row["failed"]]
  if not failed:
    return []
  lines = [f"- `jobs/{row['job']}`: {row['failed']}" for row in failed]
  return ["", "Failed:", "", *lines]
