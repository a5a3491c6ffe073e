"""Loss against step, of any rule on any problem."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp

from raml_jax import base
from raml_jax.inner import loop as inner_loop
from raml_jax.inner import optimizers
from raml_jax.studies.learned_optimizer import problems

# A task whose value exceeds this many times its first counts as so much: one
# diverging task would otherwise decide the mean. The same for every rule, when
# it is tuned and when it is measured.
DIVERGED = 10.0


def one_task(
  rule: optimizers.InnerOptimizer,
  problem: problems.Problem,
  meta: base.PyTree,
  episode: base.Episode,
  steps: int,
) -> dict[str, base.Array]:
  """Every recorded value of every iterate, [steps + 1], not capped."""

  def loss(params):
    return problem.loss(params, episode.support)

  def values(params):
    return {name: f(params, episode) for name, f in problem.values.items()}

  def body(carry, _):
    carry = inner_loop.update(loss, rule, meta, *carry)
    return carry, values(carry[0])

  params = problem.start(episode)
  first = (params, rule.transform(meta).init(params))
  _, found = jax.lax.scan(body, first, length=steps)
  return jax.tree.map(
    lambda v, vs: jnp.concatenate([v[None], vs]), values(params), found
  )


def capped(value_BxT: base.Array) -> tuple[base.Array, base.Array]:
  """Values held below `DIVERGED` times the first, and where they were not."""
  limit_Bx1 = DIVERGED * value_BxT[:, :1]
  gone_BxT = ~(value_BxT < limit_Bx1)
  return jnp.where(gone_BxT, limit_Bx1, value_BxT), gone_BxT


@functools.partial(jax.jit, static_argnums=(0, 1, 4))
def measured(
  rule: optimizers.InnerOptimizer,
  problem: problems.Problem,
  meta_S: base.PyTree,
  episodes_SxB: base.Episode,
  steps: int,
) -> dict[str, base.Array]:
  """Of every seed: mean and median loss over tasks, and how many diverge.

  Returns:
    loss_SxT and median_SxT, T = steps + 1; gone_SxT: share of tasks whose loss
    is `DIVERGED` times the first or more.
  """

  def seed(meta, episodes):
    found = jax.vmap(lambda e: one_task(rule, problem, meta, e, steps))(
      episodes
    )
    loss_BxT, gone_BxT = capped(found["loss"])
    return {
      "loss_SxT": jnp.mean(loss_BxT, axis=0),
      "median_SxT": jnp.median(loss_BxT, axis=0),
      "gone_SxT": jnp.mean(gone_BxT, axis=0),
    }

  return jax.vmap(seed)(meta_S, episodes_SxB)


@functools.partial(jax.jit, static_argnums=(0, 1, 4))
def means(
  rule: optimizers.InnerOptimizer,
  problem: problems.Problem,
  meta_C: base.PyTree,
  episodes_B: base.Episode,
  steps: int,
) -> dict[str, base.Array]:
  """Means over the same tasks of every value, for C settings of a rule, CxT."""

  def setting(meta):
    found = jax.vmap(lambda e: one_task(rule, problem, meta, e, steps))(
      episodes_B
    )
    return {
      name: jnp.mean(capped(value_BxT)[0], axis=0)
      for name, value_BxT in found.items()
    }

  return jax.vmap(setting)(meta_C)
