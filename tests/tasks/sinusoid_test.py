"""Sinusoids are drawn as published, and their floors are what they say."""

import jax
import numpy as np
import pytest

from raml_jax.tasks import sinusoid


@pytest.fixture(scope="module")
def episodes():
  return sinusoid.Sinusoid(shots=5, queries=7).sample(jax.random.key(0), 20_000)


def test_shapes_are_those_of_pairs_with_one_input(episodes):
  assert episodes.support.x_NxD.shape == (20_000, 5, 1)
  assert episodes.support.y_N.shape == (20_000, 5)
  assert episodes.query.x_NxD.shape == (20_000, 7, 1)
  assert episodes.latent_D.shape == (20_000, 2)


def test_the_query_has_as_many_pairs_as_the_support_by_default():
  episodes = sinusoid.Sinusoid(shots=3).sample(jax.random.key(0), 2)
  assert episodes.query.y_N.shape == (2, 3)


def test_labels_are_the_sinusoid_of_the_latent(episodes):
  amplitude_Bx1, phase_Bx1 = np.split(
    np.asarray(episodes.latent_D, np.float64), 2, axis=1
  )
  for pairs in (episodes.support, episodes.query):
    x_BxN = np.asarray(pairs.x_NxD[..., 0], np.float64)
    expected = amplitude_Bx1 * np.sin(x_BxN - phase_Bx1)
    np.testing.assert_allclose(pairs.y_N, expected, atol=1e-5)


@pytest.mark.parametrize(
  ("which", "low", "high"),
  [("amplitude", 0.1, 5.0), ("phase", 0.0, np.pi), ("x", -5.0, 5.0)],
)
def test_every_number_is_uniform_on_its_published_range(
  episodes, which, low, high
):
  values = {
    "amplitude": episodes.latent_D[:, 0],
    "phase": episodes.latent_D[:, 1],
    "x": episodes.query.x_NxD.ravel(),
  }[which]
  u = np.sort((np.asarray(values, np.float64) - low) / (high - low))
  assert u[0] >= 0.0 and u[-1] <= 1.0
  # Kolmogorov's distance; beyond 2 / sqrt(n) once in a thousand draws.
  distance = np.abs(u - np.arange(u.size) / u.size).max()
  assert distance < 2.0 / np.sqrt(u.size)


def test_support_query_and_tasks_are_independent_draws(episodes):
  columns = np.concatenate(
    [
      episodes.support.x_NxD[..., 0],
      episodes.query.x_NxD[..., 0],
      episodes.latent_D,
    ],
    axis=1,
  )
  correlation = np.corrcoef(columns.T) - np.eye(columns.shape[1])
  assert np.abs(correlation).max() < 5.0 / np.sqrt(len(columns))


def _moments(f):
  """Mean over the law of tasks and inputs, by the midpoint rule."""

  def midpoints(low, high, n):
    edges = np.linspace(low, high, n + 1)
    return 0.5 * (edges[1:] + edges[:-1])

  amplitude, phase, x = np.meshgrid(
    midpoints(0.1, 5.0, 60),
    midpoints(0.0, np.pi, 60),
    midpoints(-5.0, 5.0, 200),
    indexing="ij",
  )
  return f(amplitude * np.sin(x - phase))


def test_the_floor_of_answering_zero_is_the_mean_square_of_the_labels():
  expected = _moments(lambda y: (y**2).mean())
  assert sinusoid.zero_floor() == pytest.approx(expected, rel=1e-3)
  assert sinusoid.zero_floor() == pytest.approx(4.25, abs=0.01)


def test_the_task_agnostic_floor_is_the_variance_left_by_the_mean_label():
  expected = _moments(lambda y: (y - y.mean(axis=(0, 1), keepdims=True)) ** 2)
  floor = sinusoid.task_agnostic_floor()
  assert floor == pytest.approx(expected.mean(), rel=1e-3)
  assert floor == pytest.approx(3.0057, abs=1e-4)


@pytest.mark.parametrize(
  ("field", "value"), [("shots", 0), ("shots", -1), ("queries", 0)]
)
def test_too_few_pairs_are_refused_in_one_line(field, value):
  arguments = {"shots": 5, field: value}
  with pytest.raises(ValueError) as error:
    sinusoid.Sinusoid(**arguments)
  assert str(error.value) == f"{field} = {value}: must be at least 1"


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
