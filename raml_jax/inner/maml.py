"""MAML on the linear learner f_w(x) = w . x, as a reasoner.

Finn, Abbeel, Levine 2017, eq. 1, with the start and the step sizes learned
(Meta-SGD and its relatives, `optimizers.TABLE`). Its trajectory is gradient
descent by construction: the rival that chains of thought are compared with.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp

from raml_jax import base
from raml_jax.inner import loop
from raml_jax.inner import optimizers
from raml_jax.tasks import regression


def init(
  optimizer: optimizers.InnerOptimizer,
  d: int,
  steps: int,
  key: base.Array,
) -> base.PyTree:
  """{"start": w_0 = 0, "meta": the rule's numbers, near their start}.

  A little noise, because with equal step sizes every order of them is alike
  and the outer gradient cannot tell them apart.
  """
  start_D = jnp.zeros(d)
  meta = optimizer.init(jax.random.fold_in(key, 0), start_D, steps)
  leaves, treedef = jax.tree.flatten(meta)
  keys = jax.random.split(key, len(leaves))
  leaves = [
    leaf * (1.0 + 0.1 * jax.random.normal(k, leaf.shape))
    for leaf, k in zip(leaves, keys, strict=True)
  ]
  return {"start": start_D, "meta": jax.tree.unflatten(treedef, leaves)}


@functools.cache
def reasoner(optimizer: optimizers.InnerOptimizer) -> base.Reasoner:
  """params = `init(...)`; the state is (support, w, optimizer state)."""

  def start(params, support):
    w_D = params["start"].astype(support.gram_ExE.dtype)
    opt_state = optimizer.transform(params["meta"]).init(w_D)
    return support, w_D, opt_state

  def step(params, state):
    support, w_D, opt_state = state
    loss = functools.partial(regression.loss, support=support)
    w_D, opt_state = loop.update(
      loss, optimizer, params["meta"], w_D, opt_state
    )
    return support, w_D, opt_state

  def read(state):
    return state[1]

  def replace(state, w_D):
    return state[0], w_D, state[2]

  return base.Reasoner(start, step, read, replace)
