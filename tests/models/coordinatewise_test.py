"""The coordinatewise LSTM, beside an LSTM in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raml_jax.models import coordinatewise


def _sigmoid(x):
  return 1 / (1 + np.exp(-x))


def _lstm_step(cell, carry, x):
  """Hochreiter, Schmidhuber 1997, with a forget gate."""
  c, h = carry

  def gate(name):
    recurrent = cell[f"h{name}"]
    return x @ cell[f"i{name}"]["kernel"] + (
      h @ recurrent["kernel"] + recurrent["bias"]
    )

  c = _sigmoid(gate("f")) * c + _sigmoid(gate("i")) * np.tanh(gate("g"))
  return c, _sigmoid(gate("o")) * np.tanh(c)


def _expected(params, gradients, features, width, scale):
  """Updates of every step, by NumPy."""
  layers = [params[f"layer_{l}"] for l in range(2)]
  zeros = np.zeros((gradients.shape[1], width))
  carries = [(zeros, zeros), (zeros, zeros)]
  out = []
  for gradient in gradients:
    x = features(gradient)
    for l, cell in enumerate(layers):
      carries[l] = _lstm_step(cell, carries[l], x)
      x = carries[l][1]
    readout = params["readout"]
    out.append(scale * (x @ readout["kernel"] + readout["bias"])[:, 0])
  return np.array(out)


def _plain_features(gradient):
  return gradient[:, None]


def _log_features(gradient, p=10.0):
  rows = []
  for g in gradient:
    if abs(g) >= np.exp(-p):
      rows.append((np.log(abs(g)) / p, np.sign(g)))
    else:
      rows.append((-1.0, np.exp(p) * g))
  return np.array(rows)


@pytest.mark.parametrize(
  ("p", "features"), [(None, _plain_features), (10.0, _log_features)]
)
def test_every_step_is_that_of_a_two_layer_lstm_in_numpy(x64, p, features):
  network = coordinatewise.network(2, 6, p, 0.3)
  params = jax.tree.map(
    lambda a: jnp.asarray(a, jnp.float64), network.init(jax.random.key(0))
  )
  # Biases start at zero: give them values that a test can see.
  params = jax.tree.map(lambda a: a + 0.1, params)
  gradients = np.random.default_rng(0).standard_normal((4, 3)) ** 5
  gradients[1, 1] = 1e-6
  hidden = network.blank(3, jnp.float64)
  got = []
  for gradient in gradients:
    update, hidden = network.apply(params, jnp.asarray(gradient), hidden)
    got.append(update)
  plain = jax.tree.map(np.asarray, params)
  expected = _expected(plain, gradients, features, 6, 0.3)
  np.testing.assert_allclose(np.array(got), expected, rtol=1e-10)


def test_coordinates_do_not_see_each_other():
  network = coordinatewise.network()
  params = network.init(jax.random.key(0))
  hidden = network.blank(3)
  one, _ = network.apply(params, jnp.array([0.3, -2.0, 1.0]), hidden)
  two, _ = network.apply(params, jnp.array([0.3, 5.0, 1e-9]), hidden)
  np.testing.assert_array_equal(one[0], two[0])
  assert one[1] != two[1]


def test_the_default_has_two_layers_of_twenty_units():
  params = coordinatewise.network().init(jax.random.key(0))
  assert set(params) == {"layer_0", "layer_1", "readout"}
  assert params["layer_0"]["ii"]["kernel"].shape == (2, 20)
  assert params["layer_1"]["hi"]["kernel"].shape == (20, 20)


def test_preprocessing_is_appendix_a_and_has_finite_derivatives(x64):
  p = 10.0
  edge = np.exp(-p)
  g = np.array([0.0, 1e-30, 0.5 * edge, -0.9 * edge, edge, -1.0, 3.0, -1e8])
  got = np.asarray(coordinatewise.preprocess(jnp.asarray(g), p))
  np.testing.assert_allclose(got, _log_features(g), rtol=1e-12)
  # Continuous where the branches meet.
  near = coordinatewise.preprocess(edge * jnp.array([1 - 1e-9, 1 + 1e-9]), p)
  np.testing.assert_allclose(near[0], near[1], atol=1e-8)
  slope = jax.vmap(
    jax.jacobian(lambda x: coordinatewise.preprocess(x[None], p))
  )
  assert np.isfinite(slope(jnp.asarray(g))).all()


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
