"""The report of a run: claims, numbers and figures, from its results alone."""

from __future__ import annotations

import json

from raml_jax import config as config_lib
from raml_jax import parsing
from raml_jax.plotting import figures
from raml_jax.plotting import style
from raml_jax.studies import comparisons
from raml_jax.studies import numbers
from raml_jax.studies import tables
from raml_jax.training import workdir as workdir_lib

EXPERIMENT = "maml_vs_cot"


def write(workdir: workdir_lib.Workdir) -> None:
  """Draws every figure and writes report.md; nothing is trained.

  Raises:
    WorkdirError: the run is another experiment's, or has not come to its end.
  """
  config, claims, results = load(workdir)
  lines = [
    "# Does a chain of thought descend?",
    "",
    *tables.setting(config),
    "",
    *tables.claims(claims),
  ]
  for arm in config.arms:
    lines += [
      "",
      f"## Numbers: {arm} arm",
      *numbers.of_arm(results, config, arm),
    ]
  for section in (
    comparisons.rules(results, config),
    comparisons.von_oswald(results),
  ):
    lines += section
  for arm in config.arms:
    lines += ["", f"## Figures: {arm} arm", ""]
    lines += _figures(workdir, config, results, arm)
  lines += ["", "## All parts of the claims", "", *tables.parts(claims), ""]
  workdir.write("report.md", "\n".join(lines).encode())


def load(
  workdir: workdir_lib.Workdir,
) -> tuple[config_lib.MamlVsCot, list[dict], numbers.Results]:
  """The config, the claims and all results of a finished run.

  Raises:
    WorkdirError: see `write`.
  """
  _, plain = workdir_lib.load_workdir(workdir.path)
  found = plain.get("experiment")
  if found != EXPERIMENT:
    raise workdir_lib.WorkdirError(
      f"workdir {workdir.path} holds the experiment {found!r}, not"
      f" {EXPERIMENT!r}"
    )
  try:
    config = config_lib.parse(plain)
  except parsing.ConfigError as error:
    raise workdir_lib.WorkdirError(
      f"workdir {workdir.path}: its config.json is of another version: {error}"
    ) from error
  path = workdir.path / "results" / "claims.json"
  try:
    claims = json.loads(path.read_bytes())
  except FileNotFoundError as error:
    raise workdir_lib.WorkdirError(
      f"workdir {workdir.path} has no results/claims.json: the run has not come"
      " to its end; give its command again"
    ) from error
  except ValueError as error:
    raise workdir_lib.WorkdirError(f"{path} is broken: {error}") from error
  folder = workdir.path / "results"
  names = sorted(
    file.relative_to(folder).with_suffix("").as_posix()
    for file in folder.rglob("*.npz")
    if not file.name.startswith(".")
  )
  return config, claims, {name: workdir.load_result(name)[0] for name in names}


def _figures(workdir, config, results, arm) -> list[str]:
  lines = []
  for figure in figures.TABLE:
    drawn = figure.draw(results, config, arm)
    if drawn is None:
      continue
    name = f"{figure.name}_{arm}"
    for kind, content in style.rendered(drawn).items():
      workdir.write(f"figures/{name}.{kind}", content)
    number, _, title = figure.name.partition("_")
    lines += [
      f"![Figure {number}: {title.replace('_', ' ')}](figures/{name}.png)",
      "",
      f"**Figure {number}** ({arm}; [PDF](figures/{name}.pdf))."
      f" {figure.caption}",
      "",
    ]
  return lines
