"""Where batches come from: drawn on the device, from a key."""

from __future__ import annotations

from collections.abc import Callable
import dataclasses

import jax

from raml_jax import base
from raml_jax.tasks import regression


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Episodes:
  """`batch` fresh episodes per step."""

  task: regression.LinearRegression
  size: int = dataclasses.field(metadata={"static": True})

  def batch(self, key: base.Array) -> base.Episode:
    return self.task.sample(key, self.size)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Taught:
  """Fresh episodes with the path a teacher takes through each.

  Attributes:
    task: the family of tasks.
    meta: the teacher's numbers.
    teacher: one of `teachers`.
    steps: K, tokens the teacher writes.
    size: episodes per batch.
  """

  task: regression.LinearRegression
  meta: base.PyTree
  teacher: Callable = dataclasses.field(metadata={"static": True})
  steps: int = dataclasses.field(metadata={"static": True})
  size: int = dataclasses.field(metadata={"static": True})

  def batch(self, key: base.Array) -> tuple[base.Episode, base.Array]:
    episodes = self.task.sample(key, self.size)

    def path(episode):
      return self.teacher(self.meta, episode, self.steps)

    return episodes, jax.vmap(path)(episodes)
