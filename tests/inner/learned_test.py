"""The learned rule keeps the interface of rules, and drops what it says."""

import jax
from jax import flatten_util
import jax.numpy as jnp
import numpy as np
import pytest

from raml_jax.inner import learned
from raml_jax.inner import loop
from tests.inner import problems


def test_it_is_one_rule_for_parameters_of_any_shape():
  rule = learned.lstm()
  assert learned.lstm() is rule
  meta = rule.init(jax.random.key(0), {}, 5)
  flat = jnp.array([1.0, -2.0, 0.5, 3.0, 0.1, -0.7])
  tree = {"a": flat[:4].reshape(2, 2), "b": flat[4:]}
  loss = lambda x: jnp.sum(flatten_util.ravel_pytree(x)[0] ** 4)
  one = loop.adapt(loss, flat, rule, meta, 3)
  two = loop.adapt(loss, tree, rule, meta, 3)
  got = jax.vmap(lambda t: flatten_util.ravel_pytree(t)[0])(two.iterates)
  np.testing.assert_allclose(got, one.iterates, rtol=1e-6)
  assert jax.tree.map(jnp.shape, two.params) == {"a": (2, 2), "b": (2,)}


def test_an_update_is_what_the_network_reads_out_of_the_gradient():
  rule = learned.lstm(p=None, scale=2.0)
  meta = rule.init(jax.random.key(0), {}, 5)
  blank = jax.tree.map(jnp.zeros_like, meta)
  blank["readout"]["bias"] += 0.25
  found = loop.adapt(lambda x: jnp.sum(x**2), jnp.ones(3), rule, blank, 2)
  np.testing.assert_allclose(found.iterates[:, 0], [1.0, 1.5, 2.0])


def _exact(first_order):
  """(meta-gradient along a direction, finite difference), float64."""
  rule = learned.lstm(1, 4, None, 0.5, first_order)
  meta = problems.double(rule.init(jax.random.key(1), {}, 3))
  flat, unravel = flatten_util.ravel_pytree(meta)
  e = np.random.default_rng(0).standard_normal(flat.size)
  e /= np.linalg.norm(e)
  loss = lambda x: jnp.sum((x - jnp.array([1.0, -2.0, 0.5])) ** 4)

  def value(x):
    params, _ = loop.descend(loss, jnp.zeros(3), rule, unravel(x), 3)
    return loss(params)

  ahead, behind = (problems.fast(value)(flat + h * e) for h in (1e-4, -1e-4))
  slope = problems.fast(jax.grad(value))(flat) @ e
  return float(slope), float((ahead - behind) / 2e-4)


def test_with_second_derivatives_its_gradient_equals_finite_differences(x64):
  got, expected = _exact(first_order=False)
  assert got == pytest.approx(expected, rel=1e-5)


def test_first_order_drops_how_gradients_depend_on_earlier_updates(x64):
  got, expected = _exact(first_order=True)
  assert got != pytest.approx(expected, rel=1e-3)
  # On a linear loss gradients depend on nothing: both are the same.
  slopes = []
  for first_order in (True, False):
    rule = learned.lstm(1, 3, None, 0.5, first_order)
    meta = problems.double(rule.init(jax.random.key(2), {}, 3))

    def value(meta, rule=rule):
      loss = lambda x: jnp.sum(jnp.array([1.0, -2.0]) * x)
      return loop.descend(loss, jnp.zeros(2), rule, meta, 4)[0][0]

    slopes.append(flatten_util.ravel_pytree(jax.grad(value)(meta))[0])
  np.testing.assert_allclose(slopes[0], slopes[1], rtol=1e-12)
  assert np.abs(slopes[0]).max() > 0


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
