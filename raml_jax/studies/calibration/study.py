"""The calibration study: train, measure where the answer is known, decide.

Whatever is finished is found on disk and not done again.
"""

from __future__ import annotations

import jax
import numpy as np

from raml_jax import base
from raml_jax import parsing
from raml_jax.config import calibration as config_lib
from raml_jax.studies import claims
from raml_jax.studies import running
from raml_jax.studies.calibration import adaptation
from raml_jax.studies.calibration import decoders
from raml_jax.studies.calibration import finders
from raml_jax.studies.calibration import lines
from raml_jax.studies.calibration import students
from raml_jax.training import checkpoint
from raml_jax.training import loop
from raml_jax.training import progress as progress_lib
from raml_jax.training import workdir as workdir_lib

Results = dict[str, dict[str, np.ndarray]]
# Results beside one for each phase: of rules and the untrained; of shuffled
# steps and the untrained; of descent, of three chains and of the untrained.
_MORE = {"linear": 2, "decoder": 2, "maml": 5}


def run(
  config: config_lib.Calibration, path: str
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
  phases = students.phases(config)
  results: Results = {}
  units = 2 * len(phases) + sum(_MORE[part] for part in config.parts)
  with progress_lib.Progress(units) as progress:
    params_S = _train(config, phases, workdir, progress, clock)

    def keep(name, compute):
      restored = workdir.has_result(name)
      results[name] = running.saved(workdir, name, compute)
      progress.advance(f"results of {name}", restored=restored)
      clock.lap(f"measure {name}")

    for part, measure in _MEASURES.items():
      if part in config.parts:
        measure(config, params_S, keep)
  decided = claims.decide(
    config.claims, finders.TABLE, config.measure.tasks, results
  )
  workdir.save_json("results/claims.json", decided)
  print("seconds per phase:\n" + clock.table(), flush=True)
  return decided, workdir


def _train(config, phases, workdir, progress, clock) -> dict[str, base.PyTree]:
  """What each has learned, stacked over seeds, and who has learned nothing."""
  key = jax.random.key(config.seed)
  params_S = {}
  for name, phase in phases.items():
    params_S[name] = loop.train(
      phase,
      key=key,
      seeds=config.seeds,
      chunk=running.chunk(phase.steps),
      workdir=workdir,
      on_chunk=progress,
    ).params
    clock.lap(f"train {name}")
  for kind in ("linear", "decoder"):
    if kind not in config.parts:
      continue
    name = f"{kind}/untrained"
    keys_S = jax.random.split(loop.train_key(key, name), config.seeds)
    init = phases[f"{kind}/gradient"].init
    params_S[name] = jax.vmap(init)(keys_S)
  return params_S


def _of(kind, params_S):
  """Who is of a kind, by the rest of the name."""
  start = f"{kind}/"
  return {
    name.removeprefix(start): params
    for name, params in params_S.items()
    if name.startswith(start)
  }


def _measure_linear(config, params_S, keep) -> None:
  episodes_SxB = lines.episodes(config)
  keep("linear/rules", lambda: lines.rules(config, episodes_SxB))
  for name, params in _of("linear", params_S).items():
    keep(
      f"linear/{name}",
      lambda params=params: lines.student(config, params, episodes_SxB),
    )


def _measure_decoders(config, params_S, keep) -> None:
  episodes_SxB = decoders.episodes(config)
  known = _of("decoder", params_S)
  for name, params in known.items():
    keep(
      f"decoder/{name}",
      lambda params=params: decoders.measured(config, params, episodes_SxB),
    )
  keep(
    "decoder/shuffled_steps",
    lambda: decoders.measured(config, known["gradient"], episodes_SxB, True),
  )


def _measure_adaptation(config, params_S, keep) -> None:
  episodes_SxB = decoders.episodes(config)
  known = _of("decoder", params_S)
  w_SxBxKxD = adaptation.weights(config, known["gradient"], episodes_SxB)
  keep("curves/descent", lambda: adaptation.descent(config, episodes_SxB))
  for name in finders.TAUGHT:

    def curve(params=known[name]):
      written = adaptation.weights(config, params, episodes_SxB)
      return adaptation.chain(episodes_SxB, written)

    keep(f"curves/{name}", curve)
  for name, theta in _of("maml", params_S).items():
    keep(
      f"maml/{name}",
      lambda theta=theta: adaptation.adapted(
        config, theta, episodes_SxB, w_SxBxKxD
      ),
    )
  keep(
    "maml/untrained",
    lambda: adaptation.untrained(
      config,
      known["untrained"],
      adaptation.tuning(config),
      episodes_SxB,
      w_SxBxKxD,
    ),
  )


_MEASURES = {
  "linear": _measure_linear,
  "decoder": _measure_decoders,
  "maml": _measure_adaptation,
}
