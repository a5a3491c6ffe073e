"""How a decoder over characters is told where a token stands.

Four schemes. learned: a table indexed by position. rotary: queries and keys are
turned by angles that grow with it (Su et al. 2021). none: nothing but causality
(Kazemnejad et al. 2023). abacus: a table indexed by the place of a digit within
its number, 1 for the first digit written and 0 for what is no digit (McLeish et
al. 2024); in training the places of a whole sequence start at a random one, so
that the places of numbers longer than those of training are trained too.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from raml_jax import base
from raml_jax.tasks import vocab

SCHEMES = ("learned", "rotary", "none", "abacus")


def digit_places(
  tokens_BxT: base.Array, run_B: base.Array, radix: int
) -> tuple[base.Array, base.Array]:
  """Places of digits within their numbers.

  Args:
    tokens_BxT: indices into the vocabulary.
    run_B: digits in a row just before these tokens.
    radix: digits there are; the first characters of `vocab.DIGITS`.

  Returns:
    (place_BxT, run_B after these tokens).
  """
  digit = tokens_BxT - vocab.FIRST_DIGIT
  t_1xT = jnp.arange(tokens_BxT.shape[1])[None]
  # The last token so far that is no digit, -1 - run where there was none.
  other = jnp.where((digit >= 0) & (digit < radix), -1 - run_B[:, None], t_1xT)
  place_BxT = t_1xT - jax.lax.cummax(other, axis=1)
  return place_BxT, place_BxT[:, -1]


def with_random_start(
  key: base.Array, place_BxT: base.Array, largest: int
) -> base.Array:
  """Every sequence's places, moved up by a number of its own.

  That number is uniform over those which leave the largest place of the
  sequence at `largest` or below. What is no digit stays at 0.
  """
  room_B = jnp.maximum(largest - place_BxT.max(1), 0)
  start_B = jax.random.randint(key, room_B.shape, 0, room_B + 1)
  return jnp.where(place_BxT > 0, place_BxT + start_B[:, None], 0)


def turned(x_BxHxTxA: base.Array, position_BxT: base.Array) -> base.Array:
  """Queries or keys turned by rotary angles, position / 10000^(2i / A).

  Entry i is paired with entry i + A / 2.
  """
  half = x_BxHxTxA.shape[-1] // 2
  dtype = jnp.promote_types(x_BxHxTxA.dtype, jnp.float32)
  frequency = 10000.0 ** (-jnp.arange(half, dtype=dtype) / half)
  angle = position_BxT[:, None, :, None].astype(dtype) * frequency.reshape(
    1, 1, 1, half
  )
  cos, sin = (f(angle).astype(x_BxHxTxA.dtype) for f in (jnp.cos, jnp.sin))
  a, b = x_BxHxTxA[..., :half], x_BxHxTxA[..., half:]
  return jnp.concatenate([a * cos - b * sin, a * sin + b * cos], axis=-1)
