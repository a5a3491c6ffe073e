"""GPTs, as every contender has them: shapes, weights, data, operations.

NumPy alone, as `problem`. Weights are the tree of `models.gpt`; the peers sort
them into their own layout.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from raml_jax.studies.benchmark import problem

# The characters of nanoGPT's Shakespeare.
VOCABULARY = 65
# Tokens of the text that training reads windows of.
TEXT = 2**16
LAYER_NORM_EPSILON = 1e-6
# What PyTorch does, see `gpt_peers`.
TRAINING = ("eager", "compiled", "compiled whole")
SAMPLING = ("uncached", "uncached compiled", "cached", "cached compiled")


class Shape(NamedTuple):
  """A model, its batch, and how it is timed.

  Attributes:
    layers: L.
    width: C.
    heads: H.
    context: T, tokens per sequence.
    batch: B, sequences per step.
    chunk: training steps per compiled call.
    rounds: turns of every contender.
  """

  layers: int
  width: int
  heads: int
  context: int
  batch: int
  chunk: int
  rounds: int

  @property
  def name(self) -> str:
    """What the rows call it."""
    return (
      f"GPT {self.layers}L/{self.width}, T={self.context}, batch {self.batch}"
    )

  @property
  def tokens(self) -> int:
    """Per training step."""
    return self.batch * self.context


def shapes(sizes: problem.Sizes) -> list[Shape]:
  """Of the training steps; through JSON they were plain lists."""
  return [Shape(*fields) for fields in sizes.gpts]


def sampled(sizes: problem.Sizes) -> Shape:
  """The model that tokens are sampled from, its batch that of the prompts."""
  return Shape(*sizes.sampled_gpt)


def large(sizes: problem.Sizes) -> list[Shape]:
  """What a GPU trains in bfloat16."""
  return [Shape(*fields) for fields in sizes.gpu_gpts]


def weights(shape: Shape, seed: int) -> dict[str, Any]:
  """Initial weights, float32, the same in every framework."""
  rng = np.random.default_rng([seed, 7])
  c, h = shape.width, shape.heads

  def normal(*axes, scale=1.0):
    return (0.02 * scale * rng.standard_normal(axes)).astype(np.float32)

  def linear(rows, columns, scale=1.0):
    kernel = normal(*rows, *columns, scale=scale)
    return {"kernel": kernel, "bias": np.zeros(columns, np.float32)}

  def norm():
    return {"scale": np.ones(c, np.float32), "bias": np.zeros(c, np.float32)}

  def layer():
    # What adds to the stream starts smaller, as in nanoGPT.
    residual = (2 * shape.layers) ** -0.5
    parts = {k: linear((c,), (h, c // h)) for k in ("query", "key", "value")}
    parts["out"] = linear((h, c // h), (c,), residual)
    return {
      "attention_norm": norm(),
      "attention": parts,
      "mlp_norm": norm(),
      "up": linear((c,), (4 * c,)),
      "down": linear((4 * c,), (c,), residual),
    }

  return {
    "embed": {"embedding": normal(VOCABULARY, c)},
    "position": {"embedding": normal(shape.context, c)},
    **{f"layer_{l}": layer() for l in range(shape.layers)},
    "final_norm": norm(),
    "readout": {"kernel": normal(c, VOCABULARY)},
  }


def entries(tree: Any) -> list[float]:
  """All numbers of a tree of weights in one list, names in order."""
  flat = [np.ravel(a) for a in _leaves(tree)]
  return np.concatenate(flat).astype(float).tolist()


def _leaves(tree):
  if isinstance(tree, Mapping):
    return [leaf for name in sorted(tree) for leaf in _leaves(tree[name])]
  return [tree]


def text() -> np.ndarray:
  """What training reads: tokens drawn at random, int32."""
  rng = np.random.default_rng([0, 8])
  return rng.integers(0, VOCABULARY, TEXT).astype(np.int32)


def tokens(shape: Shape) -> np.ndarray:
  """A batch on which losses are compared: tokens_BxW, W = T + 1."""
  rng = np.random.default_rng([0, 9])
  axes = (shape.batch, shape.context + 1)
  return rng.integers(0, VOCABULARY, axes).astype(np.int32)


def prompts(sizes: problem.Sizes) -> np.ndarray:
  """What sampling continues: tokens_BxT. No token is 0, which is padding."""
  rng = np.random.default_rng([0, 10])
  axes = (sampled(sizes).batch, sizes.prompt)
  return rng.integers(1, VOCABULARY, axes).astype(np.int32)


def step_flops(shape: Shape) -> float:
  """Useful floating-point operations of one training step.

  Matrix products alone: every weight of a linear layer meets every token once
  forward and twice backward; a query meets the keys up to its own, (T + 1) / 2
  on average, in two products.
  """
  c = shape.width
  linear = shape.layers * 12 * c * c + c * VOCABULARY
  attention = shape.layers * 2 * c * (shape.context + 1) / 2
  return 3.0 * 2.0 * (linear + attention) * shape.tokens


def sampling_flops(sizes: problem.Sizes, new_tokens: int) -> float:
  """The same for one call of sampling, forward with a cache."""
  shape = sampled(sizes)
  c, length = shape.width, sizes.prompt + new_tokens - 1
  linear = shape.layers * 12 * c * c * length + c * VOCABULARY * new_tokens
  attention = shape.layers * 2 * c * length * (length + 1) / 2
  return 2.0 * (linear + attention) * shape.batch


def training(shape: Shape, name: str) -> str:
  """What a worker knows a training step by."""
  return f"{name}, {shape.name}"


def sampling(new_tokens: int, name: str) -> str:
  """What a worker knows a way of sampling by."""
  return f"{name}, {new_tokens} new tokens"


def seeds(count: int) -> str:
  """What `training` calls so many models side by side."""
  return f"{count} seed{'s' if count > 1 else ''}"
