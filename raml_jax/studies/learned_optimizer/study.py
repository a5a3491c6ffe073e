"""The learned-optimizer study: train, tune, measure, compare, decide.

Whatever is finished is found on disk and not done again.
"""

from __future__ import annotations

import dataclasses

import jax
import numpy as np

from raml_jax import base
from raml_jax import parsing
from raml_jax.config import learned_optimizer as config_lib
from raml_jax.studies import claims
from raml_jax.studies import running
from raml_jax.studies.learned_optimizer import chains
from raml_jax.studies.learned_optimizer import comparison
from raml_jax.studies.learned_optimizer import curves
from raml_jax.studies.learned_optimizer import finders
from raml_jax.studies.learned_optimizer import problems as problems_lib
from raml_jax.studies.learned_optimizer import rivals
from raml_jax.studies.learned_optimizer import training
from raml_jax.theory import measure
from raml_jax.training import checkpoint
from raml_jax.training import loop
from raml_jax.training import progress as progress_lib
from raml_jax.training import workdir as workdir_lib

Results = dict[str, dict[str, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class _Run:
  """What every part of the study needs."""

  config: config_lib.LearnedOptimizer
  workdir: workdir_lib.Workdir
  progress: progress_lib.Progress
  clock: running.Clock
  results: Results

  def train(self, phase: loop.Phase) -> base.PyTree:
    """Params of a phase, stacked over seeds."""
    state = loop.train(
      phase,
      key=jax.random.key(self.config.seed),
      seeds=self.config.seeds,
      chunk=running.chunk(phase.steps),
      workdir=self.workdir,
      on_chunk=self.progress,
    )
    self.clock.lap(f"train {phase.name}")
    return state.params

  def keep(self, name, compute) -> dict[str, np.ndarray]:
    """A result, computed unless it is there."""
    restored = self.workdir.has_result(name)
    self.results[name] = running.saved(self.workdir, name, compute)
    self.progress.advance(name, restored=restored)
    self.clock.lap(name)
    return self.results[name]


def run(
  config: config_lib.LearnedOptimizer, path: str
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
  with progress_lib.Progress(_units(config)) as progress:
    here = _Run(config, workdir, progress, clock, {})
    found = {
      problem.name: problem
      for problem in (
        problems_lib.quadratics(config),
        problems_lib.regression(config),
      )
    }
    learned = {
      name: here.train(training.on_curves(config, problem))
      for name, problem in found.items()
    }
    regression = found["regression"]
    lengths = sorted(set(chains.lengths(config).values()))
    answers = {
      k: here.train(training.on_answers(config, regression.task, k))
      for k in lengths
    }
    params = chains.obtain(config, workdir, progress, clock)
    jax.clear_caches()  # the programs of training, needed no more
    for problem in found.values():
      _tune(here, problem)
      _measure(here, problem, learned)
    _compare(here, regression, learned["regression"], answers, params)
  decided = claims.decide(
    config.claims, finders.TABLE, config.measure.tasks, config, here.results
  )
  workdir.save_json("results/claims.json", decided)
  print("seconds per phase:\n" + clock.table(), flush=True)
  return decided, workdir


def _units(config: config_lib.LearnedOptimizer) -> int:
  """What the progress bar counts: phases and results, alike."""
  lengths = chains.lengths(config)
  answers, chains_ = len(set(lengths.values())), len(chains.trained(config))
  return 2 + answers + chains_ + 4 + len(lengths)


def _tune(here: _Run, problem: problems_lib.Problem) -> None:
  key = loop.evaluation_key(
    jax.random.key(here.config.seed), f"{problem.name}/tuning"
  )

  def compute():
    episodes = problem.task.sample(key, here.config.tune.tasks)
    return rivals.tuned(here.config, problem, episodes)

  here.keep(f"{problem.name}/tuning", compute)


def _measure(here: _Run, problem: problems_lib.Problem, learned) -> None:
  """Curves of the learned rule, of tuned rivals, and of controls."""
  config = here.config
  key_tasks, key_init = jax.random.split(
    loop.evaluation_key(jax.random.key(config.seed), f"{problem.name}/curves")
  )
  tuning = here.results[f"{problem.name}/tuning"]
  steps = config.measure.beyond * config.length

  def compute():
    episodes = measure.evaluation_tasks(
      problem.task, key_tasks, config.seeds, config.measure.tasks
    )
    rule = training.rule(config)
    phase = training.on_curves(config, problem)
    keys_S = jax.random.split(key_init, config.seeds)
    (other,) = [name for name in learned if name != problem.name]
    rows = {
      "learned": (rule, learned[problem.name]),
      "other_problem": (rule, learned[other]),
      "untrained": (rule, jax.jit(jax.vmap(phase.init))(keys_S)),
    }
    for name, rival in rivals.TABLE.items():
      for criterion in ("area", "final"):
        meta = rivals.chosen(tuning, name, criterion)
        meta_S = running.stacked(meta, config.seeds)
        rows[f"{name}/{criterion}"] = (rival, meta_S)
    return {
      f"{label}/{key}": np.asarray(value)
      for label, (who, meta_S) in rows.items()
      for key, value in curves.measured(
        who, problem, meta_S, episodes, steps
      ).items()
    }

  here.keep(f"{problem.name}/curves", compute)


def _compare(here: _Run, problem, learned_S, answers_S, params) -> None:
  config = here.config
  tuning = here.results[f"{problem.name}/tuning"]
  missing = [
    name for name in params if not here.workdir.has_result(f"chains/{name}")
  ]
  episodes = comparison.tasks(config, problem) if missing else None
  for name, params_S in params.items():
    steps = chains.lengths(config)[name]

    def compute(name=name, params_S=params_S, steps=steps):
      who = comparison.candidates(config, tuning, learned_S, answers_S, steps)
      return comparison.compared(config, name, params_S, who, episodes)

    here.keep(f"chains/{name}", compute)
