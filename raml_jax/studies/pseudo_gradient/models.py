"""Who is measured: a decoder trained with scratchpads, and three without.

    trained      writes scratchpads, usual and wordy ones
    untrained    as training starts
    embeddings   untrained blocks between trained embeddings and read-out
    direct       trained on the same questions to answer without a trajectory,
                 at the very places where the trained one answers

All have the same parts; the two that are trained saw the same questions.
"""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from raml_jax import base
from raml_jax.config import arithmetic as arithmetic_config
from raml_jax.config import pseudo_gradient as config_lib
from raml_jax.models import gpt
from raml_jax.studies import decoders
from raml_jax.studies.pseudo_gradient import texts
from raml_jax.tasks import vocab
from raml_jax.tasks.arithmetic import formats
from raml_jax.tasks.arithmetic import writing
from raml_jax.tasks.arithmetic.families import family as family_lib
from raml_jax.theory.implicit import examples
from raml_jax.training import loop

WHO = ("trained", "untrained", "embeddings", "direct")
PHASES = ("cot", "direct")


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Rows:
  """What a decoder is trained on, as `supervised.objective` reads it.

  Attributes:
    tokens_BxT: padded at the end.
    role_BxT: of each.
    position_BxT: of each in the full text.
  """

  tokens_BxT: base.Array
  role_BxT: base.Array
  position_BxT: base.Array
  segment_BxT = None

  def visible(self) -> None:
    """Every token sees all before it."""

  def positions(self) -> base.Array:
    return self.position_BxT


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Source:
  """Batches from fixed tables, one part of a batch from each.

  Attributes:
    tables: of examples.
    sizes: examples of each in a batch.
  """

  tables: tuple[Rows, ...]
  sizes: tuple[int, ...] = dataclasses.field(metadata={"static": True})

  def batch(self, key: base.Array) -> tuple[Rows, ...]:
    keys = jax.random.split(key, len(self.sizes))
    return tuple(map(_drawn, keys, self.tables, self.sizes))


def _drawn(key, table, size):
  at_B = jax.random.randint(key, (size,), 0, len(table.tokens_BxT))
  return jax.tree.map(lambda leaf: leaf[at_B], table)


def phase(
  config: config_lib.PseudoGradient, model: gpt.Model, name: str
) -> loop.Phase:
  """The training of all seeds of "cot" or "direct"."""
  family = decoders.family(config.task, "train")
  key = loop.train_key(jax.random.key(config.seed), "table")
  asked = family_lib.distinct(family, key, config.table.questions)
  usual = [formats.write(one, "simplified") for one in asked]
  if name == "direct":
    fit, tables = config.direct, (_without_trajectory(usual),)
  else:
    wordy = [texts.wordy(one) for one in asked[: config.table.wordy]]
    fit, tables = config.cot, (_rows(usual), *([_rows(wordy)] if wordy else []))
  counts = np.array([len(table.tokens_BxT) for table in tables])
  sizes = np.maximum(1, np.round(fit.batch * counts / counts.sum()).astype(int))
  sizes[0] = fit.batch - sizes[1:].sum()
  tables = jax.tree.map(
    lambda leaf: jnp.broadcast_to(leaf, (config.seeds, *leaf.shape)), tables
  )
  return loop.Phase(
    name,
    model.init,
    _objective(model, fit),
    Source(tables, tuple(map(int, sizes))),
    decoders.optimizer(fit),
    fit.steps,
  )


def _objective(model: gpt.Model, fit: arithmetic_config.Fit) -> loop.Objective:
  """Next-token training on all parts of a batch, by their numbers."""
  one = decoders.objective(model, fit)

  def grads(params, extra, parts, key):
    found = [one.grads(params, extra, rows, key)[:2] for rows in parts]
    sizes = np.array([len(rows.tokens_BxT) for rows in parts])

    def mean(*leaves):
      pairs = zip(leaves, sizes / sizes.sum())
      return sum(float(share) * leaf for leaf, share in pairs)

    gradient, metrics = jax.tree.map(mean, *found)
    return gradient, metrics, extra

  return loop.Objective(one.init_extra, grads)


def _rows(written: Sequence[writing.Written]) -> Rows:
  """Whole texts."""
  length = max(len(one.text) for one in written)
  table = writing.stack(written, length)
  position_BxL = np.broadcast_to(
    np.arange(length, dtype=np.int32), table.tokens_L.shape
  )
  return Rows(
    jnp.asarray(table.tokens_L),
    jnp.asarray(table.role_L),
    jnp.asarray(position_BxL),
  )


def _without_trajectory(written: Sequence[writing.Written]) -> Rows:
  """Question, read-outs and the answer's last token, all where they stand."""
  whole = _rows(written)
  tokens_BxL, role_BxL = map(np.asarray, (whole.tokens_BxT, whole.role_BxT))
  kept = []
  for role_L in role_BxL:
    question = np.flatnonzero(role_L == vocab.Role.QUESTION)
    answer = np.flatnonzero(role_L == vocab.Role.ANSWER)
    kept.append(np.concatenate([question, answer[:1] - 1, answer]))
  width = max(map(len, kept))

  def take(values_BxL):
    rows = [values_L[at] for values_L, at in zip(values_BxL, kept)]
    return jnp.asarray(np.stack([vocab.pad(row, width) for row in rows]))

  position_BxL = np.asarray(whole.position_BxT)
  return Rows(take(tokens_BxL), take(role_BxL), take(position_BxL))


def everyone(
  config: config_lib.PseudoGradient,
  model: gpt.Model,
  trained_S: base.PyTree,
  direct_S: base.PyTree,
) -> dict[str, base.PyTree]:
  """Params by WHO, stacked over seeds."""
  key = loop.train_key(jax.random.key(config.seed), "untrained")
  untrained_S = jax.vmap(model.init)(jax.random.split(key, config.seeds))
  outside = {
    name: leaves
    for name, leaves in trained_S.items()
    if not name.startswith("layer_")
  }
  return {
    "trained": trained_S,
    "untrained": untrained_S,
    "embeddings": {**untrained_S, **outside},
    "direct": direct_S,
  }


def right(
  model: gpt.Model, params: base.PyTree, asked_B: examples.Example, count: int
) -> base.Array:
  """Whether all of the answer is the most probable one: right_B.

  Args:
    model: a decoder.
    params: of it.
    asked_B: a batch.
    count: tokens of the trajectory that are shown.
  """

  def one(asked):
    seen_LxL = examples.visible(asked, count)
    logits_BxLxV, _, _ = model.apply(
      params, asked.tokens_L[None], visible=seen_LxL[None]
    )
    said_R = jnp.argmax(logits_BxLxV[0, asked.reads_R], -1)
    return jnp.all((said_R == asked.targets_R) | (asked.reads_R < 0))

  return jax.vmap(one)(asked_B)
