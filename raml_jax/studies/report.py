"""Reports are written from what a run has saved, and from that alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
import json
from typing import Any, TypeVar

import numpy as np

from raml_jax import parsing
from raml_jax.plotting import figures as figures_lib
from raml_jax.plotting import style
from raml_jax.training import workdir as workdir_lib

Config = TypeVar("Config")


def load(
  workdir: workdir_lib.Workdir,
  experiment: str,
  parse: Callable[[dict[str, Any]], Config],
) -> tuple[Config, list[dict], dict[str, dict[str, np.ndarray]]]:
  """The config, the claims and all results of a finished run.

  Args:
    workdir: the run's.
    experiment: what its config must be of.
    parse: from plain data to that experiment's config.

  Raises:
    WorkdirError: the run is another experiment's, or has not come to its end.
  """
  _, plain = workdir_lib.load_workdir(workdir.path)
  found = plain.get("experiment")
  if found != experiment:
    raise workdir_lib.WorkdirError(
      f"workdir {workdir.path} holds the experiment {found!r}, not"
      f" {experiment!r}"
    )
  try:
    config = parse(plain)
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


def figures(
  workdir: workdir_lib.Workdir,
  table: Iterable[figures_lib.Figure],
  *args: Any,
  suffix: str = "",
) -> list[str]:
  """Draws figures into the workdir.

  Args:
    workdir: the run's.
    table: the figures; the name of each is a number, "_" and a title.
    *args: what each `draw` is called with.
    suffix: ends the names of the files, e.g. "_isotropic".

  Returns:
    Lines of Markdown that show them, without those that draw nothing.
  """
  lines = []
  for figure in table:
    drawn = figure.draw(*args)
    if drawn is None:
      continue
    name = f"{figure.name}{suffix}"
    for kind, content in style.rendered(drawn).items():
      workdir.write(f"figures/{name}.{kind}", content)
    number, _, title = figure.name.partition("_")
    where = f"{suffix.removeprefix('_')}; " if suffix else ""
    lines += [
      f"![Figure {number}: {title.replace('_', ' ')}](figures/{name}.png)",
      "",
      f"**Figure {number}** ({where}[PDF](figures/{name}.pdf))."
      f" {figure.caption}",
      "",
    ]
  return lines
