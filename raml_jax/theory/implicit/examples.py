"""Who sees what: a question, its trajectory, and where the answer is read out.

The first read-out is the last token before the answer; each token of the answer
but its last is another (teacher forcing). What stands between the question and
the first read-out is the trajectory: it is hidden from the read-outs but for
its first i tokens. Nothing ever moves: positions are those of the full text.

    Input:/12+9/Target:/  A->1 , C->1/A->2 , C->0.  /  21 |
    question              trajectory                read-outs: "/", "2"
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from raml_jax import base
from raml_jax.models import gpt
from raml_jax.models import positions as positions_lib
from raml_jax.tasks import vocab


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Example:
  """One question; `vmap` adds batches. Places are -1 where there is none.

  Attributes:
    tokens_L: the full text, padded at the end.
    question_Q: places of the question's tokens, ascending.
    trajectory_T: places of the trajectory's tokens, ascending.
    reads_R: places of the read-outs, ascending.
    targets_R: what each read-out should say next.
    roles_T: `vocab.Role` of the trajectory's tokens, 0 where there is none.
    steps_T: the step that each belongs to, as in `base.Trajectory`.
  """

  tokens_L: base.Array
  question_Q: base.Array
  trajectory_T: base.Array
  reads_R: base.Array
  targets_R: base.Array
  roles_T: base.Array
  steps_T: base.Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Short:
  """The text without its trajectory, positions kept: N = Q + R tokens.

  Attributes:
    tokens_N: question, then read-outs.
    positions_N: for the model.
    visible_NxN: who may see whom, causality apart.
    valid_N: whether there is a token.
  """

  tokens_N: base.Array
  positions_N: base.Array
  visible_NxN: base.Array
  valid_N: base.Array


def examples(texts: base.Trajectory, reads: int | None = None) -> Example:
  """A batch of examples, as NumPy arrays.

  Args:
    texts: leaves BxL.
    reads: the most read-outs, from the first; None for the whole answer, 1 for
      its first token alone.

  Raises:
    ValueError: a text is not a question, then perhaps a trajectory, then an
      answer, or leaves no token for the first read-out behind its question.
  """
  tokens_BxL, role_BxL, step_BxL = (
    np.asarray(leaf) for leaf in (texts.tokens_L, texts.role_L, texts.step_L)
  )
  rows = [_places(role_L, b) for b, role_L in enumerate(role_BxL)]
  if reads is not None:
    rows = [(q, t, r[:reads]) for q, t, r in rows]
  question, trajectory, read = (_padded(column) for column in zip(*rows))
  take = np.take_along_axis
  return Example(
    tokens_BxL,
    question,
    trajectory,
    read,
    np.where(read < 0, vocab.PAD, take(tokens_BxL, read + 1, 1)),
    np.where(trajectory < 0, 0, take(role_BxL, trajectory, 1)),
    np.where(trajectory < 0, 0, take(step_BxL, trajectory, 1)),
  )


def _places(role_L, b):
  """(question, trajectory, read-outs) of one text."""
  question = np.flatnonzero(role_L == vocab.Role.QUESTION)
  answer = np.flatnonzero(role_L == vocab.Role.ANSWER)
  if not len(question) or not len(answer):
    raise ValueError(f"texts[{b}]: must have a question and an answer")
  first = answer[0] - 1
  between = np.arange(len(question), first)
  whole = len(question) + len(between) + 1 == answer[0]
  if (
    not whole
    or question[-1] != len(question) - 1
    or np.ptp(answer) >= len(answer)
  ):
    raise ValueError(
      f"texts[{b}]: must be a question, then a trajectory of one token or more,"
      " then an answer in one piece"
    )
  return question, between, answer - 1


def _padded(rows):
  length = max(len(row) for row in rows)
  return np.stack(
    [np.pad(row, (0, length - len(row)), constant_values=-1) for row in rows]
  ).astype(np.int32)


def token_prefixes(asked: Example) -> np.ndarray:
  """Every prefix, 0 to T tokens: prefix_P, for all examples of a batch.

  A trajectory of fewer tokens stays whole from its last one on.
  """
  return np.arange(asked.trajectory_T.shape[-1] + 1, dtype=np.int32)


def step_prefixes(asked: Example) -> np.ndarray:
  """The prefixes that end a step, none at all first: prefix_BxK+1.

  What is written before the first step ends with it. A trajectory of fewer
  steps stays whole from its last one on.

  Args:
    asked: a batch.
  """
  rows = []
  for place_T, step_T in zip(asked.trajectory_T, asked.steps_T):
    step_T = np.maximum(np.asarray(step_T)[np.asarray(place_T) >= 0], 1)
    ends = np.flatnonzero(np.diff(step_T, append=step_T[-1:] + 1)) + 1
    rows.append(np.concatenate([[0], ends]))
  length = max(len(row) for row in rows)
  rows = [np.pad(row, (0, length - len(row)), "edge") for row in rows]
  return np.stack(rows).astype(np.int32)


def visible(asked: Example, count) -> base.Array:
  """visible_LxL with the first `count` tokens of the trajectory in context.

  The read-outs, and whatever else stands behind the trajectory, see no more of
  it than these; question and trajectory see all that causality leaves them.
  """
  length, steps = asked.tokens_L.shape[0], asked.trajectory_T.shape[0]
  # Where there is none: outside, and dropped.
  place_T = jnp.where(asked.trajectory_T < 0, length, asked.trajectory_T)
  rank_L = jnp.full(length, -1).at[place_T].set(jnp.arange(steps), mode="drop")
  behind_L = jnp.arange(length) >= asked.reads_R[0]
  return ~(behind_L[:, None] & (rank_L >= count)[None])


def short(model: gpt.Model, asked: Example) -> Short:
  """Leaves the trajectory out. A hidden token is one left out."""
  place_N = jnp.concatenate([asked.question_Q, asked.reads_R])
  valid_N = place_N >= 0
  position_L = jnp.arange(asked.tokens_L.shape[0])
  if model.options.positions == "abacus":
    none_B = jnp.zeros(1, asked.tokens_L.dtype)
    position_L = positions_lib.digit_places(
      asked.tokens_L[None], none_B, model.options.radix
    )[0][0]
  return Short(
    jnp.where(valid_N, asked.tokens_L[place_N], vocab.PAD),
    jnp.where(valid_N, position_L[place_N], 0),
    # A token sees itself, or it would see nothing where there is none.
    valid_N[None] | jnp.eye(len(place_N), dtype=bool),
    valid_N,
  )


def answer_loss(logits_RxV: base.Array, asked: Example) -> base.Array:
  """Mean negative log-likelihood of the answer's tokens."""
  log_p_RxV = jax.nn.log_softmax(logits_RxV)
  log_p_R = jnp.take_along_axis(log_p_RxV, asked.targets_R[:, None], 1)[:, 0]
  valid_R = asked.reads_R >= 0
  return -jnp.sum(jnp.where(valid_R, log_p_R, 0.0)) / jnp.sum(valid_R)
