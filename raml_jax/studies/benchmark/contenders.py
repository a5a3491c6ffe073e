"""The training steps in JAX that the benchmark times.

`chain_of_thought` and `query_prompt_step` are the project's own, through the
loop that trains everything else. `ordinary_query_prompt_step` is von Oswald's
setting written the ordinary way (an independent re-implementation of the form
of the public code of arXiv 2212.07677): explicit tokens, attention with
separate query, key, value and output matrices on all of them, tasks made one by
one under `vmap`, one jitted call for the data and one for the update.
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from raml_jax import base
from raml_jax.models import query_prompt
from raml_jax.studies.benchmark import devices
from raml_jax.studies.benchmark import problem
from raml_jax.tasks import regression
from raml_jax.training import chunks
from raml_jax.training import loop
from raml_jax.training import objectives
from raml_jax.training import sources
from raml_jax.training import sweep


@dataclasses.dataclass
class Contender:
  """A training step that can be started, run and looked at.

  Attributes:
    check: `() -> [loss, *entries of the gradient]` on the common problem; the
      gradient only where the parameters are the common ones.
    begin: `(params, seed) -> state`.
    advance: `(state, steps) -> state`, done when it returns.
    params: `(state) -> params`.
    initial: `(seed) -> params`.
    state: of the run in progress.
  """

  check: Callable[[], list[float]]
  begin: Callable[[Any, int], Any]
  advance: Callable[[Any, int], Any]
  params: Callable[[Any], Any]
  initial: Callable[[int], Any]
  state: Any = None

  def start(self, seed: int) -> None:
    self.state = self.begin(self.initial(seed), seed)

  def run(self, steps: int) -> float:
    """Seconds for so many more steps."""
    begin = time.perf_counter()
    self.state = self.advance(self.state, steps)
    return time.perf_counter() - begin


def chain_of_thought(
  sizes: problem.Sizes, n: int, moments_only: bool
) -> Contender:
  """The teacher-forced step of one linear attention layer."""
  task = _task(sizes.d, n, moments_only=moments_only)
  source = sweep.Taught(
    task,
    sizes.eta * jnp.eye(sizes.d),
    sizes.steps,
    sizes.batch // jax.device_count(),
  )
  objective = sweep.imitation()
  optimizer = devices.Optimizer(optax.adam(sizes.learning_rate))

  def initial(seed):
    v_FxF, w_FxF = map(jnp.asarray, problem.weights(sizes, seed))
    return {"layer_0": {"V": v_FxF, "W": w_FxF}}

  def check():
    x_BxNxD, w_BxD = map(jnp.asarray, problem.tasks(sizes))
    y_BxN = jnp.einsum("bnd,bd->bn", x_BxNxD, w_BxD)
    support = jax.vmap(regression.support_of)(base.Pairs(x_BxNxD, y_BxN))
    episodes = base.Episode(support, None, w_BxD)
    batch = episodes, source.paths(episodes)
    gradient, metrics, _ = objective.grads(initial(0), (), batch, None)
    layer = gradient["layer_0"]
    entries = np.concatenate([np.ravel(layer["V"]), np.ravel(layer["W"])])
    return [float(metrics["loss"]), *entries.tolist()]

  return trained_by_the_loop(
    check, initial, source, objective, optimizer, sizes
  )


def query_prompt_step(sizes: problem.Sizes) -> Contender:
  """von Oswald's setting as the project trains it: the last token alone."""
  d = sizes.query_n
  task = _task(d, d, scale=0.5, queries=1, law="uniform")
  source = sources.Episodes(task, sizes.query_batch // jax.device_count())
  objective = objectives.prediction(query_prompt.predict)

  def initial(seed):
    del seed
    four = problem.query_weights(sizes)
    return {
      "V": jnp.asarray(four["out"] @ four["value"]),
      "W": jnp.asarray(four["key"].T @ four["query"]),
    }

  def check():
    x_BxNxD, w_BxD, query_BxD = map(jnp.asarray, problem.queries(sizes))
    y_BxN = jnp.einsum("bnd,bd->bn", x_BxNxD, w_BxD)
    label_B = jnp.sum(query_BxD * w_BxD, axis=1)
    episodes = base.Episode(
      jax.vmap(regression.support_of)(base.Pairs(x_BxNxD, y_BxN)),
      base.Pairs(query_BxD[:, None], label_B[:, None]),
      w_BxD,
    )
    _, metrics, _ = objective.grads(initial(0), (), episodes, None)
    return [float(metrics["loss"])]

  optimizer = _query_optimizer(sizes)
  return trained_by_the_loop(
    check, initial, source, objective, optimizer, sizes
  )


def ordinary_query_prompt_step(sizes: problem.Sizes) -> Contender:
  """The same setting, written the ordinary way."""
  d = sizes.query_n
  optimizer = _query_optimizer(sizes).whole()

  def create(key):
    key_w, key_x, key_query = jax.random.split(key, 3)
    w_D = jax.random.normal(key_w, (d,))
    x_NxD = jax.random.uniform(key_x, (d, d), minval=-0.5, maxval=0.5)
    query_D = jax.random.uniform(key_query, (d,), minval=-0.5, maxval=0.5)
    return tokens(x_NxD, w_D, query_D)

  def tokens(x_NxD, w_D, query_D):
    data_NxE = jnp.concatenate([x_NxD, (x_NxD @ w_D)[:, None]], axis=-1)
    query_E = jnp.append(query_D, 0.0)
    return jnp.concatenate([data_NxE, query_E[None]]), query_D @ w_D

  def forward(params, z_BxTxE):
    seen_BxNxE = z_BxTxE[:, :-1]
    query = z_BxTxE @ params["query"].T
    key = seen_BxNxE @ params["key"].T
    value = seen_BxNxE @ params["value"].T
    scores = jnp.einsum("bte,bne->btn", query, key) / seen_BxNxE.shape[1]
    mixed = jnp.einsum("btn,bne->bte", scores, value)
    return z_BxTxE + mixed @ params["out"].T

  def loss(params, batch):
    z_BxTxE, label_B = batch
    prediction_B = -forward(params, z_BxTxE)[:, -1, -1]
    return 0.5 * jnp.mean((prediction_B - label_B) ** 2)

  @jax.jit
  def update(params, opt_state, batch):
    gradient = jax.grad(loss)(params, batch)
    updates, opt_state = optimizer.update(gradient, opt_state)
    return optax.apply_updates(params, updates), opt_state

  draw = jax.jit(jax.vmap(create))

  def initial(seed):
    del seed
    return jax.tree.map(jnp.asarray, problem.query_weights(sizes))

  def begin(params, seed):
    return params, optimizer.init(params), jax.random.key(seed)

  def advance(state, steps):
    params, opt_state, key = state
    for _ in range(steps):
      key, key_data = jax.random.split(key)
      batch = draw(jax.random.split(key_data, sizes.query_batch))
      params, opt_state = update(params, opt_state, batch)
    return jax.block_until_ready((params, opt_state, key))

  def check():
    arrays = map(jnp.asarray, problem.queries(sizes))
    return [float(loss(initial(0), jax.vmap(tokens)(*arrays)))]

  return Contender(check, begin, advance, lambda state: state[0], initial)


def _task(d: int, n: int, **fields) -> regression.LinearRegression:
  return regression.LinearRegression(jnp.eye(d), d=d, n=n, **fields)


def _query_optimizer(sizes: problem.Sizes) -> devices.Optimizer:
  return devices.Optimizer(optax.adam(sizes.learning_rate), clip=10.0)


def trained_by_the_loop(
  check, initial, source, objective, optimizer, sizes, seeds=1
) -> Contender:
  """A contender that trains through `loop`, on all devices there are.

  Args:
    check: see `Contender`.
    initial: see `Contender`.
    source: as of `loop.Phase`, of one seed; of one device's share of the batch.
    objective: as of `loop.Phase`.
    optimizer: how it is descended.
    sizes: of which `chunk` is used.
    seeds: equal models side by side, each with data of its own.
  """
  count = jax.device_count()
  if count > 1:
    shapes = jax.eval_shape(lambda: initial(0))
    split = devices.worth_splitting(shapes)
    source, rule = devices.Share(source), optimizer.shared(count, split)
    run = devices.compiled(objective, rule, sizes.chunk, shapes, split)
  else:
    rule = optimizer.whole()
    alone = chunks.compiled(objective, rule, sizes.chunk)
    run = lambda *args: alone(*args)[0]
  # The loop wants a leading axis of seeds.
  stacked = lambda tree: jax.tree.map(lambda a: jnp.stack([a] * seeds), tree)
  source = stacked(source)

  def begin(params, seed):
    state = loop.TrainState(
      params, rule.init(params), jnp.int32(0), objective.init_extra(params)
    )
    return stacked(state), jax.random.split(jax.random.key(seed), seeds)

  def advance(carry, steps):
    state, keys = carry
    for _ in range(steps // sizes.chunk):
      # Blocked on every time: host devices that share cores deadlock when many
      # calls are under way.
      state = jax.block_until_ready(run(source, state, keys))
    return state, keys

  def params(carry):
    return jax.tree.map(lambda a: a[0], carry[0].params)

  return Contender(check, begin, advance, params, initial)
