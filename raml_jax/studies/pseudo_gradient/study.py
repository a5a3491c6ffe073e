"""The pseudo-gradient study: train, build the paths, compare, decide.

Whatever is finished is found on disk and not done again.
"""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from raml_jax import base
from raml_jax import parsing
from raml_jax.config import pseudo_gradient as config_lib
from raml_jax.config import pseudo_gradient_rows as rows_lib
from raml_jax.models import gpt
from raml_jax.studies import claims
from raml_jax.studies import decoders
from raml_jax.studies import earlier as earlier_lib
from raml_jax.studies import running
from raml_jax.studies.pseudo_gradient import conditions
from raml_jax.studies.pseudo_gradient import curves
from raml_jax.studies.pseudo_gradient import finders
from raml_jax.studies.pseudo_gradient import models
from raml_jax.studies.pseudo_gradient import probes
from raml_jax.studies.pseudo_gradient import summary
from raml_jax.studies.pseudo_gradient import texts
from raml_jax.tasks.arithmetic.families import family as family_lib
from raml_jax.training import checkpoint
from raml_jax.training import evaluation
from raml_jax.training import loop
from raml_jax.training import progress as progress_lib
from raml_jax.training import threads
from raml_jax.training import workdir as workdir_lib

_SPARE = 4  # New tokens beyond the longest right answer.
# How many results' time a phase takes in the default config, for the time left.
_WEIGHTS = {"cot": 40, "direct": 13}


class Plan(NamedTuple):
  """All that a config says, checked and built; nothing has run.

  Attributes:
    model: the decoder.
    phases: of training, by `models.PHASES`.
    asked: what is measured on.
    tuning: what the step of true descent is tuned on.
    exam: what the trained models write answers to.
  """

  model: gpt.Model
  phases: Mapping[str, loop.Phase]
  asked: texts.Asked
  tuning: texts.Asked
  exam: evaluation.Exam


def plan(config: config_lib.PseudoGradient) -> Plan:
  """Builds and checks everything.

  Raises:
    ConfigError: a field that cannot be; one line.
  """
  key, m = jax.random.key(config.seed), config.measure
  held_out = decoders.family(config.task, "test")
  asked = _asked(held_out, key, "questions", m.questions, config.seed)
  validation = decoders.family(config.task, "validation")
  tuning = _asked(validation, key, "tuning", m.tuning, config.seed)
  try:
    exam = evaluation.exam(held_out, loop.evaluation_key(key, "exam"), m.exam)
  except ValueError as error:
    raise parsing.ConfigError(f"config.measure.exam: {error}") from error
  # It may choose to write the wordier way.
  longest = max(len(one.text) for one in asked.variants["wordy"])
  new_tokens = longest - int((exam.prompt_BxT > 0).sum(1).min()) + _SPARE
  exam = dataclasses.replace(exam, new_tokens=new_tokens)
  model = decoders.model(config.model, config.task, evaluation.slots([exam]))
  phases = {}
  for name in models.PHASES:
    try:
      phases[name] = models.phase(config, model, name)
    except ValueError as error:
      raise parsing.ConfigError(f"config.table.questions: {error}") from error
  return Plan(model, phases, asked, tuning, exam)


def _asked(
  family: family_lib.Family, key: base.Array, name: str, count: int, seed: int
) -> texts.Asked:
  try:
    return texts.ask(family, loop.evaluation_key(key, name), count, seed)
  except ValueError as error:
    raise parsing.ConfigError(f"config.measure.{name}: {error}") from error


def run(
  config: config_lib.PseudoGradient, path: str
) -> tuple[list[dict], workdir_lib.Workdir]:
  """Runs, or continues, the whole study in the working directory `path`.

  Returns:
    The claims as saved in results/claims.json, and the working directory.

  Raises:
    ConfigError, WorkdirError, CheckpointError, NonFiniteLoss: one line each.
  """
  planned = plan(config)
  steps = {name: phase.steps for name, phase in planned.phases.items()}
  earlier = earlier_lib.workdir(config, config_lib.TRAINED, steps)
  workdir = workdir_lib.open_workdir(path, parsing.plain(config))
  checkpoint.verify_checkpoints(earlier or workdir)
  clock = running.Clock()
  with progress_lib.Progress(_units(config), weights=_WEIGHTS) as progress:
    keep = running.Keeper(workdir, progress, clock)
    results = keep.results
    who = _trained(config, planned, earlier or workdir, progress, clock)
    keep("texts", lambda: summary.described(planned.asked))
    keep("models", lambda: _examined(config, planned, who))
    of_seeds = [
      {
        name: jax.tree.map(lambda leaf, s=s: leaf[s], params_S)
        for name, params_S in who.items()
      }
      for s in range(config.seeds)
    ]
    for tasks in (_measurements, _curves):
      threads.call(
        [
          functools.partial(
            keep, rows_lib.name(*part, s), compute, "/".join(part)
          )
          for s, params in enumerate(of_seeds)
          for part, compute in tasks(config, planned, params, s, results)
        ]
      )
    keep("summary", lambda: summary.summarized(config, results))
  decided = claims.decide(
    config.claims, finders.TABLE, config.measure.questions, config, results
  )
  workdir.save_json("results/claims.json", decided)
  print("seconds per phase:\n" + clock.table(), flush=True)
  return decided, workdir


def _units(config: config_lib.PseudoGradient) -> int:
  """What the progress bar counts: results, and phases by their weight."""
  each = 9 + len(rows_lib.FORMS) * len(rows_lib.CONDITIONS)
  phases = sum(_WEIGHTS[name] for name in models.PHASES)
  return phases + 3 + config.seeds * each


def _trained(config, planned, workdir, progress, clock):
  """Params by `models.WHO`, stacked over seeds."""
  params_S = {}
  for name, phase in planned.phases.items():
    params_S[name] = loop.train(
      phase,
      key=jax.random.key(config.seed),
      seeds=config.seeds,
      chunk=running.chunk(phase.steps),
      workdir=workdir,
      on_chunk=progress,
      seeds_at_once=1,
    ).params
    clock.lap(f"train {name}")
  who = models.everyone(
    config, planned.model, params_S["cot"], params_S["direct"]
  )
  # Restored arrays are bound to their device, fresh ones are not, and a program
  # would be compiled for either.
  return jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf)), who)


def _examined(config, planned, who) -> dict[str, np.ndarray]:
  """What the models can do.

  Returns:
    written_SxB: exact match of what the trained one writes by itself, and
    sound_SxB: with every step true; by name of all, /without_SxB and
    /with_SxB: right answers to the measured questions without the trajectory
    and with all of the correct one, the answer's own tokens given.
  """
  key = loop.evaluation_key(jax.random.key(config.seed), "answers")
  tokens_SxBxW = evaluation.answers(
    planned.model, who["trained"], planned.exam, key
  )[:, :, 0]
  graded = evaluation.graded(planned.exam, tokens_SxBxW, steps=True)
  out = {"written_SxB": graded.right_SxB, "sound_SxB": graded.sound_SxB}
  example_B = texts.example(planned.asked, "correct", None)
  whole = example_B.trajectory_T.shape[1]
  run = jax.jit(
    lambda params_S, asked_B, count: jax.lax.map(
      lambda p: models.right(planned.model, p, asked_B, count), params_S
    )
  )
  for name, params_S in who.items():
    for words, count in (("without", 0), ("with", whole)):
      out[f"{name}/{words}_SxB"] = np.asarray(run(params_S, example_B, count))
  return out


def _measurements(config, planned, params, s, unused_results):
  """Everything about one training seed but the curves: (name, computation)."""
  model, asked, m = planned.model, planned.asked, config.measure
  key = _seed_key(config, s)
  trained = params["trained"]
  for who in ("trained", "untrained"):
    for dtype in ("float32", "float64"):
      yield (
        ("exact", f"{who}/{dtype}"),
        functools.partial(
          probes.exact, model, params[who], asked, m.probes, dtype
        ),
      )
  for name, probe, more in (
    ("planted", probes.planted, (key,)),
    ("identity", probes.identity, ()),
    ("published", probes.published, ()),
  ):
    yield (
      ("probes", name),
      functools.partial(probe, model, trained, asked, m.probes, *more),
    )
  for form in rows_lib.FORMS:
    for name, condition in rows_lib.CONDITIONS.items():
      who = params[condition.who]
      yield (
        (form, name),
        functools.partial(
          conditions.measured, config, model, who, asked, form, name, key
        ),
      )


def _curves(config, planned, params, s, results):
  """What follows from these, of one training seed: (name, computation)."""
  model, asked, trained = planned.model, planned.asked, params["trained"]
  path = results[rows_lib.name(curves.FORM, rows_lib.CORRECT, s)]
  yield (
    ("curves", "descended"),
    functools.partial(
      curves.descended,
      config,
      model,
      trained,
      asked,
      planned.tuning,
      path,
      _seed_key(config, s),
    ),
  )
  yield (
    ("curves", "seen"),
    functools.partial(curves.seen, config, model, trained, asked),
  )


def _seed_key(config, s):
  return loop.evaluation_key(jax.random.key(config.seed), f"seed {s}")
