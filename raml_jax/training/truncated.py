"""Training an update rule by truncated unrolls.

One inner problem of `length` steps is long to differentiate through: memory
grows with the steps, and so does the gradient. So it is cut into windows of
`unroll` steps. A step of training runs the rule through one window from where
the last one ended, descends the mean loss of the window's iterates, and leaves
iterates and hidden states behind for the next. After `length` steps the next
batch of tasks is taken up (Andrychowicz et al. 2016).

What one step of training hands to the next lives in `TrainState.extra`, which
is checkpointed like all else: a run that is killed in the middle of a problem
goes on in the middle of it.
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from raml_jax import base
from raml_jax.inner import loop as inner_loop
from raml_jax.inner import optimizers
from raml_jax.training import loop


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Problem:
  """The inner problems of one batch, half way.

  Attributes:
    support: what their losses are made of; leaves with a leading axis B.
    params: the iterates, leading axis B.
    opt_state: what the rule remembers of each, leading axis B.
    position: inner steps done, the same for all.
  """

  support: base.PyTree
  params: base.PyTree
  opt_state: base.PyTree
  position: base.Array


def objective(
  task: Any,
  rule: optimizers.InnerOptimizer,
  loss: Callable[..., base.Array],
  start: Callable[[base.Episode], base.PyTree],
  *,
  batch: int,
  unroll: int = 20,
  length: int = 100,
) -> loop.Objective:
  """The mean loss of the `unroll` iterates of one window, over B tasks.

  The params that it trains are the rule's `meta`. Its source gives a batch of
  fresh episodes for every step; they are taken up when the problems have come
  to their end, at every (length / unroll)th step.

  Args:
    task: like the source's; only for the shapes of its episodes.
    rule: what is trained.
    loss: `(params, support) -> scalar`, of one task.
    start: `(episode) -> params`: where the inner loop starts.
    batch: B, the source's number of episodes.
    unroll: inner steps that are differentiated through.
    length: inner steps of a whole problem, a multiple of `unroll`.

  Raises:
    ValueError: `length` is no positive multiple of `unroll`.
  """
  if unroll < 1 or length < unroll or length % unroll:
    raise ValueError(
      f"length: {length} must be a positive multiple of unroll={unroll}"
    )

  def begin(meta, episodes):
    params = jax.vmap(start)(episodes)
    opt_state = jax.vmap(rule.transform(meta).init)(params)
    return Problem(episodes.support, params, opt_state, jnp.int32(0))

  def init_extra(meta):
    # Nothing has been drawn yet: blanks that count as problems at their end.
    shapes = jax.eval_shape(
      lambda: begin(meta, task.sample(jax.random.key(0), batch))
    )
    blank = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
    return dataclasses.replace(blank, position=jnp.int32(length))

  def window(meta, problem):
    def one(support, params, opt_state):
      def of_task(params):
        return loss(params, support)

      def step(carry, _):
        carry = inner_loop.update(of_task, rule, meta, *carry)
        return carry, of_task(carry[0])

      return jax.lax.scan(step, (params, opt_state), length=unroll)

    carry, losses_BxT = jax.vmap(one)(
      problem.support, problem.params, problem.opt_state
    )
    after = Problem(problem.support, *carry, problem.position + unroll)
    return jnp.mean(losses_BxT), (after, losses_BxT)

  def grads(meta, problem, episodes, key):
    del key
    over = problem.position >= length
    problem = jax.tree.map(
      lambda new, old: jnp.where(over, new, old),
      begin(meta, episodes),
      problem,
    )
    (value, (after, losses_BxT)), gradient = jax.value_and_grad(
      window, has_aux=True
    )(meta, problem)
    bad_BxT = ~jnp.isfinite(losses_BxT)
    bad_B = jnp.any(bad_BxT, axis=1)
    task_, any_ = jnp.argmax(bad_B), jnp.any(bad_B)
    step = problem.position + 1 + jnp.argmax(bad_BxT[task_])
    metrics = {
      "loss": value,
      "where/task": jnp.where(any_, task_, -1),
      "where/inner step": jnp.where(any_, step, -1),
    }
    return gradient, metrics, after

  return loop.Objective(init_extra, grads)
