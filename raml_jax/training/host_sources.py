"""Where batches come from: read or written on the host, a chunk at a time.

    records = tfds.data_source("addition/simplified_3", split="train", ...)
    table = host_sources.in_memory(records)
    source = host_sources.Ahead(host_sources.Stored(table, batch=128, seeds=3))
    source.chunk(first=200, count=100).tokens_L       # 3 x 100 x 128 x L

`chunk(first, count)` is steps `first` to `first + count - 1` of every training
seed. What it returns depends on these two numbers and the source's own fields
alone, so a resumed run needs to know its step and nothing else.

Each of several processes gives the rows of every batch that are its own: those
of all processes, one after another, are the batch of a single process.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent import futures
import dataclasses
import functools
from typing import Any, Protocol

import jax
import numpy as np

from raml_jax import base
from raml_jax.tasks import vocab
from raml_jax.tasks.arithmetic import questions
from raml_jax.tasks.arithmetic import variants as variants_lib
from raml_jax.tasks.arithmetic import writing
from raml_jax.tasks.arithmetic.families import family as family_lib

_FEATURES = ("tokens", "role", "step")
_ORDER, _VARIANT = 0, 1
# Questions tried before a family counts as one without the variant.
_ATTEMPTS = 100


class Source(Protocol):
  """What the training loop asks of a source on the host."""

  def chunk(self, first: int, count: int) -> base.PyTree:
    """Leaves with leading axes of seeds, steps and rows, on the host."""


@dataclasses.dataclass(frozen=True, eq=False)
class Table:
  """Examples by index.

  Attributes:
    records: a TFDS data source, or decoded examples in a `base.Trajectory`
      with a leading axis.
    length: tokens that every example is padded to.
  """

  records: Any
  length: int

  def __len__(self) -> int:
    held = isinstance(self.records, base.Trajectory)
    return len(self.records.tokens_L if held else self.records)

  def take(self, index: np.ndarray) -> base.Trajectory:
    """Examples number `index`; its axes lead."""
    if isinstance(self.records, base.Trajectory):
      return jax.tree.map(lambda leaf: leaf[index], self.records)
    # An example that a chunk has twice is read once.
    unique_U, where = np.unique(index, return_inverse=True)
    read_U = self.records.__getitems__(unique_U.tolist())
    columns = ([one[name] for one in read_U] for name in _FEATURES)
    rows_U = base.Trajectory(*(_padded(c, self.length) for c in columns))
    where = where.reshape(index.shape)
    return jax.tree.map(lambda leaf: leaf[where], rows_U)


def on_disk(records: Sequence[Any], length: int) -> Table:
  """Reads examples when they are asked for.

  Args:
    records: a TFDS data source of `tasks.datasets`.
    length: tokens to pad to, at least those of the longest example.
  """
  return Table(records, length)


def in_memory(records: Sequence[Any], length: int = 0) -> Table:
  """Reads all examples now: 12 bytes per token of memory, a fast `take`.

  Args:
    records: as for `on_disk`.
    length: tokens to pad to; 0 for those of the longest example.

  Raises:
    ValueError: an example is longer.
  """
  read = records.__getitems__(range(len(records)))
  length = length or max(len(one["tokens"]) for one in read)
  columns = ([one[name] for one in read] for name in _FEATURES)
  return Table(base.Trajectory(*(_padded(c, length) for c in columns)), length)


@dataclasses.dataclass(frozen=True, eq=False)
class Stored:
  """Batches of stored examples, each epoch in a new order for every seed.

  A batch may hold the end of one epoch and the start of the next, so that each
  epoch has every example exactly once.

  Attributes:
    table: of `in_memory` or `on_disk`.
    batch: examples per batch, over all processes.
    seeds: training seeds.
    seed: of all orders.
    process: which process this is.
    processes: how many there are.
  """

  table: Table
  batch: int
  seeds: int
  seed: int = 0
  process: int = 0
  processes: int = 1

  def __post_init__(self):
    _check(self)
    if not len(self.table):
      raise ValueError("table: must hold at least one example")

  def chunk(self, first: int, count: int) -> base.Trajectory:
    """Leaves are S x count x rows x L."""
    step_C = first + np.arange(count)
    position_CxR = step_C[:, None] * self.batch + _own_rows(self)
    epoch_CxR, place_CxR = np.divmod(position_CxR, len(self.table))
    index_SxCxR = np.empty((self.seeds, *position_CxR.shape), np.int64)
    for s in range(self.seeds):
      for epoch in np.unique(epoch_CxR):
        here = epoch_CxR == epoch
        order = _order(self.seed, s, int(epoch), len(self.table))
        index_SxCxR[s][here] = order[place_CxR[here]]
    return self.table.take(index_SxCxR)


@dataclasses.dataclass(frozen=True, eq=False)
class Written:
  """Batches of fresh questions, written on the host.

  For what `training.sources` cannot write on the device: products, expressions
  and the variants of a trajectory.

  Attributes:
    family: of the questions. Where there are variants, its `length` must leave
      room for the longest.
    batch: examples per batch, over all processes.
    seeds: training seeds.
    seed: of all draws.
    variants: of `variants.VARIANTS`; every example is one of them, drawn at
      random. A question without that variant is drawn again.
    process: which process this is.
    processes: how many there are.
  """

  family: family_lib.Family
  batch: int
  seeds: int
  seed: int = 0
  variants: tuple[str, ...] = ("correct",)
  process: int = 0
  processes: int = 1

  def __post_init__(self):
    _check(self)
    for variant in self.variants or ("",):
      if variant not in variants_lib.VARIANTS:
        names = ", ".join(variants_lib.VARIANTS)
        raise ValueError(f"variants = {self.variants}: must be some of {names}")

  def chunk(self, first: int, count: int) -> base.Trajectory:
    """Leaves are S x count x rows x L."""
    every = [
      self._batch(s, step)
      for s in range(self.seeds)
      for step in range(first, first + count)
    ]

    def stacked(*leaves):
      return np.stack(leaves).reshape(self.seeds, count, *leaves[0].shape)

    return jax.tree.map(stacked, *every)

  def _batch(self, s: int, step: int) -> base.Trajectory:
    asked = functools.cache(functools.partial(self._questions, s, step))
    own = _own_rows(self)
    if self.variants == ("correct",):
      return self.family.write([asked(0)[row] for row in own])
    many = []
    for row in own:
      rng = np.random.default_rng([_VARIANT, self.seed, s, step, int(row)])
      variant = self.variants[rng.integers(len(self.variants))]
      candidates = (asked(attempt)[row] for attempt in range(_ATTEMPTS))
      many.append(_vary(candidates, self.family, variant, rng))
    return writing.stack(many, self.family.context)

  def _questions(
    self, s: int, step: int, attempt: int
  ) -> list[questions.Question]:
    key = jax.random.key(self.seed)
    for number in (s, step, attempt):
      key = jax.random.fold_in(key, number)
    return self.family.questions(key, self.batch)


class Ahead:
  """Prepares the next chunk while the device is at work on this one.

  It returns exactly what the source returns.
  """

  def __init__(self, source: Source, steps: int | None = None):
    """Prepares nothing yet.

    Args:
      source: that is read ahead.
      steps: where training ends: nothing beyond is prepared.
    """
    self._source = source
    self._steps = steps
    self._pool = futures.ThreadPoolExecutor(1, "ahead")
    self._next = None, None

  def chunk(self, first: int, count: int) -> base.PyTree:
    """As the source's; an error of its thread is raised when it is asked."""
    wanted, future = self._next
    self._next = None, None
    if wanted == (first, count):
      found = future.result()
    else:
      found = self._source.chunk(first, count)
    end = first + count
    if self._steps is not None:
      count = min(count, self._steps - end)
    if count > 0:
      future = self._pool.submit(self._source.chunk, end, count)
      self._next = (end, count), future
    return found


def _vary(candidates, family, variant, rng):
  """The variant of the first question that has it."""
  for question in candidates:
    try:
      return variants_lib.vary(
        question, family.format, variant, rng, lead=family.lead
      )
    except ValueError as error:
      refused = error
  raise refused


@functools.lru_cache(maxsize=64)
def _order(seed: int, s: int, epoch: int, size: int) -> np.ndarray:
  """The order of one epoch: a permutation of 0..size-1."""
  # From raw words: NumPy keeps their stream, unlike that of `permutation`, the
  # same in all its versions.
  words = np.random.PCG64([_ORDER, seed, s, epoch]).random_raw(size)
  return np.argsort(words, kind="stable")


def _own_rows(source: Stored | Written) -> np.ndarray:
  each = source.batch // source.processes
  return source.process * each + np.arange(each)


def _padded(values: list[np.ndarray], length: int) -> np.ndarray:
  return np.stack([vocab.pad(one.astype(np.int32), length) for one in values])


def _check(source: Stored | Written) -> None:
  for name in ("batch", "seeds", "processes"):
    family_lib.check_at_least(name, getattr(source, name), 1)
  family_lib.check_at_least("seed", source.seed, 0)
  if not 0 <= source.process < source.processes:
    raise ValueError(
      f"process = {source.process}: must be 0 to {source.processes - 1}"
    )
  if source.batch % source.processes:
    raise ValueError(
      f"batch = {source.batch}: must be a multiple of processes ="
      f" {source.processes}"
    )
