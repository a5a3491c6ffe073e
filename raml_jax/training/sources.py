"""Where batches come from: drawn on the device, from a key.

Those that are read or written on the host are in `host_sources`.
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses

import jax
import jax.numpy as jnp

from raml_jax import base
from raml_jax.tasks import regression
from raml_jax.tasks.arithmetic.families import family as family_lib
from raml_jax.training import packing as packing_lib


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


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Written:
  """`size` fresh examples per step, written on the device.

  Attributes:
    family: of questions, `on_device`.
    size: examples per batch, however many go into a row.
    packing: how they do.
  """

  family: family_lib.Family = dataclasses.field(metadata={"static": True})
  size: int = dataclasses.field(metadata={"static": True})
  packing: packing_lib.Packing = dataclasses.field(metadata={"static": True})

  def batch(self, key: base.Array) -> packing_lib.Rows:
    return self.packing.rows(self.family.sample(key, self.size))


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Crops:
  """Random windows of a fixed stream of examples, one after the other.

  As nanoGPT reads a text: an example may begin or end outside of the window,
  and a token sees all before it, other examples included. No padding.

  Attributes:
    tokens_T: the stream; as long as the longest of all seeds.
    role_T: `vocab.Role` of each token.
    count: tokens of this stream, the rest is padding.
    size: windows per batch.
    width: tokens per window, at most `count`.
  """

  tokens_T: base.Array
  role_T: base.Array
  count: base.Array
  size: int = dataclasses.field(metadata={"static": True})
  width: int = dataclasses.field(metadata={"static": True})

  def batch(self, key: base.Array) -> packing_lib.Rows:
    last = self.count - self.width
    start_B = jax.random.randint(key, (self.size,), 0, last + 1)
    return _windows(self, start_B)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Openings:
  """Windows of such a stream that begin where an example does.

  Attributes:
    tokens_T: the stream, with at least `width` tokens of padding.
    role_T: `vocab.Role` of each token.
    start_E: where each example does; as many as the most of all streams.
    count: examples of this stream, the rest is padding.
    size: windows per batch.
    width: tokens per window.
  """

  tokens_T: base.Array
  role_T: base.Array
  start_E: base.Array
  count: base.Array
  size: int = dataclasses.field(metadata={"static": True})
  width: int = dataclasses.field(metadata={"static": True})

  def batch(self, key: base.Array) -> packing_lib.Rows:
    example_B = jax.random.randint(key, (self.size,), 0, self.count)
    return _windows(self, self.start_E[example_B])


def _windows(stream, start_B) -> packing_lib.Rows:
  at_BxW = start_B[:, None] + jnp.arange(stream.width)[None]
  return packing_lib.Rows(
    stream.tokens_T[at_BxW].astype(jnp.int32),
    stream.role_T[at_BxW].astype(jnp.int32),
  )
