"""MAML on written trajectories: true gradient steps on the reasoning.

The support set of a question is its trajectory, one inner step (or a few) on
the teacher-forced loss of each line, given the question and the lines before:
what fine-tuning on a trajectory means. With the unit "token" every token is a
line of its own. The query is the answer to the question alone: the read-outs,
the places where the answer is said, see no token of the trajectory, and
positions stay those of the full text.

    Input:/12+9/Target:/  A->1 , C->1/  A->2 , C->0.  /  21  |
    question              line 1        line 2        read-outs "/", "2", "1"

With lines in context instead of steps taken, the same functions measure a chain
of thought. Write for one question; `vmap` adds a batch, and with it parameters
of its own for every question.
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from raml_jax import base
from raml_jax.inner import loop as inner_loop
from raml_jax.inner import masks
from raml_jax.inner import optimizers
from raml_jax.models import gpt
from raml_jax.tasks import vocab
from raml_jax.tasks.arithmetic.families import family as family_lib
from raml_jax.training import loop

_END = int(vocab.encode(vocab.END)[0])
_PROBED = 4096
UNITS = ("line", "token")


class Layout(NamedTuple):
  """How long texts are, so that nothing is computed for nobody.

  Attributes:
    support: tokens up to the end of the trajectory.
    query: tokens of question and read-outs together.
    lines: of the longest trajectory.
    unit: what counts as a line, one of UNITS.
  """

  support: int
  query: int
  lines: int
  unit: str = "line"


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Text:
  """One question with its trajectory and answer.

  Attributes:
    tokens_L: the full text, padded at the end.
    line_L: k = 1..K for the trajectory's tokens, in its k-th line; 0 elsewhere.
      What opens the reasoning is of the first line, what closes it of the last.
    behind_L: the first read-out and whatever stands behind it.
    answer_L: the answer's tokens, the sign that ends it included.
  """

  tokens_L: base.Array
  line_L: base.Array
  behind_L: base.Array
  answer_L: base.Array


def text(written: base.Trajectory, unit: str = "line") -> Text:
  """Who is who in one written question, lines being those of `Layout.unit`."""
  tokens_L, role_L = jnp.asarray(written.tokens_L), written.role_L
  ends_L = (tokens_L == _END) & (role_L == vocab.Role.DELIMITER)
  answer_L = (role_L == vocab.Role.ANSWER) | ends_L
  place_L = jnp.arange(tokens_L.shape[0])
  behind_L = place_L >= jnp.argmax(answer_L) - 1
  lines = jnp.max(jnp.where(role_L == vocab.Role.STEP, written.step_L, 0))
  within_L = ~behind_L & (role_L != vocab.Role.QUESTION)
  line_L = jnp.clip(written.step_L, 1, lines)
  if unit == "token":
    line_L = jnp.cumsum(within_L)
  return Text(tokens_L, jnp.where(within_L, line_L, 0), behind_L, answer_L)


def layout(family: family_lib.Family, unit: str = "line") -> Layout:
  """Of the longest of many questions; a longer one gives NaN."""
  drawn = family.sample(jax.random.key(0), _PROBED)
  texts = jax.device_get(jax.vmap(lambda one: text(one, unit))(drawn))
  within_BxL = texts.line_L > 0
  place_L = np.arange(within_BxL.shape[1])
  return Layout(
    int(np.max(np.where(within_BxL, place_L, 0))) + 1,
    int(np.max(np.sum(~within_BxL & (texts.tokens_L != vocab.PAD), 1))),
    int(np.max(texts.line_L)),
    unit,
  )


def visible(one: Text, count) -> base.Array:
  """visible_LxL with the first `count` lines in context of the read-outs."""
  return ~(one.behind_L[:, None] & (one.line_L > count)[None])


def support_loss(
  model: gpt.Model, params: base.PyTree, one: Text, k, size: int
) -> base.Array:
  """Mean -log p of line k's tokens; 0 where the text has no such line.

  Args:
    model: a GPT.
    params: of it.
    one: the text.
    k: 1..K.
    size: `Layout.support`.
  """
  tokens_T, which_L = one.tokens_L[:size], one.line_L == k
  logits_BxTxV, _, _ = model.apply(params, tokens_T[None])
  loss_T = _losses(logits_BxTxV[0, :-1], tokens_T[1:])
  loss = _mean(loss_T, which_L[1:size])
  return jnp.where(jnp.any(which_L[size:]), jnp.nan, loss)


def seen(
  model: gpt.Model, params: base.PyTree, one: Text, count
) -> tuple[base.Array, gpt.Aux]:
  """(logits_LxV, activations with axis B = 1), `count` lines in context."""
  logits_BxLxV, aux, _ = model.apply(
    params, one.tokens_L[None], visible=visible(one, count)[None]
  )
  return logits_BxLxV[0], aux


def answer_loss(logits_LxV: base.Array, one: Text) -> base.Array:
  """Mean -log p of the answer's tokens."""
  return _mean(_losses(logits_LxV[:-1], one.tokens_L[1:]), one.answer_L[1:])


def answer_right(logits_LxV: base.Array, one: Text) -> base.Array:
  """Whether greedy decoding writes the answer and then ends."""
  same_L = jnp.argmax(logits_LxV[:-1], axis=1) == one.tokens_L[1:]
  return jnp.all(same_L | ~one.answer_L[1:])


def question_loss(
  model: gpt.Model, params: base.PyTree, one: Text, size: int
) -> base.Array:
  """The answer's loss without context, the trajectory left out altogether.

  The same number as by `seen` with no lines, at half the cost.

  Args:
    model: a GPT without abacus positions.
    params: of it.
    one: the text.
    size: `Layout.query`.
  """
  kept_L = (one.line_L == 0) & (one.tokens_L != vocab.PAD)
  # Where there are fewer, the last place, which is padding or the end.
  place_N = jnp.nonzero(kept_L, size=size, fill_value=-1)[0]
  logits_BxNxV, _, _ = model.apply(
    params,
    one.tokens_L[place_N][None],
    positions=jnp.maximum(place_N, 0)[None],
  )
  next_N = jnp.minimum(place_N + 1, len(one.tokens_L) - 1)
  which_N = one.answer_L[next_N] & (place_N >= 0)
  loss_N = _losses(logits_BxNxV[0], one.tokens_L[next_N])
  return jnp.where(jnp.sum(kept_L) > size, jnp.nan, _mean(loss_N, which_N))


def _losses(logits_TxV, targets_T):
  picked_T = jnp.take_along_axis(logits_TxV, targets_T[:, None], axis=1)[:, 0]
  return jax.nn.logsumexp(logits_TxV, axis=1) - picked_T


def _mean(loss_T, which_T):
  total = jnp.sum(jnp.where(which_T, loss_T, 0.0))
  return total / jnp.maximum(jnp.sum(which_T), 1)


@dataclasses.dataclass(frozen=True)
class Descent:
  """An inner loop down the lines of a trajectory.

  Attributes:
    model: a GPT.
    rule: of every line; its state begins anew with each, and so its numbers
      are learned for each line apart.
    layout: of the texts.
    repeats: inner steps on each line; 0 for no inner loop at all.
    moves: regular expression of the parameter paths that move; None: all.
    whole: from what is kept to the model's params (`low_rank.merge`).
    first_order: inner gradients count as constants in the outer one.
  """

  model: gpt.Model
  rule: optimizers.InnerOptimizer
  layout: Layout
  repeats: int = 1
  moves: str | None = None
  whole: Callable[[base.PyTree], base.PyTree] = lambda params: params
  first_order: bool = False

  def init(self, key: base.Array, start: base.PyTree) -> base.PyTree:
    """theta: {"start", "meta"}, the rule's numbers with a leading axis K."""
    moving, _ = masks.split(start, self._mask(start))
    meta = self.rule.init(key, moving, self.repeats)
    lines = self.layout.lines
    return {
      "start": start,
      "meta": jax.tree.map(lambda a: jnp.stack([a] * lines), meta),
    }

  def iterates(self, theta: base.PyTree, one: Text) -> base.PyTree:
    """The model's params after 1, 2, .. K lines, stacked."""
    moving, still = masks.split(theta["start"], self._mask(theta["start"]))

    def line(moving, at):
      k, meta = at

      def loss(moving):
        params = self.whole(masks.merge(moving, still))
        return support_loss(self.model, params, one, k, self.layout.support)

      moving, _ = inner_loop.descend(
        loss,
        moving,
        self.rule,
        meta,
        self.repeats,
        first_order=self.first_order,
      )
      return moving, self.whole(masks.merge(moving, still))

    k_K = jnp.arange(1, 1 + self.layout.lines)
    return jax.lax.scan(line, moving, (k_K, theta["meta"]))[1]

  def loss(self, theta: base.PyTree, one: Text) -> base.Array:
    """The answer's loss after all lines, none of them in context."""
    params = self.whole(theta["start"])
    if self.repeats:
      params = jax.tree.map(lambda a: a[-1], self.iterates(theta, one))
    return question_loss(self.model, params, one, self.layout.query)

  def _mask(self, start):
    if self.moves is None:
      return jax.tree.map(lambda _: True, start)
    return masks.matching(start, self.moves)


@functools.cache
def objective(descent: Descent) -> loop.Objective:
  """The meta-gradient, averaged over a batch of written questions."""

  def mean_loss(theta, batch):
    texts_B = jax.vmap(lambda one: text(one, descent.layout.unit))(batch)
    return jnp.mean(jax.vmap(descent.loss, (None, 0))(theta, texts_B))

  def grads(theta, extra, batch, key):
    del key
    loss, gradient = jax.value_and_grad(mean_loss)(theta, batch)
    return gradient, {"loss": loss}, extra

  return loop.Objective(init_extra=lambda theta: (), grads=grads)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Written:
  """`size` fresh questions per step, written on the device, steps and all."""

  family: family_lib.Family = dataclasses.field(metadata={"static": True})
  size: int = dataclasses.field(metadata={"static": True})

  def batch(self, key: base.Array) -> base.Trajectory:
    return self.family.sample(key, self.size)
