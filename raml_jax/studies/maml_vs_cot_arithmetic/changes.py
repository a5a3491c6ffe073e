"""Changes of parameters: what context implies beside what inner steps do.

For one model theta and one question: theta'_k, which computes without the
trajectory what theta computes with k lines in context (`theory.implicit`, the
question left untouched, the whole answer), and theta_k, k lines descended from
theta. Both in one basis, so that they can be compared as they are.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from raml_jax import base
from raml_jax.config import maml_vs_cot_arithmetic as config_lib
from raml_jax.models import matrices
from raml_jax.studies.maml_vs_cot_arithmetic import arms
from raml_jax.studies.maml_vs_cot_arithmetic import texts
from raml_jax.tasks import vocab
from raml_jax.theory import alignment
from raml_jax.theory import subspaces
from raml_jax.theory.implicit import examples
from raml_jax.theory.implicit import paths
from raml_jax.theory.implicit import updates
from raml_jax.training import sequences

# Whose inner steps the implied change is compared with.
KINDS = ("own", "other", "random")
# Arms whose inner loop moves what implied changes move.
ARMS = ("cot", "second_order", "first_order", "untrained")
# Spaces of a change of W_1 and W_2: what it reads and what it writes.
SPACES = ("W_1 reads", "W_1 writes", "W_2 reads", "W_2 writes")
_FORM = "preserving"
_AT_ONCE = 20


class Found(NamedTuple):
  """Of one question; J kinds of trajectory, K lines, N blocks, R read-outs.

  Attributes:
    cosine_JxKxN: of both changes of W_1 and W_2 together, after each line.
    line_JxKxN: the same of what each line adds.
    size_JxKxN: norm of the change by inner steps over that of the implied one.
    angles_IxKxNx4xR: cosines of principal angles between the `SPACES` of the
      implied change and those, of the same dimension, along which the other is
      largest; I = J + 1, spaces drawn at random last.
    off: logits of the read-outs under theta'_K against those in context, the
      largest difference over the largest logit.
  """

  cosine_JxKxN: base.Array
  line_JxKxN: base.Array
  size_JxKxN: base.Array
  angles_IxKxNx4xR: base.Array
  off: base.Array


def asked_examples(written: base.Trajectory) -> examples.Example:
  """The sign that ends an answer counts as its last token."""
  ends_BxL = written.tokens_L == vocab.encode(vocab.END)[0]
  ends_BxL &= written.role_L == vocab.Role.DELIMITER
  role_BxL = np.where(ends_BxL, int(vocab.Role.ANSWER), written.role_L)
  return examples.examples(dataclasses.replace(written, role_L=role_BxL))


def found(
  descent: sequences.Descent,
  theta: base.PyTree,
  asked: examples.Example,
  tried_J: sequences.Text,
  key: base.Array,
) -> Found:
  """One question.

  Args:
    descent: of the model itself, all of its matrices.
    theta: start and step sizes.
    asked: the question with its own trajectory.
    tried_J: its texts, by KINDS.
    key: for the spaces drawn at random.
  """
  model, start = descent.model, descent.whole(theta["start"])
  own = jax.tree.map(lambda a: a[0], tried_J)
  k_K = jnp.arange(1, 1 + descent.layout.lines)
  within_KxL = (own.line_L > 0)[None] & (own.line_L[None] <= k_K[:, None])
  path = paths.path(model, start, asked, jnp.sum(within_KxL, 1), _FORM)
  implied = [_pair(updates.dense(update)) for update in path]
  inner = jax.vmap(lambda one: _moves(descent, theta, start, one))(tried_J)
  # Axes J, K, then those of the matrix.
  both = jax.vmap(jax.vmap(_moments), (None, 0))
  sums = [both(u, v) for u, v in zip(implied, inner)]
  lines = [both(_steps(u, 0), _steps(v, 1)) for u, v in zip(implied, inner)]
  last = jax.tree.map(lambda leaf: leaf[-1], path)
  return Found(
    jnp.stack([_cosine(m) for m in sums], -1),
    jnp.stack([_cosine(m) for m in lines], -1),
    jnp.stack([jnp.sqrt(m.slope / m.update) for m in sums], -1),
    jnp.stack([_angles(*uv, key) for uv in zip(path, inner)], 2),
    _off(model, start, updates.moved(start, last), own, len(k_K)),
  )


def _pair(block: matrices.Matrices):
  return block.w_1_CxM, block.w_2_MxC


def _moves(descent, theta, start, one):
  """What inner steps add to W_1 and W_2 of every block after 1..K lines."""
  moved_K = descent.iterates(theta, one)
  now = jax.vmap(matrices.blocks)(moved_K)
  return [
    jax.tree.map(lambda a, b: a - b[None], _pair(one), _pair(two))
    for one, two in zip(now, matrices.blocks(start))
  ]


def _moments(implied, inner):
  # `alignment` takes gradients, of which updates are the negatives.
  return alignment.moments(implied, jax.tree.map(jnp.negative, inner))


def _cosine(m: alignment.Moments):
  return m.both / jnp.sqrt(m.update * m.slope)


def _steps(change, axis):
  """What each line adds."""

  def one(a):
    first = jax.lax.slice_in_dim(a, 0, 1, axis=axis)
    return jnp.concatenate([first, jnp.diff(a, axis=axis)], axis)

  return jax.tree.map(one, change)


def _angles(update: updates.Update, inner, key):
  """cosines_IxKx4xR of one block."""
  factors = (update.w_1, update.w_2)
  spaces_4 = [
    rows_KxRxD
    for f in factors
    for rows_KxRxD in (jnp.swapaxes(f.left_IxK, -1, -2), f.right_KxJ)
  ]
  rank = spaces_4[0].shape[-2]
  many = jax.vmap(jax.vmap(lambda w: subspaces.leading(w, rank)))
  leading_4 = [rows_JxKxRxD for w in inner for rows_JxKxRxD in many(w)]
  out = []
  for i, (one_KxRxD, two_JxKxRxD) in enumerate(zip(spaces_4, leading_4)):
    drawn_1xKxRxD = jax.random.normal(
      jax.random.fold_in(key, i), (1, *one_KxRxD.shape)
    )
    two_IxKxRxD = jnp.concatenate([two_JxKxRxD, drawn_1xKxRxD])
    angles = jax.vmap(jax.vmap(subspaces.cosines), (None, 0))
    out.append(angles(one_KxRxD, two_IxKxRxD))
  return jnp.stack(out, 2)


def _off(model, start, moved, own, lines):
  wanted_LxV, _ = sequences.seen(model, start, own, lines)
  got_LxV, _ = sequences.seen(model, moved, own, 0)
  reads_Lx1 = jnp.roll(own.answer_L, -1)[:, None]
  off = jnp.max(jnp.where(reads_Lx1, jnp.abs(got_LxV - wanted_LxV), 0.0))
  return off / jnp.max(jnp.where(reads_Lx1, jnp.abs(wanted_LxV), 0.0))


@functools.partial(jax.jit, static_argnums=0)
def _measure(descent, theta_S, asked_B, tried_BxJ, keys_B):
  def seed(theta):
    def one(at):
      return found(descent, theta, *at)

    return jax.lax.map(one, (asked_B, tried_BxJ, keys_B), batch_size=_AT_ONCE)

  return jax.lax.map(seed, theta_S)


def measured(
  config: config_lib.Arithmetic,
  name: str,
  theta_S: base.PyTree,
  repeats: int,
  asked: texts.Asked,
) -> dict[str, np.ndarray]:
  """Means over questions of `Found`, with an axis S; off_SxB of each."""
  count = config.measure.update_questions
  written = jax.tree.map(lambda a: a[:count], asked.written["own"])
  tried_BxJ = jax.tree.map(
    lambda *leaves: np.stack(leaves, 1),
    *(asked.first(kind, count) for kind in KINDS),
  )
  keys_B = jax.random.split(jax.random.key(config.seed), count)
  out = _measure(
    arms.tested(config, name, repeats),
    theta_S,
    asked_examples(written),
    tried_BxJ,
    keys_B,
  )
  fields = {field: np.asarray(a) for field, a in out._asdict().items()}
  off_SxB = fields.pop("off")
  # A mean is that of the questions where both changes are some.
  means = {
    field.replace("_", "_Sx", 1): np.nanmean(a, axis=1, dtype=np.float64)
    for field, a in fields.items()
  }
  return {**means, "off_SxB": off_SxB}
