"""Models, texts and paths that the tests of theory.implicit share."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from raml_jax import base
from raml_jax.models import gpt
from raml_jax.tasks import vocab
from raml_jax.theory.implicit import exactness
from raml_jax.theory.implicit import examples
from raml_jax.theory.implicit import paths
from tests.models import gpt_oracle

# Question, trajectory (opening, two steps, closing) and answer.
TEXTS = (
  ("12+9=", "", ("2+9=11,", "1+1=2"), "/", "21"),
  ("7-4=", "<", ("7-4=3:",), "/", "3"),
)


def trajectories(texts=TEXTS) -> base.Trajectory:
  """These texts as a batch, padded."""
  role, rows = vocab.Role, []
  for question, opening, steps, closing, answer in texts:
    pieces = [(question, role.QUESTION, 0), (opening, role.DELIMITER, 0)]
    pieces += [(step, role.STEP, 1 + k) for k, step in enumerate(steps)]
    last = len(steps) + 1
    pieces += [
      (closing, role.DELIMITER, last),
      (answer, role.ANSWER, last),
      (vocab.END, role.DELIMITER, last),
    ]
    text = "".join(piece for piece, _, _ in pieces)
    sizes = [len(piece) for piece, _, _ in pieces]
    rows.append(
      (
        vocab.encode(text),
        np.repeat([int(r) for _, r, _ in pieces], sizes),
        np.repeat([k for _, _, k in pieces], sizes),
      )
    )
  length = max(len(row[0]) for row in rows)
  columns = zip(*rows)
  return base.Trajectory(
    *(np.stack([vocab.pad(x, length) for x in column]) for column in columns)
  )


def asked(reads=None) -> examples.Example:
  """A batch of two examples."""
  found = examples.examples(trajectories(), reads)
  return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.int32), found)


def first(batch):
  """The first example of a batch."""
  return jax.tree.map(lambda leaf: leaf[0], batch)


def make(**options) -> gpt.Model:
  small = {"layers": 2, "heads": 2, "width": 32, "mlp": 2, "context": 32}
  return gpt.gpt(gpt.Options(**{**small, **options}))


def drawn(model, kind, dtype):
  """Parameters as at the start of training, or none of them small."""
  if kind == "random":
    return gpt_oracle.random_params(model, dtype=dtype)
  init = gpt_oracle.quick(model.init)(jax.random.key(1))
  return jax.tree.map(lambda leaf: leaf.astype(dtype), init)


@functools.cache
def _program(model, reads, form):
  batch = asked(reads)
  prefix_P = jnp.asarray(examples.token_prefixes(batch))

  def one(params, example):
    path = paths.path(model, params, example, prefix_P, form)
    return path, exactness.errors(model, params, example, prefix_P, path)

  return gpt_oracle.quick(jax.vmap(one, (None, 0))), batch


def built(model, params, reads, form):
  """(path, errors), both with axes B and P, every prefix."""
  program, batch = _program(model, reads, form)
  return program(params, batch)
