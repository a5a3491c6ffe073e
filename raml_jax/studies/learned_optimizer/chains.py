"""The chains of thought that are compared: the main job's own.

A finished run of the main job with the same settings is read, and its phases
are restored; elsewhere the same function trains them here. Either way a copy of
them is kept among the results, so that this run needs no other from then on.
"""

from __future__ import annotations

import dataclasses
import pathlib

import jax
import numpy as np

from raml_jax import base
from raml_jax import parsing
from raml_jax.config import learned_optimizer as config_lib
from raml_jax.config import maml_vs_cot as job_lib
from raml_jax.models import reasoners
from raml_jax.studies import running
from raml_jax.studies.maml_vs_cot import regimes
from raml_jax.studies.maml_vs_cot import study
from raml_jax.training import leaves as leaves_lib
from raml_jax.training import progress as progress_lib
from raml_jax.training import workdir as workdir_lib

# All of the main job's config that its chains depend on, but for the arm.
_FIELDS = ("seed", "seeds", "task", "model", "imitation", "outcome")


def arm(config: config_lib.LearnedOptimizer) -> str:
  """The main job's arm that is compared."""
  return next(iter(config.chains.job.arms))


def trained(config: config_lib.LearnedOptimizer) -> list[regimes.Run]:
  """What the main job trains for this study."""
  return regimes.runs(config.chains.job)


def lengths(config: config_lib.LearnedOptimizer) -> dict[str, int]:
  """K of every chain; the untrained one runs as long as the longest outcome."""
  out = {run.name: run.steps for run in trained(config)}
  return out | {"untrained": max(config.chains.job.outcome.steps)}


def reasoner(config: config_lib.LearnedOptimizer) -> base.Reasoner:
  """How all of them are run."""
  return reasoners.reasoner(regimes.model(config.chains.job))


def obtain(
  config: config_lib.LearnedOptimizer,
  workdir: workdir_lib.Workdir,
  progress: progress_lib.Progress,
  clock: running.Clock,
) -> dict[str, base.PyTree]:
  """Params of every chain, stacked over seeds, by name."""
  names = list(lengths(config))

  def compute():
    where = finished(config) or workdir
    kind = "trained here" if where is workdir else f"read from {where.path}"
    print(f"chains of thought: {kind}", flush=True)
    job = dataclasses.replace(
      config.chains.job,
      arms={arm(config): config.chains.job.arms[arm(config)]},
    )
    found = study.train_arm(job, arm(config), where, progress, clock)
    return {
      f"{name}/{leaf}": array
      for name in names
      for leaf, array in leaves_lib.named(found.params[name]).items()
    }

  arrays = running.saved(workdir, "chains", compute)
  for run in trained(config):
    progress.advance(f"{arm(config)}/{run.name}", restored=True)
  keys_S = jax.random.split(jax.random.key(0), config.seeds)
  like = jax.jit(jax.vmap(regimes.model(config.chains.job).init))(keys_S)
  return {name: _rebuilt(arrays, name, like) for name in names}


def _rebuilt(
  arrays: dict[str, np.ndarray], name: str, like: base.PyTree
) -> base.PyTree:
  leaves = {
    key.removeprefix(f"{name}/"): array
    for key, array in arrays.items()
    if key.startswith(f"{name}/")
  }
  return leaves_lib.rebuilt(leaves, like)


def finished(
  config: config_lib.LearnedOptimizer,
) -> workdir_lib.Workdir | None:
  """The run of the main job, if it is there, whole and of these settings.

  If it is there and will not do, a line on stdout says why.
  """
  path = pathlib.Path(config.chains.workdir)
  if not (path / "config.json").exists():
    return None
  workdir, plain = workdir_lib.load_workdir(path)
  reason = _why_not(config, workdir, plain)
  if reason is not None:
    print(f"chains of {path} are not used: {reason}", flush=True)
    return None
  return workdir


def _why_not(config, workdir, plain) -> str | None:
  try:
    job = job_lib.parse(plain)
  except parsing.ConfigError as error:
    return f"its config.json is no config of the main job ({error})"
  wanted, name = config.chains.job, arm(config)
  for field in _FIELDS:
    if getattr(job, field) != getattr(wanted, field):
      return f"its {field} is another"
  if job.arms.get(name) != wanted.arms[name]:
    return f"its arm {name} is another"
  for run in trained(config):
    # The last step's folder is there only if the phase was trained to its end:
    # nothing is ever trained in another run's directory.
    steps = _training(wanted, run.regime).steps
    last = workdir.checkpoints / name / run.name / str(steps)
    if not last.is_dir():
      return f"it has no checkpoint of {run.name} at its last step"
  return None


def _training(job, regime):
  return job.imitation.train if regime == "imitation" else job.outcome.full
