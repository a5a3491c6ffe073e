"""The study of formats: train every format at every size, ask, decide.

Whatever is finished is found on disk and not done again.
"""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
from typing import NamedTuple

import jax
import numpy as np

from raml_jax import base
from raml_jax import parsing
from raml_jax.config import formats as config_lib
from raml_jax.models import gpt
from raml_jax.studies import claims
from raml_jax.studies import decoders
from raml_jax.studies import running
from raml_jax.studies.formats import finders
from raml_jax.studies.formats import streams as streams_lib
from raml_jax.studies.formats import summary as summary_lib
from raml_jax.tasks import vocab
from raml_jax.training import checkpoint
from raml_jax.training import evaluation
from raml_jax.training import loop
from raml_jax.training import progress as progress_lib
from raml_jax.training import workdir as workdir_lib

# What stands in front of a prompt, by `summary.PROTOCOLS`: nothing, or the sign
# that stands in front of every question of the stream.
_LEADS = {"bare": "", "led": vocab.END}


class Plan(NamedTuple):
  """All that a config says, checked and built; nothing has run.

  Attributes:
    streams: of every run, one per seed.
    exams: by format and protocol.
    model: the decoder; one for all, as is the next, so that a step is
      compiled once.
    objective: what it descends.
  """

  streams: Mapping[str, list[streams_lib.Stream]]
  exams: Mapping[tuple[str, str], evaluation.Exam]
  model: gpt.Model
  objective: loop.Objective

  def tokens(self, one: streams_lib.Run) -> np.ndarray:
    """Of the examples of a run, tokens_S."""
    # The first sign of a stream ends no example.
    return np.array([len(s.tokens_T) - 1 for s in self.streams[one.name]])


def plan(config: config_lib.Formats) -> Plan:
  """Builds and checks everything.

  Raises:
    ConfigError: a field that cannot be; one line.
  """
  asked = streams_lib.held_out(config)
  exams = {}
  for format in config.sizes:
    longest = streams_lib.family(config, format, "train").context
    window = config.windows[format]
    if longest > window:
      raise parsing.ConfigError(
        f"config.windows.{format} = {window}: must be at least {longest}, which"
        " the longest example takes"
      )
    exams |= _exams(config, format, asked)
  trained = streams_lib.runs(config)
  longest = max(
    evaluation.slots(exams.values()),
    *(streams_lib.window(config, one) for one in trained),
  )
  # The task tells the model the base alone, which is that of all formats.
  task = streams_lib.task(config, next(iter(config.sizes)))
  model = decoders.model(config.model, task, longest)
  # Streams take longest to build: all else is checked before.
  objective = decoders.objective(model, config.fit)
  return Plan(streams_lib.all_streams(config), exams, model, objective)


def _exams(config, format, asked):
  """The exams in one format, equally wide: one program answers them all."""
  found = {}
  for protocol, lead in _LEADS.items():
    writer = streams_lib.family(config, format, "test", lead)
    found[format, protocol] = evaluation.exam_on(writer, asked)
  width = max(exam.prompt_BxT.shape[1] for exam in found.values())
  return {
    name: dataclasses.replace(
      exam,
      prompt_BxT=np.stack([vocab.pad(p, width) for p in exam.prompt_BxT]),
    )
    for name, exam in found.items()
  }


def run(
  config: config_lib.Formats, path: str
) -> tuple[list[dict], workdir_lib.Workdir]:
  """Runs, or continues, the whole study in the working directory `path`.

  Returns:
    The claims as saved in results/claims.json, and the working directory.

  Raises:
    ConfigError, WorkdirError, CheckpointError, NonFiniteLoss: one line each.
  """
  planned = plan(config)
  workdir = workdir_lib.open_workdir(path, parsing.plain(config))
  checkpoint.verify_checkpoints(workdir)
  clock = running.Clock()
  results = {}
  trained = streams_lib.runs(config)
  units = 2 * len(trained) + 1
  with progress_lib.Progress(units) as progress:

    def keep(name, compute):
      restored = workdir.has_result(name)
      results[name] = running.saved(workdir, name, compute)
      progress.advance(f"results of {name}", restored=restored)
      clock.lap(f"measure {name}")

    for one in trained:
      params_S = _train(config, planned, one, workdir, progress)
      clock.lap(f"train {one.name}")
      keep(
        one.name,
        lambda one=one, params_S=params_S: {
          **_asked(config, planned, one, params_S),
          "tokens_S": planned.tokens(one),
        },
      )
    control = streams_lib.Run(streams_lib.CONTROL, 0, "untrained")
    if streams_lib.CONTROL in config.sizes:
      params_S = _untrained(config, planned)
      keep(
        "plain/untrained",
        lambda: _asked(config, planned, control, params_S),
      )
  summary = summary_lib.compute(config, results)
  workdir.save_result("summary", summary, {"name": "summary"})
  decided = claims.decide(
    config.claims, finders.TABLE, config.measure.questions, config, summary
  )
  workdir.save_json("results/claims.json", decided)
  print("seconds per phase:\n" + clock.table(), flush=True)
  return decided, workdir


def _train(
  config: config_lib.Formats,
  planned: Plan,
  one: streams_lib.Run,
  workdir: workdir_lib.Workdir,
  progress: progress_lib.Progress,
) -> base.PyTree:
  """The params of every seed."""
  # All are as long as the longest of all runs, so that a step is compiled once.
  length = max(config.windows.values()) + max(
    len(stream.tokens_T)
    for streams in planned.streams.values()
    for stream in streams
  )
  steps = config.fit.steps * streams_lib.longer(config, one)
  fit = dataclasses.replace(config.fit, steps=steps)
  phase = loop.Phase(
    one.name,
    planned.model.init,
    planned.objective,
    streams_lib.source(config, one, planned.streams[one.name], length),
    decoders.optimizer(fit),
    fit.steps,
  )
  return loop.train(
    phase,
    key=jax.random.key(config.seed),
    seeds=config.seeds,
    chunk=running.chunk(fit.steps),
    workdir=workdir,
    on_chunk=progress,
    seeds_at_once=config.seeds_at_once,
  ).params


def _untrained(config: config_lib.Formats, planned: Plan) -> base.PyTree:
  key = loop.train_key(jax.random.key(config.seed), "untrained")
  return jax.vmap(planned.model.init)(jax.random.split(key, config.seeds))


def _asked(
  config: config_lib.Formats,
  planned: Plan,
  one: streams_lib.Run,
  params_S: base.PyTree,
) -> dict[str, np.ndarray]:
  """The verdict on every greedy answer, by protocol."""
  out = {}
  # Greedy answers hang on no key.
  key = jax.random.key(0)
  for protocol in summary_lib.protocols(config, one.kind):
    exam = planned.exams[one.format, protocol]
    tokens_SxBx1xW = evaluation.answers(planned.model, params_S, exam, key)
    found = evaluation.graded(exam, tokens_SxBx1xW[:, :, 0])
    out[f"{protocol}/right_SxB"] = found.right_SxB
    out[f"{protocol}/well_formed_SxB"] = found.well_formed_SxB
  return out
