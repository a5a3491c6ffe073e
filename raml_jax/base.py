"""The nouns of the project. No logic lives here.

Axis letters used in names throughout: S training seeds, B tasks, N support
pairs, M query pairs, D input dimension, E = D + 1 (an input and its label),
F = 2D + 2 (a whole token of the weight-token prompt), T tokens, K steps,
L characters of a written trajectory, padding included.
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
from typing import Any

import jax

Array = jax.Array
PyTree = Any


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Pairs:
  """Labelled inputs.

  Attributes:
    x_NxD: inputs.
    y_N: labels.
  """

  x_NxD: Array
  y_N: Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Spectrum:
  """Eigendecomposition of S = X X^T / n.

  Attributes:
    values_D: ascending.
    vectors_DxD: in columns.
  """

  values_D: Array
  vectors_DxD: Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Support:
  """The data a question shows: all that a linear learner can know of it.

  Attributes:
    gram_ExE: (1/n) sum_i (x_i, y_i)(x_i, y_i)^T, the second moments. Its blocks
      are S = X X^T / n, the vector X y / n and the scalar y^T y / n.
    n: number of pairs, as a float scalar.
    pairs: the pairs themselves, or None when the moments were drawn directly.
    spectrum: of S, where something needs it (`regression.with_spectrum`).
  """

  gram_ExE: Array
  n: Array
  pairs: Pairs | None = None
  spectrum: Spectrum | None = None


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Episode:
  """One task; `vmap` adds batches.

  Attributes:
    support: what the reasoner is shown.
    query: held-out inputs and labels, or None.
    latent_D: the true weights w*. For oracles, losses and metrics only.
  """

  support: Support
  query: Pairs | None
  latent_D: Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Trajectory:
  """One written question with its reasoning and answer; `vmap` adds batches.

  The tokens with step_L <= k that are not padding are a prefix: the question
  and its first k steps.

  Attributes:
    tokens_L: indices into the vocabulary (`tasks.vocab`), padded at the end.
    role_L: what each token is for (`tasks.vocab.Role`).
    step_L: 0 up to the first step, k = 1..K in step k, K + 1 from the end of
      the last step on; 0 in the padding.
  """

  tokens_L: Array
  role_L: Array
  step_L: Array


@dataclasses.dataclass(frozen=True)
class Model:
  """A pair of pure functions, as in optax, and the absorption of a prompt.

  Attributes:
    init: `(key) -> params`, a plain nested dict.
    prefill: `(params, support) -> cache`: the prompt, read once. For linear
      attention the cache is a Gram matrix per layer, for a softmax decoder the
      keys and values.
    apply: `(params, tokens_TxF, cache) -> (outputs_TxF, cache)`: causal within
      the tokens given; output t is the model's own token t + 1.
  """

  init: Callable[..., PyTree]
  prefill: Callable[..., PyTree]
  apply: Callable[..., tuple[Array, PyTree]]


@dataclasses.dataclass(frozen=True)
class Reasoner:
  """Anything that walks from a start towards an answer, one step at a time.

  Trained models, hand-set constructions, MAML and every rival rule implement
  it, so that one measurement serves all. Write for one episode; `vmap` the
  rest.

  Attributes:
    start: `(params, support) -> state`, holding w_0.
    step: `(params, state) -> state`, one reasoning step.
    read: `(state) -> w_D`, the current iterate.
    replace: `(state, w_D) -> state`, an intervention: the current iterate
      becomes another vector; history and everything else stay.
  """

  start: Callable[..., PyTree]
  step: Callable[..., PyTree]
  read: Callable[[PyTree], Array]
  replace: Callable[[PyTree, Array], PyTree]
