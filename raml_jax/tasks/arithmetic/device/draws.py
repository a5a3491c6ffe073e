"""Draws operands, balanced by digits and carries, on the device.

Lee et al. (2023) balance their additions: so many of each length, and of those
the same number with 0, 1, 2, ... carries. Here the number of digits n comes
from given weights, the number of carries k is uniform over those there can be,
and given both every pair of operands is equally likely. For this let

    W[n, i, c, k] = ways to fill columns i..n-1 of n when c comes into column i
                    and k of them carry
                  = sum over c' of pairs(c, c') W[n, i + 1, c', k - c'];

column i then carries with probability pairs(c, 1) W[n, i+1, 1, k-1] / W[n, i,
c, k], and its two digits are uniform over the pairs(c, c') that do. The number
of digits is that of the longer operand. For a subtraction, carries are borrows.

Few of these pairs have a short second operand: of those with three digits and
no more, 90 % have three in both. Balanced by lengths instead, the shorter of
two operands has 1..n digits, each as often, and digits are uniform.
"""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from raml_jax import base

BALANCES = ("carries", "lengths", "none")


@dataclasses.dataclass(frozen=True)
class _Tables:
  """The law of the columns, N columns at most, P = base^2 pairs of digits.

  Attributes:
    length_N: cumulated probability of n = 1..N digits.
    carries_MxM: of 0..N carries for each n = 0..N, cumulated; M = N + 1.
    carry_NxMx2xM: P(column i carries | i, n, c, k).
    count_K: how many pairs of digits there are of each kind: 4 if a carry comes
      in, + 2 if one goes out, + 1 if the column is the highest of several (and
      so not 0 in both operands).
    pair_KxP: these pairs, as x * base + y.
  """

  length_N: np.ndarray
  carries_MxM: np.ndarray
  carry_NxMx2xM: np.ndarray
  count_K: np.ndarray
  pair_KxP: np.ndarray


def columns(
  key: base.Array,
  batch: int,
  symbol: str,
  radix: int,
  weights: tuple[float, ...],
  balance: str,
) -> tuple[base.Array, base.Array]:
  """Draws the digits x_NxB and y_NxB of B pairs, the lowest first.

  Args:
    key: of all draws.
    batch: B.
    symbol: "+" or "-"; for "*" there are no carries.
    radix: the base.
    weights: of 1..N digits.
    balance: "carries", "lengths", or "none" for all pairs of n digits alike.
  """
  if balance == "lengths":
    return _of_lengths(key, batch, radix, weights)
  tables = _tables(symbol, radix, weights, balance)
  digits = len(weights)
  u_UxB = jax.random.uniform(key, (2 + 2 * digits, batch), jnp.float32)
  length_B = 1 + _below(tables.length_N[:-1, None], u_UxB[0])
  carries_MxB = jnp.asarray(tables.carries_MxM, jnp.float32).T[:, length_B]
  left_B = _below(carries_MxB[:-1], u_UxB[1])

  def column(state, inputs):
    carry_B, left_B = state
    i, carry_Mx2xM, u_B, v_B = inputs
    here_B = i < length_B
    next_B = here_B & (u_B < carry_Mx2xM[length_B, carry_B, left_B])
    next_B = next_B.astype(jnp.int32)
    highest_B = ((i == length_B - 1) & (i > 0)).astype(jnp.int32)
    kind_B = 4 * carry_B + 2 * next_B + highest_B
    count_B = jnp.asarray(tables.count_K, jnp.float32)[kind_B]
    pair_B = jnp.asarray(tables.pair_KxP)[
      kind_B, (v_B * count_B).astype(jnp.int32)
    ]
    pair_B = jnp.where(here_B, pair_B, 0)
    return (next_B, left_B - next_B), pair_B

  carry_NxMx2xM = jnp.asarray(tables.carry_NxMx2xM, jnp.float32)
  inputs = jnp.arange(digits), carry_NxMx2xM, u_UxB[2::2], u_UxB[3::2]
  start = jnp.zeros(batch, jnp.int32), left_B
  _, pair_NxB = jax.lax.scan(column, start, inputs)
  divisor = jnp.int32(radix)
  return jax.lax.div(pair_NxB, divisor), jax.lax.rem(pair_NxB, divisor)


def _of_lengths(key, batch, radix, weights):
  """`columns`, balanced by the lengths of both operands."""
  digits = len(weights)
  u_UxB = jax.random.uniform(key, (3 + 2 * digits, batch), jnp.float32)
  edges_N = np.cumsum(weights) / np.sum(weights)
  longer_B = 1 + _below(edges_N[:-1, None], u_UxB[0])
  shorter_B = 1 + (u_UxB[1] * longer_B).astype(jnp.int32)
  swapped_B = u_UxB[2] < 0.5
  column_Nx1 = jnp.arange(digits)[:, None]

  def operand(u_NxB, length_B):
    # The highest of several digits is not 0.
    length_1xB = length_B[None]
    least_NxB = (column_Nx1 == length_1xB - 1) & (length_1xB > 1)
    least_NxB = least_NxB.astype(jnp.int32)
    digit_NxB = least_NxB + (u_NxB * (radix - least_NxB)).astype(jnp.int32)
    return jnp.where(column_Nx1 < length_1xB, digit_NxB, 0)

  lengths = longer_B, shorter_B
  x_B, y_B = (jnp.where(swapped_B, *pair) for pair in (lengths[::-1], lengths))
  return operand(u_UxB[3::2], x_B), operand(u_UxB[4::2], y_B)


def terms(
  key: base.Array, batch: int, shortest: int, longest: int, modulus: int
) -> tuple[base.Array, base.Array, base.Array]:
  """Draws chains: (terms_TxB, sign_TxB, count_B), all uniform.

  The first sign is +1; terms from count_B on are 0 with the sign +1.
  """
  key_term, key_sign, key_count = jax.random.split(key, 3)
  shape = longest, batch
  count_B = jax.random.randint(
    key_count, batch, shortest, longest + 1, jnp.int32
  )
  terms_TxB = jax.random.randint(key_term, shape, 0, modulus, jnp.int32)
  minus_TxB = jax.random.bits(key_sign, shape, jnp.uint32) & 1
  sign_TxB = 1 - 2 * minus_TxB.astype(jnp.int32)
  t_Tx1 = np.arange(longest)[:, None]
  here_TxB = t_Tx1 < count_B[None]
  signed_TxB = here_TxB & (t_Tx1 > 0)
  return (
    jnp.where(here_TxB, terms_TxB, 0),
    jnp.where(signed_TxB, sign_TxB, 1),
    count_B,
  )


def words(digits_NxB: base.Array, radix: int) -> base.Array:
  """The numbers with these digits, modulo 2^32: value_B, uint32."""
  value_B = jnp.zeros_like(digits_NxB[0], jnp.uint32)
  for digit_B in digits_NxB[::-1]:
    value_B = value_B * jnp.uint32(radix) + digit_B.astype(jnp.uint32)
  return value_B


def _below(edges_ExB, u_B) -> base.Array:
  """How many of the edges are at or below u."""
  below_ExB = jnp.asarray(edges_ExB, jnp.float32) <= u_B[None]
  return jnp.sum(below_ExB, axis=0, dtype=jnp.int32)


@functools.cache
def _tables(symbol, radix, weights, balance) -> _Tables:
  pairs = _pairs(symbol, radix)
  count = np.vectorize(len)(pairs)
  digits = len(weights)
  # Divided by base^2 per column, so that many columns stay in range.
  share = count / radix**2
  ways = np.zeros((digits + 1, digits + 1, 2, digits + 1))
  carry = np.zeros((digits, digits + 1, 2, digits + 1))
  for n in range(1, digits + 1):
    ways[n, n, :, 0] = 1
    for i in reversed(range(n)):
      highest = int(i == n - 1 and i > 0)
      for c in range(2):
        stays = share[c, 0, highest] * ways[n, i + 1, 0]
        # The last entry, of more carries than columns, is 0 and comes round.
        goes = share[c, 1, highest] * np.roll(ways[n, i + 1, 1], 1)
        ways[n, i, c] = stays + goes
        carry[i, n, c] = goes / np.maximum(stays + goes, np.finfo(float).tiny)
  law = ways[:, 0, 0]
  if balance == "carries":
    law = (law > 0).astype(float)
  law[0, 0] = 1  # There are no questions of 0 digits.
  law = law / law.sum(axis=1, keepdims=True)
  length = np.cumsum(weights) / np.sum(weights)
  pair = np.zeros((8, radix**2), np.int32)
  for kind, some in enumerate(pairs.reshape(-1)):
    pair[kind, : len(some)] = some
  return _Tables(length, np.cumsum(law, axis=1), carry, count.reshape(-1), pair)


def _pairs(symbol, radix) -> np.ndarray:
  """Lists of pairs by carry in, carry out and highest: an array of lists."""
  found = np.empty((2, 2, 2), object)
  for kind in np.ndindex(2, 2, 2):
    found[kind] = []
  for carry in range(2):
    for x in range(radix):
      for y in range(radix):
        after = {
          "+": x + y + carry >= radix,
          "-": x - y - carry < 0,
          "*": False,
        }[symbol]
        found[carry, int(after), 0].append(x * radix + y)
        if x or y:
          found[carry, int(after), 1].append(x * radix + y)
  return found
