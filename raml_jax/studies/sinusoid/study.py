"""The sinusoid study: train every method, adapt it to new tasks, decide.

Whatever is finished is found on disk and not done again.
"""

from __future__ import annotations

import jax
import numpy as np

from raml_jax import base
from raml_jax import parsing
from raml_jax.config import sinusoid as config_lib
from raml_jax.studies import claims
from raml_jax.studies import running
from raml_jax.studies.sinusoid import evaluate
from raml_jax.studies.sinusoid import finders
from raml_jax.studies.sinusoid import methods
from raml_jax.studies.sinusoid import paths
from raml_jax.training import checkpoint
from raml_jax.training import loop
from raml_jax.training import progress as progress_lib
from raml_jax.training import workdir as workdir_lib

Results = dict[str, dict[str, np.ndarray]]
# Whose fitted functions are drawn.
_DRAWN = ("maml", "pretrained")


def run(
  config: config_lib.Sinusoid, path: str
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
  results: Results = {}
  with progress_lib.Progress(_units(config)) as progress:
    for shots in config.shots:
      theta_S = _train(config, shots, workdir, progress, clock)
      results |= _measure(config, shots, theta_S, workdir, progress, clock)
  decided = claims.decide(
    config.claims, finders.TABLE, config.measure.tasks, config, results
  )
  workdir.save_json("results/claims.json", decided)
  print("seconds per phase:\n" + clock.table(), flush=True)
  return decided, workdir


def _units(config: config_lib.Sinusoid) -> int:
  """What the progress bar counts: phases and results, alike."""
  each = 2 * len(config.methods) + 3
  return len(config.shots) * each + 2 * ("imaml" in config.methods)


def _train(config, shots, workdir, progress, clock) -> dict[str, base.PyTree]:
  """What each method has learned, stacked over seeds; and "untrained"."""
  key = jax.random.key(config.seed)
  theta_S = {}
  for name in config.methods:
    phase = methods.phase(config, shots, name)
    theta_S[name] = loop.train(
      phase,
      key=key,
      seeds=config.seeds,
      chunk=running.chunk(phase.steps),
      workdir=workdir,
      on_chunk=progress,
    ).params
    clock.lap(f"train {phase.name}")
  keys_S = jax.random.split(
    loop.train_key(key, f"k{shots}/untrained"), config.seeds
  )
  net = methods.network(config, "untrained")
  theta_S["untrained"] = {"start": jax.vmap(net.init)(keys_S)}
  return theta_S


def _measure(config, shots, theta_S, workdir, progress, clock) -> Results:
  """Every measurement at one K, by name of the result."""
  m = config.measure
  episodes_SxB = evaluate.episodes(config, shots, "measuring", m.tasks)
  tuning_SxB = evaluate.episodes(config, shots, "tuning", config.tune.tasks)
  results: Results = {}

  def keep(name, compute):
    name = f"k{shots}/{name}"
    restored = workdir.has_result(name)
    results[name] = running.saved(workdir, name, compute)
    progress.advance(f"results of {name}", restored=restored)
    clock.lap(f"measure {name}")

  keep("floors", lambda: evaluate.floors(episodes_SxB))
  for name, theta in theta_S.items():
    keep(
      name,
      lambda name=name, theta=theta: evaluate.curves(
        config, name, theta, tuning_SxB, episodes_SxB
      ),
    )

  def fits():
    out = evaluate.shown(config, episodes_SxB)
    for name in filter(theta_S.__contains__, _DRAWN):
      alpha_T = results[f"k{shots}/{name}"].get("alpha_T")
      alpha = config.inner.alpha if alpha_T is None else float(alpha_T[-1])
      out[f"{name}/fit_PxTxG"] = evaluate.fits(
        config, name, theta_S[name], alpha, episodes_SxB
      )
      out[f"{name}/alpha"] = np.float64(alpha)
    return out

  keep("fits", fits)
  if shots != config.shots[0] or "imaml" not in theta_S:
    return results
  some_SxB = jax.tree.map(lambda a: a[:, : config.paths.tasks], tuning_SxB)
  for field in ("strong", "as_trained"):
    keep(
      f"paths_{field}",
      lambda field=field: paths.compared(
        config,
        getattr(config.paths, field),
        theta_S["imaml"]["start"],
        some_SxB,
      ),
    )
  return results
