"""What every rule must hold to, listed or wrapped."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from raml_jax.inner import loop
from raml_jax.inner import optimizers


def _loss(params):
  return 0.5 * jnp.sum(params["a"] ** 2) + jnp.sum((params["b"] - 1.0) ** 4)


_START = {"a": jnp.zeros(3), "b": jnp.ones((2, 2))}


@pytest.mark.parametrize("name", optimizers.TABLE)
def test_meta_gradients_are_finite_at_a_gradient_of_zero(name):
  """All of the inner gradient is zero at the start, and stays it."""
  for rule in (
    optimizers.named(name, 0.1),
    optimizers.clipped(optimizers.named(name, 0.1), 1.0),
  ):
    meta = rule.init(jax.random.key(0), _START, 2)

    def outer(meta, start, rule=rule):
      last, _ = loop.descend(_loss, start, rule, meta, 2)
      return jnp.sum(last["a"]) + jnp.sum(last["b"] ** 2)

    grads = jax.grad(outer, argnums=(0, 1))(meta, _START)
    for leaf in jax.tree.leaves(grads):
      assert np.isfinite(leaf).all()


@pytest.mark.parametrize("name", optimizers.TABLE)
def test_the_same_arguments_give_the_same_rule(name):
  assert optimizers.named(name, 0.1) is optimizers.named(name, 0.1)
  assert optimizers.named(name, 0.1) is not optimizers.named(name, 0.2)


@pytest.mark.parametrize("norm", [0.5, 2.0, 100.0])
def test_clipping_bounds_the_norm_of_the_gradient_and_keeps_its_direction(norm):
  rule = optimizers.clipped(optimizers.fixed(optax.sgd(1.0)), norm)
  start = {"a": jnp.array([3.0, 4.0])}
  last, _ = loop.descend(
    lambda p: 0.5 * jnp.sum(p["a"] ** 2), start, rule, (), 1
  )
  expected = np.array([3.0, 4.0]) * (1 - min(1.0, norm / 5.0))
  np.testing.assert_allclose(last["a"], expected, rtol=1e-6, atol=1e-6)


def test_past_its_last_step_the_last_step_size_is_repeated():
  rule = optimizers.per_step(0.1)
  meta = {"alpha": jnp.array([0.5, 0.25])}
  path = loop.adapt(lambda w: 0.5 * w**2, jnp.ones(()), rule, meta, 4).iterates
  np.testing.assert_allclose(path, [1, 0.5, 0.375, 0.28125, 0.2109375])


def test_every_tensor_has_a_step_size_of_its_own():
  rule = optimizers.per_tensor(0.1)
  start = {"a": jnp.ones(3), "b": jnp.ones((2, 2))}
  meta = rule.init(jax.random.key(0), start, 4)
  assert jax.tree.map(jnp.shape, meta) == {"alpha": {"a": (), "b": ()}}
  meta = {"alpha": {"a": jnp.array(0.5), "b": jnp.array(0.25)}}
  loss = lambda p: 0.5 * sum(jnp.sum(leaf**2) for leaf in p.values())
  last, _ = loop.descend(loss, start, rule, meta, 1)
  np.testing.assert_allclose(last["a"], np.full(3, 0.5))
  np.testing.assert_allclose(last["b"], np.full((2, 2), 0.75))


def test_a_fixed_rule_has_nothing_to_learn():
  rule = optimizers.fixed(optax.adam(0.1))
  assert jax.tree.leaves(rule.init(jax.random.key(0), _START, 3)) == []


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
