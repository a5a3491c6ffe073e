"""Meta-learning as an objective of the one training loop."""

from __future__ import annotations

import functools

from raml_jax.inner import learner as learner_lib
from raml_jax.training import loop


@functools.cache
def objective(
  learner: learner_lib.Learner, microbatch: int | None = None
) -> loop.Objective:
  """The meta-gradient of a learner; its params are the learner's theta.

  Args:
    learner: what is trained.
    microbatch: tasks at once, see `Learner.grads`.

  Returns:
    An objective whose batch has the fields `support` and `query`, every leaf
    with a leading axis of tasks (`base.Episode`).
  """

  def grads(theta, extra, batch, key):
    tasks = batch.support, batch.query
    gradient, metrics = learner.grads(theta, tasks, key, microbatch)
    return gradient, metrics, extra

  return loop.Objective(init_extra=lambda theta: (), grads=grads)
