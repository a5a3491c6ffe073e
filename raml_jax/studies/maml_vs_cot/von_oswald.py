"""A published setting, to check the instruments on (arXiv 2212.07677)."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from raml_jax.config import maml_vs_cot as config_lib
from raml_jax.models import query_prompt
from raml_jax.studies import running
from raml_jax.tasks import regression
from raml_jax.theory import anchors
from raml_jax.training import loop
from raml_jax.training import objectives
from raml_jax.training import progress as progress_lib
from raml_jax.training import sources
from raml_jax.training import workdir as workdir_lib


def phase(config: config_lib.MamlVsCot) -> loop.Phase:
  """One layer on the query-token prompt: uniform inputs, one query."""
  c = config.von_oswald
  task_ = regression.LinearRegression(
    jnp.eye(c.d),
    scale=jnp.float32(c.half_width),
    d=c.d,
    n=c.n,
    queries=1,
    law="uniform",
  )
  return loop.Phase(
    "von_oswald",
    functools.partial(query_prompt.init, d=c.d, scale=c.init_scale),
    objectives.prediction(query_prompt.predict),
    sources.Episodes(running.stacked(task_, config.seeds), c.train.batch),
    running.optimizer(c.train),
    c.train.steps,
  )


def run(
  config: config_lib.MamlVsCot,
  workdir: workdir_lib.Workdir,
  progress: progress_lib.Progress,
) -> dict[str, dict[str, np.ndarray]]:
  """Trains and measures; the result is called "von_oswald"."""
  phase_ = phase(config)
  key = jax.random.key(config.seed)
  state = loop.train(
    phase_,
    key=key,
    seeds=config.seeds,
    chunk=running.chunk(phase_.steps),
    workdir=workdir,
    on_chunk=progress,
  )

  def compute():
    task = jax.tree.map(lambda leaf: leaf[0], phase_.source.task)
    tasks = task.sample(
      loop.evaluation_key(key, "von_oswald"), 8 * config.measure.error_tasks
    )
    return anchors.von_oswald(state.params, tasks)

  return {"von_oswald": running.saved(workdir, "von_oswald", compute)}
