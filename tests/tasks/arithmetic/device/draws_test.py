"""Operands have the law that is asked for."""

import itertools

import jax
import numpy as np
import pytest
from scipy import stats

from raml_jax.tasks.arithmetic.device import draws

BATCH = 20_000
# Fixed keys: a right sampler fails no test, a wrong one fails for good.
P_VALUE = 1e-3
_columns = jax.jit(draws.columns, static_argnums=(1, 2, 3, 4, 5))


def _draw(symbol, radix, weights, balance="carries"):
  """(x, y, digits of the longer, carries) of each pair drawn."""
  x_NxB, y_NxB = _columns(
    jax.random.key(0), BATCH, symbol, radix, weights, balance
  )
  powers = radix ** np.arange(len(weights))
  x, y = powers @ np.asarray(x_NxB), powers @ np.asarray(y_NxB)
  return x, y, *_described(x, y, symbol, radix, len(weights))


def _described(x, y, symbol, radix, most):
  """Digits and carries, from whole numbers and not from columns."""
  digits = 1 + sum((np.maximum(x, y) >= radix**n) for n in range(1, most))
  carries = np.zeros_like(x)
  for n in range(1, most + 1):
    low_x, low_y = x % radix**n, y % radix**n
    there = (low_x + low_y >= radix**n) if symbol == "+" else (low_x < low_y)
    carries += there & (n <= digits)
  return digits, carries


def _p_value(observed, expected):
  return stats.chisquare(observed, np.sum(observed) * np.array(expected)).pvalue


@pytest.mark.parametrize("symbol", "+-")
def test_lengths_have_their_weights_and_carries_are_balanced(symbol):
  _, _, digits, carries = _draw(symbol, 10, (1.0, 2.0, 5.0))
  counts = np.bincount(digits, minlength=4)[1:]
  assert _p_value(counts, [1 / 8, 2 / 8, 5 / 8]) > P_VALUE
  for n in (1, 2, 3):
    counts = np.bincount(carries[digits == n], minlength=n + 1)
    assert _p_value(counts, np.full(n + 1, 1 / (n + 1))) > P_VALUE


@pytest.mark.parametrize("symbol, radix", [("+", 3), ("-", 3), ("+", 2)])
def test_all_pairs_of_the_same_digits_and_carries_are_alike(symbol, radix):
  x, y, digits, carries = _draw(symbol, radix, (1.0, 1.0))
  every = np.array(list(itertools.product(range(radix**2), repeat=2))).T
  cells = np.stack(_described(*every, symbol, radix, 2))
  for cell in np.unique(cells, axis=1).T:
    here = (digits == cell[0]) & (carries == cell[1])
    pairs = every[:, (cells == cell[:, None]).all(axis=0)]
    drawn = x[here] * radix**2 + y[here]
    counts = [np.sum(drawn == a * radix**2 + b) for a, b in pairs.T]
    assert np.sum(counts) == len(drawn)
    if len(counts) > 1:
      assert _p_value(counts, np.full(len(counts), 1 / len(counts))) > P_VALUE


@pytest.mark.parametrize("symbol", "+*")
def test_without_balance_all_pairs_of_so_many_digits_are_alike(symbol):
  x, y, _, _ = _draw(symbol, 4, (0.0, 1.0), "none")
  pairs = [(a, b) for a in range(16) for b in range(16) if max(a, b) > 3]
  counts = [np.sum((x == a) & (y == b)) for a, b in pairs]
  assert np.sum(counts) == BATCH
  assert _p_value(counts, np.full(len(pairs), 1 / len(pairs))) > P_VALUE


@pytest.mark.parametrize("radix", [2, 3])
def test_balanced_by_lengths_short_operands_are_as_frequent_as_long(radix):
  x, y, *_ = _draw("+", radix, (1.0, 2.0), "lengths")
  # One digit in both; two and one, one and two; two in both.
  shares = {(1, 1): 1 / 3, (2, 1): 1 / 6, (1, 2): 1 / 6, (2, 2): 1 / 3}
  counts, expected = [], []
  for a, b in itertools.product(range(radix**2), repeat=2):
    alike = [
      (radix if n == 1 else radix**2 - radix) for n in _lengths(a, b, radix)
    ]
    counts.append(np.sum((x == a) & (y == b)))
    expected.append(shares[_lengths(a, b, radix)] / np.prod(alike))
  assert _p_value(counts, expected) > P_VALUE


def _lengths(a, b, radix):
  return tuple(len(np.base_repr(number, radix)) for number in (a, b))


def test_forty_digits_stay_in_range():
  x_NxB, _ = _columns(
    jax.random.key(1), 50, "+", 10, (0.0,) * 39 + (1.0,), "carries"
  )
  assert np.asarray(x_NxB).shape == (40, 50)
  assert set(np.unique(x_NxB)) == set(range(10))


def test_chains_are_uniform_in_length_terms_and_signs():
  drawn = jax.jit(draws.terms, static_argnums=(1, 2, 3, 4))(
    jax.random.key(2), BATCH, 2, 4, 5
  )
  terms, sign, count = map(np.asarray, drawn)
  assert _p_value(np.bincount(count)[2:], np.full(3, 1 / 3)) > P_VALUE
  here = np.arange(4)[:, None] < count
  assert not terms[~here].any() and (sign[~here] == 1).all()
  assert (sign[0] == 1).all()
  assert _p_value(np.bincount(terms[here]), np.full(5, 1 / 5)) > P_VALUE
  signs = sign[1:][here[1:]]
  assert _p_value([np.sum(signs > 0), np.sum(signs < 0)], [0.5, 0.5]) > P_VALUE


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
