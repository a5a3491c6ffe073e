"""One decoder on arithmetic: train it, examine it, decide.

Whatever is finished is found on disk and not done again.
"""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
from typing import NamedTuple

import jax

from raml_jax import base
from raml_jax import parsing
from raml_jax.config import train as config_lib
from raml_jax.models import gpt
from raml_jax.studies import claims
from raml_jax.studies import decoders
from raml_jax.studies import running
from raml_jax.studies.train import data
from raml_jax.studies.train import examine
from raml_jax.studies.train import finders
from raml_jax.tasks import vocab
from raml_jax.tasks.arithmetic.families import family as family_lib
from raml_jax.training import checkpoint
from raml_jax.training import evaluation
from raml_jax.training import loop
from raml_jax.training import placement as placement_lib
from raml_jax.training import progress as progress_lib
from raml_jax.training import runtime
from raml_jax.training import workdir as workdir_lib

PHASE = "decoder"
# How many results' time training takes in the default config.
_TRAINING = 30


class Plan(NamedTuple):
  """All that a config says, checked and built; nothing has run.

  Attributes:
    family: of the training questions.
    exams: by name, that of the task itself first.
    watched: the exam during training.
    model: the decoder.
    phase: its training.
    placement: on several devices, or None.
  """

  family: family_lib.Family
  exams: Mapping[str, evaluation.Exam]
  watched: evaluation.Exam
  model: gpt.Model
  phase: loop.Phase
  placement: placement_lib.Placement | None


def families(config: config_lib.Train) -> dict[str, family_lib.Family]:
  """The questions of training, of watching it, and of every test, by name.

  Raises:
    ConfigError: options that the family does not have or cannot take.
  """
  found = {
    "train": decoders.family(config.task, "train"),
    "validation": decoders.family(config.task, "validation"),
    config_lib.HELD_OUT: decoders.family(config.task, "test"),
  }
  for name, changed in config.measure.tests.items():
    found[name] = decoders.family(
      config.task, "test", "", changed, f"measure.tests.{name}"
    )
  return found


def check(config: config_lib.Train) -> config_lib.Train:
  """What can be checked at once; returns the config.

  Raises:
    ConfigError: a field that cannot be; one line.
  """
  families(config)
  decoders.objective(decoders.model(config.model, config.task, 0), config.fit)
  known = config.vocabulary or vocab.CHARACTERS
  if known != vocab.CHARACTERS:
    raise parsing.ConfigError(
      f"config.vocabulary = {known!r}: must be {vocab.CHARACTERS!r}, or empty"
    )
  return dataclasses.replace(config, vocabulary=vocab.CHARACTERS)


def plan(config: config_lib.Train) -> Plan:
  """Builds and checks everything.

  Raises:
    ConfigError, SetupError, DatasetError: a field that cannot be, or a data
      set; one line.
  """
  asked = {
    name: data.room(config, family) for name, family in families(config).items()
  }
  placement = _placement(config)
  family, watched = asked.pop("train"), asked.pop("validation")
  source, packing = data.source(config, family, placement)
  m = config.measure
  watched = _exam(config, "watched", watched, m.watched)
  exams = {
    name: _exam(config, name, family, m.questions)
    for name, family in asked.items()
  }
  slots = evaluation.slots([watched, *exams.values()])
  longest = max(family.context, packing.width, slots)
  model = decoders.model(config.model, config.task, longest)
  phase = loop.Phase(
    PHASE,
    model.init,
    decoders.objective(model, config.fit),
    source,
    decoders.optimizer(config.fit),
    config.fit.steps,
  )
  return Plan(family, exams, watched, model, phase, placement)


def _placement(config) -> placement_lib.Placement | None:
  data_axis, model_axis = config.mesh.data, config.mesh.model
  if (data_axis, model_axis) == (1, 1):
    if jax.process_count() == 1:
      return None
    raise parsing.ConfigError(
      f"config.mesh.data = 1: must be 0 or the {jax.device_count()} devices of"
      f" all {jax.process_count()} processes"
    )
  mesh = runtime.make_mesh(data_axis, model_axis)
  alone = jax.process_count() == 1 and mesh.size == 1
  return None if alone else placement_lib.Placement(mesh)


def _exam(config, name, family, count) -> evaluation.Exam:
  key = loop.evaluation_key(jax.random.key(config.seed), name)
  try:
    return evaluation.exam(family, key, count)
  except ValueError as error:
    field = "watched" if name == "watched" else "questions"
    raise parsing.ConfigError(f"config.measure.{field}: {error}") from error


def trained(
  config: config_lib.Train,
  planned: Plan,
  workdir: workdir_lib.Workdir,
  progress: progress_lib.Progress | None = None,
) -> base.PyTree:
  """The params of every seed on one device, trained now or before."""
  key = jax.random.key(config.seed)
  state = loop.train(
    planned.phase,
    key=key,
    seeds=config.seeds,
    chunk=config.measure.every,
    workdir=workdir,
    on_chunk=progress,
    seeds_at_once=config.seeds_at_once,
    placement=planned.placement,
    evaluate=evaluation.exact_match(
      planned.model, planned.watched, loop.evaluation_key(key, "watched")
    ),
  )
  if planned.placement is None:
    return state.params
  return planned.placement.gathered(state.params)


def run(
  config: config_lib.Train, path: str
) -> tuple[list[dict], workdir_lib.Workdir]:
  """Trains and examines, or continues, in the working directory `path`.

  Returns:
    The claims as saved in results/claims.json, none with a single seed; and the
    working directory.

  Raises:
    ConfigError, SetupError, DatasetError, WorkdirError, CheckpointError,
      NonFiniteLoss: one line each.
  """
  config = check(config)
  planned = plan(config)
  workdir = runtime.open_workdir(path, parsing.plain(config))
  checkpoint.verify_checkpoints(workdir)
  clock = running.Clock()
  weights = {PHASE: _TRAINING}
  units = _units(config, planned)
  with progress_lib.Progress(units, weights=weights) as progress:
    shown = progress if runtime.is_main() else None
    params_S = trained(config, planned, workdir, shown)
    clock.lap("train")
    results = {}
    # One process measures, and the others wait for it.
    if runtime.is_main():
      results = _measured(config, planned, params_S, workdir, progress, clock)
  decided = []
  if runtime.is_main():
    if config.seeds > 1:
      decided = claims.decide(
        config.claims, finders.TABLE, config.measure.questions, config, results
      )
    workdir.save_json("results/claims.json", decided)
    print("seconds per phase:\n" + clock.table(), flush=True)
  runtime.barrier("measured")
  return decided, workdir


def _units(config, planned) -> int:
  """What the progress bar counts: training, and every result."""
  return _TRAINING + len(planned.exams) + bool(config.measure.samples)


def _measured(config, planned, params_S, workdir, progress, clock):
  """Every result, by name."""
  results = {}

  def keep(name, compute):
    restored = workdir.has_result(name)
    results[name] = running.saved(workdir, name, compute)
    progress.advance(f"results of {name}", restored=restored)
    clock.lap(f"measure {name}")

  key = jax.random.key(config.seed)
  keys_S = jax.random.split(loop.train_key(key, "untrained"), config.seeds)
  untrained_S = jax.jit(jax.vmap(planned.model.init))(keys_S)
  for name, exam in planned.exams.items():
    answers_key = loop.evaluation_key(key, f"answers to {name}")
    keep(
      f"tests/{name}",
      lambda exam=exam, key=answers_key: examine.test(
        planned.model, params_S, untrained_S, exam, key
      ),
    )
  if config.measure.samples:
    keep(
      "samples",
      lambda: examine.samples(
        planned.model,
        params_S,
        planned.exams[config_lib.HELD_OUT],
        loop.evaluation_key(key, "samples"),
        config.measure,
      ),
    )
  return results
