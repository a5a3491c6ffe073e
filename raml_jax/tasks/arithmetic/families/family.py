"""What the families of questions share: format, base, split, context."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
import dataclasses
import functools
import itertools
import math

import jax
import jax.numpy as jnp

from raml_jax import base as nouns
from raml_jax.tasks.arithmetic import formats
from raml_jax.tasks.arithmetic import questions
from raml_jax.tasks.arithmetic import splits
from raml_jax.tasks.arithmetic import writing
from raml_jax.tasks.arithmetic.device import slots

# Families with fewer questions than this are searched for one in their split.
_FEW = 4096
# Rounds of `distinct` that may pass without a new question.
_PATIENCE = 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class Family:
  """A distribution of questions and a way to write them.

  Attributes:
    format: one of `formats.FORMATS`.
    base: of the numerals, 2 to 36.
    split: one of `splits.SPLITS`; "all" asks any question.
    lead: text in front of every question.
    length: tokens per example, padding included; 0 for as many as the longest
      takes.
  """

  format: str = "plain"
  base: int = 10
  split: str = "train"
  lead: str = ""
  length: int = 0

  def __post_init__(self):
    formats.check_format(self.format)
    questions.check_base(self.base)
    splits.check_split(self.split)
    self.check()
    if not _some_inside(self.split, self.pools()):
      raise ValueError(
        f"split = {self.split!r}: none of the questions of {self} is in it"
      )
    if self.length and self.length < self.longest():
      raise ValueError(
        f"length = {self.length}: must be at least {self.longest()}, which the"
        f" longest question of {self} takes with its trajectory and answer"
      )

  @property
  def context(self) -> int:
    """Tokens per example, padding included."""
    return self.length or self.longest()

  @property
  def on_device(self) -> bool:
    """Whether `sample` can be traced; else it runs on the host."""
    return False

  def check(self) -> None:
    """Raises ValueError if a field of the family's own cannot be."""
    raise NotImplementedError

  def pools(self) -> Iterable[tuple[int, int, int]]:
    """(l, h, c): c numbers below h, the largest at least l; one per kind."""
    raise NotImplementedError

  def longest(self) -> int:
    """Tokens of the longest example, or a few more."""
    raise NotImplementedError

  def questions(self, key: nouns.Array, batch: int) -> list[questions.Question]:
    """The questions that `sample` writes for the same key, on the host."""
    raise NotImplementedError

  def sample(self, key: nouns.Array, batch: int) -> nouns.Trajectory:
    """Draws `batch` examples; every leaf is B x context.

    Raises:
      ValueError: in a traced function, unless `on_device`.
    """
    if self.on_device:
      return _sample_on_device(self, key, batch)
    if isinstance(key, jax.core.Tracer):
      raise ValueError(
        f"{self}: is written on the host, and cannot be sampled in a traced"
        " function"
      )
    return self.write(self.questions(key, batch))

  def write(self, asked: Sequence[questions.Question]) -> nouns.Trajectory:
    """Writes given questions on the host; every leaf is B x context."""
    texts = [formats.write(one, self.format, lead=self.lead) for one in asked]
    return writing.stack(texts, self.context)

  def _host_length(self, question: questions.Question) -> int:
    """Tokens of one example."""
    return len(formats.write(question, self.format, lead=self.lead).text)


def distinct(
  family: Family, key: nouns.Array, count: int
) -> list[questions.Question]:
  """Draws `count` different questions, always the same for a key.

  Raises:
    ValueError: the family does not seem to have so many.
  """
  found = {}
  idle = 0
  for i in itertools.count():
    before = len(found)
    for one in family.questions(jax.random.fold_in(key, i), max(count, 64)):
      found.setdefault(one.text, one)
    if len(found) >= count:
      return list(found.values())[:count]
    idle = idle + 1 if len(found) == before else 0
    if idle == _PATIENCE:
      raise ValueError(
        f"count = {count}: only {before} different questions of {family} were"
        " found"
      )


@functools.partial(jax.jit, static_argnames=("asked", "batch"))
def operands(asked: Family, key: nouns.Array, batch: int):
  """The operands that a family on the device draws, in one program."""
  return asked.operands(key, batch)


# Compiled as a whole, also where nobody else compiles: one by one, its many
# small operations would be compiled for a quarter of a minute.
@functools.partial(jax.jit, static_argnames=("asked", "batch"))
def _sample_on_device(asked: Family, key: nouns.Array, batch: int):
  places = asked.places(*asked.operands(key, batch))
  return slots.compact(places, asked.context)


@functools.cache
def longest(asked: Family, *operands: jax.ShapeDtypeStruct) -> int:
  """Sums up the places without computing what stands there."""
  found = []

  def trace(*operands):
    found.extend(places.longest for places in asked.places(*operands))

  jax.eval_shape(trace, *operands)
  return sum(found)


def check_at_least(name: str, value: int, least: int) -> None:
  """Raises ValueError if a field is too small."""
  if value < least:
    raise ValueError(f"{name} = {value}: must be at least {least}")


def draw_inside(
  split: str,
  key: nouns.Array,
  draw: Callable[[nouns.Array], nouns.PyTree],
  words: Callable[[nouns.PyTree], nouns.Array],
) -> nouns.PyTree:
  """Draws again whatever is outside a split, until nothing is.

  Args:
    split: one of `splits.SPLITS`.
    key: of all draws.
    draw: from a key, arrays whose last axis is B.
    words: from these, the numbers of each question modulo 2^32: words_KxB.
  """
  if split == "all":
    return draw(key)

  def again(state):
    i, drawn, inside_B = state
    fresh = draw(jax.random.fold_in(key, i))

    def chosen(old, new):
      keep_B = inside_B.reshape((1,) * (old.ndim - 1) + inside_B.shape)
      return jnp.where(keep_B, old, new)

    drawn = jax.tree.map(chosen, drawn, fresh)
    return i + 1, drawn, splits.contains_on_device(split, words(drawn))

  # Nothing is drawn before the loop: half the program to compile.
  shapes = jax.eval_shape(draw, key)
  nothing = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), shapes)
  batch = jax.tree.leaves(shapes)[0].shape[-1]
  start = jnp.int32(0), nothing, jnp.zeros(batch, bool)
  unfinished = lambda state: ~jnp.all(state[2])
  return jax.lax.while_loop(unfinished, again, start)[1]


def _some_inside(split: str, pools: Iterable[tuple[int, int, int]]) -> bool:
  for low, high, count in pools:
    if math.comb(high + count - 1, count) > _FEW:
      return True
    every = itertools.combinations_with_replacement(range(high), count)
    if any(max(some) >= low and splits.contains(split, some) for some in every):
      return True
  return False
