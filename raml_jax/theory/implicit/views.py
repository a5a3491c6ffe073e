"""One example as the constructions and the gradients see it, whatever decoder.

The text has N = Q + R tokens where the trajectory is left out: Q of the
question, then R read-outs.
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses

from raml_jax import base
from raml_jax.models import blocks as blocks_lib

Blocks = tuple[blocks_lib.Activations, ...]


@dataclasses.dataclass(frozen=True)
class View:
  """One example of one decoder.

  Attributes:
    layers: blocks, each with parameters of its own.
    mlp: whether the blocks have an MLP.
    attention: name of the weighting, a key of `attend.WEIGHTS`.
    reads: R.
    valid_N: whether there is a token.
    seen_NxN: who sees whom where the trajectory is left out.
    with_context: `(params, count) -> activations of the read-outs` with the
      first `count` tokens of the trajectory in context.
    without_context: `(params, layers) -> (outputs_NxV, activations)` of the N
      tokens, by the first `layers` blocks alone and read out behind them.
    read: `(params, given) -> outputs_RxV`: the read-outs are computed under
      `params`, what the question says to them under `given`.
    loss: `(outputs_RxV) -> scalar`.
  """

  layers: int
  mlp: bool
  attention: str
  reads: int
  valid_N: base.Array
  seen_NxN: base.Array
  with_context: Callable[..., Blocks]
  without_context: Callable[..., tuple[base.Array, Blocks]]
  read: Callable[..., base.Array]
  loss: Callable[[base.Array], base.Array]
