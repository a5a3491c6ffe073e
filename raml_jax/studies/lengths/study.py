"""The study of length generalisation: train, ask longer questions, decide.

Whatever is finished is found on disk and not done again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import jax
import numpy as np

from raml_jax import base
from raml_jax import parsing
from raml_jax.config import arithmetic
from raml_jax.config import lengths as config_lib
from raml_jax.models import gpt
from raml_jax.studies import claims
from raml_jax.studies import decoders
from raml_jax.studies import running
from raml_jax.studies.lengths import finders
from raml_jax.studies.lengths import measure
from raml_jax.studies.lengths import questions
from raml_jax.training import checkpoint
from raml_jax.training import evaluation
from raml_jax.training import loop
from raml_jax.training import packing
from raml_jax.training import progress as progress_lib
from raml_jax.training import sources
from raml_jax.training import supervised
from raml_jax.training import workdir as workdir_lib

Results = dict[str, dict[str, np.ndarray]]


class World(NamedTuple):
  """One format, checked and built; nothing is trained.

  Attributes:
    exam: questions of every length.
    models: by scheme of positions.
    phases: their training.
  """

  exam: questions.Exam
  models: Mapping[str, gpt.Model]
  phases: Mapping[str, loop.Phase]


def world(config: config_lib.Lengths, format: str) -> World:
  """Builds and checks all that one format needs.

  Raises:
    ConfigError: a field that cannot be; one line.
  """
  arm = config.formats[format]
  try:
    supervised.weights(arm.fit.weights)
  except ValueError as error:
    raise parsing.ConfigError(
      f"config.formats.{format}.fit.weights.{error}"
    ) from error
  family = questions.trained(config, format)
  try:
    exam = questions.exam(config, format)
  except ValueError as error:
    raise parsing.ConfigError(f"config.questions: {error}") from error
  packed = packing.packing(family, arm.fit.batch)
  longest = max(family.context, packed.width, evaluation.slots([exam.asked]))
  task = arithmetic.Task("pairs", "reversed", config.base, {})
  models, phases = {}, {}
  for scheme in config.schemes:
    models[scheme] = decoders.model(
      config.decoder(scheme, arm.tested), task, longest
    )
    phases[scheme] = loop.Phase(
      f"{format}/{scheme}",
      models[scheme].init,
      decoders.objective(models[scheme], arm.fit),
      sources.Written(family, arm.fit.batch, packed),
      decoders.optimizer(arm.fit),
      arm.fit.steps,
    )
  return World(exam, models, phases)


def run(
  config: config_lib.Lengths, path: str
) -> tuple[list[dict], workdir_lib.Workdir]:
  """Runs, or continues, the whole study in the working directory `path`.

  Returns:
    The claims as saved in results/claims.json, and the working directory.

  Raises:
    ConfigError, WorkdirError, CheckpointError, NonFiniteLoss: one line each.
  """
  clock = running.Clock()
  worlds = {format: world(config, format) for format in config.formats}
  workdir = workdir_lib.open_workdir(path, parsing.plain(config))
  checkpoint.verify_checkpoints(workdir)
  clock.lap("questions")
  results: Results = {}
  units = 3 * len(config.schemes) * len(worlds)
  with progress_lib.Progress(units) as progress:
    for format, built in worlds.items():
      for scheme in config.schemes:
        params_S = _trained(config, built.phases[scheme], workdir, progress)
        clock.lap(f"train {format}/{scheme}")
        results |= _measured(
          config, format, scheme, built, params_S, workdir, progress
        )
        clock.lap(f"measure {format}/{scheme}")
  decided = claims.decide(
    config.claims, finders.TABLE, config.questions, config, results
  )
  workdir.save_json("results/claims.json", decided)
  print("seconds per phase:\n" + clock.table(), flush=True)
  return decided, workdir


def _trained(config, phase, workdir, progress) -> base.PyTree:
  """The params of every seed, trained now or before."""
  return loop.train(
    phase,
    key=jax.random.key(config.seed),
    seeds=config.seeds,
    chunk=running.chunk(phase.steps),
    workdir=workdir,
    on_chunk=progress,
    seeds_at_once=config.seeds_at_once,
  ).params


def _measured(
  config, format, scheme, built, params_S, workdir, progress
) -> Results:
  """What is measured of one scheme, trained and untrained."""
  results = {}

  def keep(name, params_S):
    restored = workdir.has_result(name)
    results[name] = running.saved(
      workdir,
      name,
      lambda: measure.examined(
        config, format, built.models[scheme], params_S, built.exam
      ),
    )
    progress.advance(f"results of {name}", restored=restored)

  keep(f"{format}/{scheme}", params_S)
  keep(f"{format}/{scheme}_untrained", _untrained(config, built, scheme))
  return results


def _untrained(config, built: World, scheme: str) -> base.PyTree:
  """Params of every seed as training starts from, of other draws."""
  name = f"{built.phases[scheme].name}/untrained"
  key = loop.train_key(jax.random.key(config.seed), name)
  return jax.vmap(built.models[scheme].init)(
    jax.random.split(key, config.seeds)
  )
