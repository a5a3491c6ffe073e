"""What is needed to learn, and what bounds let one conclude."""

import itertools

import numpy as np
import pytest

from raml_jax.studies.formats import needed as needed_lib

INF = np.inf


def test_a_curve_linear_in_the_logarithm_is_crossed_where_algebra_says():
  """a + b log2 n = .99 at n = 2^((.99 - a) / b), whatever the sizes."""
  sizes = np.array([100.0, 300.0, 700.0, 2000.0])
  slope = np.array([0.11, 0.13])
  right_SxN = 0.05 + slope[:, None] * (np.log2(sizes) - np.log2(80))
  found = needed_lib.needed(right_SxN, np.tile(sizes, (2, 1)), 0.4)
  expected = np.log2(80) + 0.35 / slope
  np.testing.assert_allclose(found.low_S, expected, rtol=1e-12)
  np.testing.assert_allclose(found.high_S, expected, rtol=1e-12)


def test_the_ends_of_the_sizes_give_bounds_and_no_value():
  right_SxN = np.array([[0.1, 0.5, 0.98], [1.0, 0.2, 1.0], [0.2, 0.99, 0.5]])
  found = needed_lib.needed(right_SxN, np.tile([8, 16, 64], (3, 1)), 0.99)
  np.testing.assert_array_equal(found.low_S, [6, -INF, 4])
  np.testing.assert_array_equal(found.high_S, [INF, 3, 4])


_BOUNDS = [(2.0, 2.0), (3.0, 3.0), (4.0, INF), (-INF, 1.0), (3.5, 3.5)]


@pytest.mark.parametrize(
  ("slow", "fast"), list(itertools.product(_BOUNDS, repeat=2))
)
def test_the_ratio_is_the_allowed_one_nearest_to_none(slow, fast):
  """Against a search over a grid of all values that the bounds allow."""
  grid = np.arange(-40, 45, 0.5)

  def allowed(bounds):
    return grid[(grid >= bounds[0]) & (grid <= bounds[1])]

  ratios = allowed(slow)[:, None] - allowed(fast)[None]
  expected = ratios.flat[np.argmin(np.abs(ratios))]
  value_S, told_S = needed_lib.log_ratio(
    *(
      needed_lib.Needed(np.array([low]), np.array([high]))
      for low, high in (slow, fast)
    )
  )
  assert value_S[0] == expected
  assert told_S[0] == ((ratios >= 0).all() or (ratios <= 0).all())


def test_the_advantage_is_the_integral_over_the_common_range():
  """Against a fine Riemann sum in the logarithm."""
  rng = np.random.default_rng(0)
  sizes = np.array([[10, 40, 90], [12, 40, 80]]), np.array([[20, 70, 300]] * 2)
  right = rng.uniform(size=(2, 2, 3))
  found = needed_lib.advantage((right[0], sizes[0]), (right[1], sizes[1]))
  at = np.linspace(np.log(20), np.log(80), 200_001)
  for s in range(2):
    slow, fast = (
      np.interp(at, np.log(sizes[i][s]), right[i, s]).mean() for i in range(2)
    )
    assert found[s] == pytest.approx(fast - slow, abs=1e-5)


def test_there_is_no_advantage_without_a_common_range():
  curves = [(np.ones((2, 2)), np.tile(n, (2, 1))) for n in ([1, 9], [10, 99])]
  assert needed_lib.advantage(*curves) is None


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
