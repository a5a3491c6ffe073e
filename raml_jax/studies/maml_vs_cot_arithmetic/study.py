"""MAML on trajectories beside the chain of thought: train, measure, decide.

Whatever is finished is found on disk and not done again.
"""

from __future__ import annotations

import functools

import jax
import numpy as np

from raml_jax import base
from raml_jax import parsing
from raml_jax.config import maml_vs_cot_arithmetic as config_lib
from raml_jax.studies import claims
from raml_jax.studies import earlier as earlier_lib
from raml_jax.studies import running
from raml_jax.studies.maml_vs_cot_arithmetic import arms
from raml_jax.studies.maml_vs_cot_arithmetic import changes
from raml_jax.studies.maml_vs_cot_arithmetic import costs
from raml_jax.studies.maml_vs_cot_arithmetic import evaluate
from raml_jax.studies.maml_vs_cot_arithmetic import finders
from raml_jax.studies.maml_vs_cot_arithmetic import states
from raml_jax.studies.maml_vs_cot_arithmetic import texts
from raml_jax.training import checkpoint
from raml_jax.training import loop
from raml_jax.training import progress as progress_lib
from raml_jax.training import threads
from raml_jax.training import workdir as workdir_lib

Results = dict[str, dict[str, np.ndarray]]

# How many results' time an arm takes to train in the default config.
_WEIGHTS = {
  "cot": 3,
  "second_order": 20,
  "head": 7,
  "low_rank": 16,
  "first_order": 10,
  "head_first_order": 6,
  "low_rank_first_order": 8,
  "direct": 2,
}


def run(
  config: config_lib.Arithmetic, path: str
) -> tuple[list[dict], workdir_lib.Workdir]:
  """Runs, or continues, the whole study in the working directory `path`.

  Returns:
    The claims as saved in results/claims.json, and the working directory.

  Raises:
    ConfigError, WorkdirError, CheckpointError, NonFiniteLoss: one line each.
  """
  arms.check(config)
  layout = arms.layout(config)
  m, t = config.measure, config.tune
  tuning = texts.ask(config, "validation", "tuning", t.questions, layout)
  asked = texts.ask(config, "test", "measuring", m.questions, layout)
  steps = dict.fromkeys(config.arms, config.fit.steps)
  earlier = earlier_lib.workdir(config, config_lib.TRAINED, steps)
  workdir = workdir_lib.open_workdir(path, parsing.plain(config))
  checkpoint.verify_checkpoints(earlier or workdir)
  clock = running.Clock()
  with progress_lib.Progress(_units(config), weights=_WEIGHTS) as progress:
    params_S = _train(config, earlier or workdir, progress, clock)
    results = _measure(
      config, params_S, tuning, asked, workdir, progress, clock
    )
  decided = claims.decide(
    config.claims, finders.TABLE, m.questions, config, results
  )
  workdir.save_json("results/claims.json", decided)
  print("seconds per phase:\n" + clock.table(), flush=True)
  return decided, workdir


def _units(config: config_lib.Arithmetic) -> int:
  """What the progress bar counts: results, and phases by their weight."""
  names = arms.names(config)
  tuned = sum(not evaluate.own_steps(name) for name in names)
  changed = sum(name in changes.ARMS for name in names)
  phases = sum(_WEIGHTS[name] for name in config.arms)
  return phases + tuned + 2 * len(names) + changed + 4


def _train(config, workdir, progress, clock) -> dict[str, base.PyTree]:
  """What each arm has learned, stacked over seeds, the untrained included."""
  key = jax.random.key(config.seed)
  params_S = {}
  for name in config.arms:
    phase = arms.phase(config, name)
    params_S[name] = loop.train(
      phase,
      key=key,
      seeds=config.seeds,
      chunk=running.chunk(phase.steps),
      workdir=workdir,
      on_chunk=progress,
      seeds_at_once=1,
    ).params
    clock.lap(f"train {name}")
  if "direct" in params_S:
    params_S["direct"] = params_S["direct"]["start"]
  return params_S | arms.untrained(config, params_S["cot"])


def _measure(
  config, params_S, tuning, asked, workdir, progress, clock
) -> Results:
  """Every measurement, by name of the result."""
  keep = running.Keeper(workdir, progress, clock)
  results = keep.results
  keep("costs", lambda: costs.per_update(config))
  keep("written", lambda: evaluate.written(config, params_S["cot"], asked))

  def arm(name, params):
    theta_S, repeats = params, config.inner.repeats
    if not evaluate.own_steps(name):
      keep(f"tuned/{name}", lambda: evaluate.tuned(config, params, tuning))
      found = results[f"tuned/{name}"]
      theta_S = jax.vmap(lambda p: arms.with_step(config, p, found["alpha"]))(
        params
      )
      repeats = int(found["repeats"])
    _keep_arm(config, name, theta_S, repeats, asked, keep)
    if name in changes.ARMS:
      keep(
        f"changes/{name}",
        lambda: changes.measured(config, name, theta_S, repeats, asked),
      )

  threads.call(
    [functools.partial(arm, name, params) for name, params in params_S.items()]
  )
  found = {name: results[f"states/{name}"] for name in params_S}
  keep("cka", lambda: states.compared(config, found))
  keep("probes", lambda: states.probed(config, asked, found))
  return results


def _keep_arm(config, name, theta_S, repeats, asked, keep) -> None:
  """Two results of one computation, which is done where either is missing."""
  compute = functools.cache(
    lambda: evaluate.measured(config, name, theta_S, repeats, asked)
  )
  for kind in ("numbers", "states"):
    keep(f"{kind}/{name}", lambda kind=kind: compute()[kind])
