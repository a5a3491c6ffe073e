"""The main job: does a chain of thought descend?

Trains every regime in every arm, measures all of it, decides the claims and
draws the figures. Whatever is finished is found on disk and not done again.
"""

from __future__ import annotations

import dataclasses

import jax
import numpy as np

from raml_jax import parsing
from raml_jax.config import maml_vs_cot as config_lib
from raml_jax.studies import running
from raml_jax.studies.maml_vs_cot import evaluate
from raml_jax.studies.maml_vs_cot import finders
from raml_jax.studies.maml_vs_cot import regimes
from raml_jax.studies.maml_vs_cot import von_oswald
from raml_jax.studies.maml_vs_cot import yardsticks
from raml_jax.theory import optimum
from raml_jax.training import checkpoint
from raml_jax.training import loop
from raml_jax.training import progress as progress_lib
from raml_jax.training import workdir as workdir_lib

Results = dict[str, dict[str, np.ndarray]]


def run(
  config: config_lib.MamlVsCot, path: str
) -> tuple[list[dict], workdir_lib.Workdir]:
  """Runs, or continues, the whole study in the working directory `path`.

  Returns:
    The claims as saved in results/claims.json, and the working directory.

  Raises:
    WorkdirError, CheckpointError, NonFiniteLoss: one line each.
  """
  workdir = workdir_lib.open_workdir(path, parsing.plain(config))
  checkpoint.verify_checkpoints(workdir)
  clock = running.Clock()
  warn_if_unstable(config)
  units = _units(config)
  with progress_lib.Progress(len(units)) as progress:
    arms = [
      train_arm(config, name, workdir, progress, clock) for name in config.arms
    ]
    jax.clear_caches()  # the programs of training: a gigabyte, needed no more
    results = measure_all(config, arms, workdir, progress, clock)
    if "von_oswald" in config.regimes:
      results |= von_oswald.run(config, workdir, progress)
      clock.lap("von Oswald")
  decided = finders.decide(config, results)
  workdir.save_json("results/claims.json", decided)
  print("seconds per phase:\n" + clock.table(), flush=True)
  return decided, workdir


def warn_if_unstable(config: config_lib.MamlVsCot) -> None:
  """A step size beyond stability is a choice; say so and go on."""
  for name, covariance in config.arms.items():
    task = regimes.task(config.task, covariance)
    values = optimum.spectra(
      jax.random.key(0), task.scale * task.root_DxD, task.n, 1000
    )
    limit = 2.0 / np.median(values[:, -1])
    if config.imitation.eta >= limit:
      print(
        f"warning: imitation.eta = {config.imitation.eta} is beyond the"
        f" stability limit 2 / lambda_max = {limit:.3f} of a median task of"
        f" arm {name}",
        flush=True,
      )


def _units(config: config_lib.MamlVsCot) -> list[str]:
  """What the progress bar counts: phases and measurements, alike."""
  trained = len(regimes.runs(config))
  return ["unit"] * (len(config.arms) * (2 * trained + 8) + 2)


def train_arm(
  config: config_lib.MamlVsCot,
  name: str,
  workdir: workdir_lib.Workdir,
  progress: progress_lib.Progress,
  clock: running.Clock,
) -> evaluate.Arm:
  """Trains every regime on one covariance."""
  task = regimes.task(config.task, config.arms[name])
  key = jax.random.key(config.seed)
  runs, params = {}, {}
  for run_ in regimes.runs(config):
    phase = run_.phase(task, params)
    phase = dataclasses.replace(phase, name=f"{name}/{run_.name}")
    state = loop.train(
      phase,
      key=key,
      seeds=config.seeds,
      chunk=running.chunk(phase.steps),
      workdir=workdir,
      on_chunk=progress,
    )
    runs[run_.name] = run_
    params[run_.name] = regimes.canonical(run_, state.params)
    clock.lap(f"train {run_.regime}")
  untrained_key = loop.train_key(key, f"{name}/untrained")
  params["untrained"] = jax.jit(jax.vmap(regimes.model(config).init))(
    jax.random.split(untrained_key, config.seeds)
  )
  tasks = evaluate.episodes(config, task, name)
  clock.lap("evaluation tasks")
  return evaluate.Arm(name, task, *tasks, runs, params)


def measure_all(
  config: config_lib.MamlVsCot,
  arms: list[evaluate.Arm],
  workdir: workdir_lib.Workdir,
  progress: progress_lib.Progress,
  clock: running.Clock,
) -> Results:
  """Every measurement of every arm, by name of the result."""
  results: Results = {}

  def keep(name, compute):
    results[name] = running.saved(workdir, name, compute)
    progress.advance(name)

  for arm in arms:
    for name, who in evaluate.contestants(config, arm).items():
      keep(
        f"{arm.name}/{name}",
        lambda arm=arm, name=name, who=who: evaluate.evaluate(
          config, arm, name, who
        ),
      )
    clock.lap("measure contestants")
    for one, two in evaluate.pairs_to_compare(config, arm):
      keep(
        f"{arm.name}/{one}_versus_{two}",
        lambda arm=arm, one=one, two=two: evaluate.versus(
          config, arm, one, two
        ),
      )
    clock.lap("compare MAML and CoT")
    for name, run_ in arm.runs.items():
      if run_.regime == "outcome_full":
        keep(
          f"{arm.name}/{name}_ablations",
          lambda arm=arm, name=name: evaluate.ablations(config, arm, name),
        )
    clock.lap("ablations")
    keep(
      f"{arm.name}/yardsticks", lambda arm=arm: yardsticks.errors(config, arm)
    )
    clock.lap("yardsticks")
    keep(f"{arm.name}/optimum", lambda arm=arm: yardsticks.optima(config, arm))
    clock.lap("optima")
  first = arms[0]
  if "decoys" in config.regimes:
    keep(
      f"{first.name}/rules",
      lambda: yardsticks.rules_as_reasoners(config, first),
    )
  clock.lap("rules as reasoners")
  if config.model.kind == "linear_attention":
    keep(
      f"{first.name}/construction",
      lambda: yardsticks.construction(config, first),
    )
    for arm in arms:
      keep(f"{arm.name}/weights", lambda arm=arm: yardsticks.weights(arm))
  return results
