"""What the benchmark runs: sizes, and the one problem all contenders check.

NumPy alone, so that a process may read it before it decides how to import JAX,
or without importing JAX at all.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np

# The fields of a `gpt_problem.Shape`.
Gpt = tuple[int, int, int, int, int, int, int]


@dataclasses.dataclass(frozen=True)
class Sizes:
  """Of the benchmark, with the settings that it is meant for.

  Attributes:
    d: input dimension.
    n: support pairs.
    steps: K, tokens under teacher forcing.
    batch: tasks per training step.
    eta: the teacher's step size.
    learning_rate: Adam's.
    init_scale: standard deviation of the initial V and W.
    more_pairs: other n, to see whether time grows with n.
    query_batch: tasks per step in von Oswald's setting.
    query_n: pairs and input dimension there.
    meta_batch: tasks per step of MAML on sinusoids.
    shots: support pairs of each, and query pairs.
    hidden: width of the two hidden layers.
    inner_steps: numbers of inner steps, a row each.
    inner_rate: their step size.
    outer_rate: Adam's, there.
    meta_chunk: training steps per compiled call, there.
    gpts: training steps, each the fields of a `gpt_problem.Shape`.
    gpt_learning_rate: AdamW's.
    weight_decay: AdamW's.
    sampled_gpt: the model that tokens are sampled from; its batch is that of
      the prompts.
    prompt: tokens of each.
    new_tokens: numbers of tokens to sample, a row each.
    gpu_gpts: large shapes that a GPU trains in bfloat16, a row each.
    gpu_kernel: of their attention, see `models.gpt.Options`.
    gpu_keep: what their forward pass keeps for the backward pass, which
      computes the rest again: "all", "products" or, as `gpt.Options.remat`,
      "streams".
    gpu_seeds: models of the first of `gpts` that a GPU trains side by side, a
      row each.
    rounds: turns of every contender.
    turn: seconds that one turn should take.
    seeds: initial weights from which the time to the target is taken.
    target: the error that counts as reached, over that of gradient descent.
    evaluate_every: training steps between looks at that error.
    most_steps: where to give up.
    evaluation_batch: tasks it is measured on.
    chunk: training steps per compiled call.
  """

  d: int = 10
  n: int = 20
  steps: int = 10
  batch: int = 1000
  eta: float = 0.4
  learning_rate: float = 0.01
  init_scale: float = 0.1
  more_pairs: tuple[int, ...] = (80, 320)
  query_batch: int = 2048
  query_n: int = 10
  meta_batch: int = 25
  shots: int = 10
  hidden: int = 40
  inner_steps: tuple[int, ...] = (1, 5)
  inner_rate: float = 0.01
  outer_rate: float = 1e-3
  meta_chunk: int = 100
  gpts: tuple[Gpt, ...] = (
    (4, 128, 4, 64, 12, 20, 12),
    (4, 128, 4, 64, 64, 3, 12),
    (6, 384, 6, 256, 16, 1, 6),
  )
  gpt_learning_rate: float = 1e-3
  weight_decay: float = 0.1
  sampled_gpt: Gpt = (4, 128, 4, 256, 128, 1, 4)
  prompt: int = 8
  new_tokens: tuple[int, ...] = (80, 5)
  gpu_gpts: tuple[Gpt, ...] = ((12, 2048, 16, 1024, 32, 4, 4),)
  gpu_kernel: str | None = "cudnn"
  gpu_keep: Literal["all", "products", "streams"] = "all"
  gpu_seeds: tuple[int, ...] = (16,)
  rounds: int = 12
  turn: float = 0.3
  seeds: int = 10
  target: float = 1.01
  evaluate_every: int = 20
  most_steps: int = 1500
  evaluation_batch: int = 4096
  chunk: int = 20


def weights(sizes: Sizes, seed: int) -> tuple[np.ndarray, np.ndarray]:
  """Initial (V_FxF, W_FxF), float32, the same in every framework."""
  f = 2 * sizes.d + 2
  rng = np.random.default_rng([seed, 1])
  draws = sizes.init_scale * rng.standard_normal((2, f, f))
  return tuple(draws.astype(np.float32))


def tasks(sizes: Sizes) -> tuple[np.ndarray, np.ndarray]:
  """A batch on which losses are compared: (x_BxNxD, w_BxD), float32."""
  rng = np.random.default_rng([0, 2])
  x_BxNxD = rng.standard_normal((sizes.batch, sizes.n, sizes.d))
  w_BxD = rng.standard_normal((sizes.batch, sizes.d))
  return x_BxNxD.astype(np.float32), w_BxD.astype(np.float32)


def queries(sizes: Sizes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """The same for von Oswald's setting: (x_BxNxD, w_BxD, query_BxD)."""
  rng = np.random.default_rng([0, 3])
  n, batch = sizes.query_n, sizes.query_batch
  x_BxNxD = rng.uniform(-0.5, 0.5, (batch, n, n))
  w_BxD = rng.standard_normal((batch, n))
  query_BxD = rng.uniform(-0.5, 0.5, (batch, n))
  return tuple(a.astype(np.float32) for a in (x_BxNxD, w_BxD, query_BxD))


def query_weights(sizes: Sizes) -> dict[str, np.ndarray]:
  """W_Q, W_K, W_V and P of one attention layer, each ExE, float32."""
  e = sizes.query_n + 1
  rng = np.random.default_rng([0, 4])
  draws = 0.3 * rng.standard_normal((4, e, e))
  return dict(zip(("query", "key", "value", "out"), draws.astype(np.float32)))


def step_flops(sizes: Sizes) -> float:
  """Useful floating-point operations of one teacher-forced training step.

  Products with the zeros of a token are not useful, nor is drawing numbers or
  updating the optimizer; the moments are counted as drawn by a factor of E
  columns. Forward and backward read the data (ExE) and, on average, (K + 1) / 2
  tokens twice; V and W meet every token twice and thrice.
  """
  d, k = sizes.d, sizes.steps
  e, f = d + 1, 2 * d + 2
  read = 2 * e * e + 2 * e * (k + 1)
  token = 2 * read + 3 * 2 * f * f + 2 * 2 * f * e
  teacher = 2 * d * e
  data = 2 * d * d * e + 2 * d * e + 2 * e * e * e
  return float(sizes.batch * (k * (token + teacher) + data))


def query_flops(sizes: Sizes) -> float:
  """The same for one step of von Oswald's setting, the last token alone."""
  d = sizes.query_n
  e = d + 1
  data = 2 * d * (d + 1) + 2 * d * e * e
  forward = 2 * e * d + 2 * e * e + 2 * e
  backward = 2 * e + 2 * e * e + 2 * e * d
  return float(sizes.query_batch * (data + forward + backward))
