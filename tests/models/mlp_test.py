"""The perceptron is the textbook's, started as published."""

import jax
import numpy as np
import pytest

from raml_jax.models import mlp


def _by_hand(params, x_NxD):
  h = np.asarray(x_NxD, np.float64)
  for l in range(len(params) - 1):
    layer = params[f"layer_{l}"]
    h = h @ np.asarray(layer["kernel"], np.float64)
    h = np.maximum(h + np.asarray(layer["bias"], np.float64), 0.0)
  head = params["head"]
  out = h @ np.asarray(head["kernel"], np.float64)
  return (out + np.asarray(head["bias"], np.float64))[:, 0]


@pytest.mark.parametrize(
  ("inputs", "widths"), [(1, (40, 40)), (3, (4,)), (2, (5, 3, 4))]
)
def test_apply_is_relu_layers_and_a_linear_head(inputs, widths):
  net = mlp.mlp(inputs, widths, 1.0)
  rng = np.random.default_rng(0)
  params = jax.tree.map(
    lambda p: rng.normal(size=p.shape).astype(np.float32),
    net.init(jax.random.key(0)),
  )
  x_NxD = rng.normal(size=(6, inputs)).astype(np.float32)
  y_N = net.apply(params, x_NxD)
  assert y_N.shape == (6,)
  np.testing.assert_allclose(y_N, _by_hand(params, x_NxD), rtol=2e-5)


def test_the_default_is_the_published_network():
  params = mlp.mlp().init(jax.random.key(0))
  shapes = jax.tree.map(lambda p: p.shape, params)
  assert shapes == {
    "layer_0": {"kernel": (1, 40), "bias": (40,)},
    "layer_1": {"kernel": (40, 40), "bias": (40,)},
    "head": {"kernel": (40, 1), "bias": (1,)},
  }


def test_it_starts_at_a_normal_cut_at_two_deviations_and_at_zero_biases():
  params = mlp.mlp(1, (200, 200), 0.01).init(jax.random.key(0))
  kernel = np.asarray(params["layer_1"]["kernel"])
  # A normal of deviation 1, cut at 2, has the deviation 0.8796.
  assert kernel.std() == pytest.approx(0.008796, rel=0.02)
  assert abs(kernel.mean()) < 4 * 0.0088 / 200
  assert 0.0196 < np.abs(kernel).max() <= 0.02
  for layer in params.values():
    np.testing.assert_array_equal(layer["bias"], 0.0)


def test_the_same_arguments_give_the_same_object():
  assert mlp.mlp(1, (40, 40), 0.01) is mlp.mlp(1, (40, 40), 0.01)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
