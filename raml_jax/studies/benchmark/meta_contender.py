"""MAML on sinusoids as the project trains it: `learner`, in the one loop."""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
import functools

import jax
import jax.numpy as jnp
import optax

from raml_jax import base
from raml_jax.inner import learner as learner_lib
from raml_jax.inner import optimizers
from raml_jax.models import mlp as mlp_lib
from raml_jax.studies.benchmark import contenders
from raml_jax.studies.benchmark import devices
from raml_jax.studies.benchmark import machine
from raml_jax.studies.benchmark import meta_problem
from raml_jax.studies.benchmark import problem
from raml_jax.tasks import sinusoid
from raml_jax.training import meta
from raml_jax.training import sources

_LAYERS = ("layer_0", "layer_1", "head")


def maml(sizes: problem.Sizes, steps: int) -> contenders.Contender:
  """Second order, `steps` inner steps.

  Where devices do not divide the tasks, each has one more rather than one less.
  """
  network = mlp_lib.mlp(widths=(sizes.hidden, sizes.hidden))

  def loss(params, pairs):
    error_N = network.apply(params, pairs.x_NxD) - pairs.y_N
    return jnp.mean(error_N**2)

  rule = optimizers.fixed(optax.sgd(sizes.inner_rate))
  learner = learner_lib.Learner(loss, rule, steps)
  task = sinusoid.Sinusoid(sizes.shots)
  source = sources.Episodes(task, _share(sizes))

  def initial(seed):
    params = {
      name: {"kernel": jnp.asarray(kernel), "bias": jnp.asarray(bias)}
      for name, (kernel, bias) in zip(
        _LAYERS, meta_problem.weights(sizes, seed)
      )
    }
    return learner.init(jax.random.key(seed), params)

  def check():
    parts = map(jnp.asarray, meta_problem.tasks(sizes))
    x_BxN, y_BxN, x_BxM, y_BxM = parts
    support = base.Pairs(x_BxN[..., None], y_BxN)
    query = base.Pairs(x_BxM[..., None], y_BxM)
    gradient, metrics = learner.grads(initial(0), (support, query))
    layers = [gradient["start"][name] for name in _LAYERS]
    entries = meta_problem.entries([(l["kernel"], l["bias"]) for l in layers])
    return [float(metrics["loss"]), *entries]

  return contenders.trained_by_the_loop(
    check,
    initial,
    source,
    meta.objective(learner),
    devices.Optimizer(optax.adam(sizes.outer_rate)),
    dataclasses.replace(sizes, chunk=sizes.meta_chunk),
  )


def table(
  sizes: problem.Sizes,
) -> dict[str, Callable[[], contenders.Contender]]:
  """Makers by name; see `meta_study`."""
  return {
    meta_problem.contender("ours", k): functools.partial(maml, sizes, k)
    for k in sizes.inner_steps
  }


def place(sizes: problem.Sizes) -> str:
  """What we run on here, e.g. "2 cpu devices, 26 tasks"."""
  text = machine.devices()
  tasks = jax.device_count() * _share(sizes)
  return text if tasks == sizes.meta_batch else f"{text}, {tasks} tasks"


def _share(sizes):
  return -(-sizes.meta_batch // jax.device_count())
