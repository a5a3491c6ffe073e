"""Several devices that share a batch and an update do what one does."""

import dataclasses
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from raml_jax import base
from raml_jax.studies.benchmark import devices
from raml_jax.training import loop

COUNT, SHARE, STEPS = 3, 2, 4
RULES = {
  "adamw": devices.Optimizer(optax.adamw(0.1, weight_decay=0.3), clip=0.5),
  "momentum": devices.Optimizer(optax.sgd(0.1, momentum=0.9)),
}


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Rows:
  """The whole batch, the same every step."""

  rows_BxD: base.Array

  def batch(self, key):
    del key
    return self.rows_BxD


def _objective(first, size):
  """Least squares on rows `first()` and so many after it."""

  def grads(params, extra, rows_BxD, key):
    del key
    rows_BxD = jax.lax.dynamic_slice_in_dim(rows_BxD, first(), size)

    def loss(params):
      return jnp.mean((rows_BxD @ params["w"] + params["b"] - 1.0) ** 2)

    value, gradient = jax.value_and_grad(loss)(params)
    return gradient, {"loss": value}, extra

  return loop.Objective(lambda params: (), grads)


def _compare(optimizer, split):
  rng = np.random.default_rng(0)
  rows_BxD = jnp.asarray(rng.standard_normal((COUNT * SHARE, 4)), jnp.float32)
  # Five numbers, which three devices cannot share evenly.
  params = {"b": jnp.float32(0.3), "w": jnp.arange(4.0)}
  rule = optimizer.shared(COUNT, split)
  state = loop.TrainState(params, rule.init(params), jnp.int32(0), ())
  own = _objective(lambda: SHARE * jax.lax.axis_index(devices.AXIS), SHARE)
  run = devices.compiled(own, rule, STEPS, params, split)
  stacked = jax.tree.map(lambda a: a[None], (Rows(rows_BxD), state))
  found = run(*stacked, jax.random.key(0)[None]).params
  whole = optimizer.whole()
  opt_state = whole.init(params)
  everything = _objective(lambda: 0, COUNT * SHARE)
  for _ in range(STEPS):
    gradient, _, _ = everything.grads(params, (), rows_BxD, None)
    updates, opt_state = whole.update(gradient, opt_state, params)
    params = optax.apply_updates(params, updates)
  for name, leaf in params.items():
    np.testing.assert_allclose(found[name][0], leaf, rtol=1e-5)


@pytest.mark.parametrize("name", RULES)
def test_shared_updates_are_those_of_the_whole_gradient(root, name):
  flags = f"--xla_force_host_platform_device_count={COUNT}"
  done = subprocess.run(
    [sys.executable, __file__, name],
    env=os.environ | {"XLA_FLAGS": flags, "PYTHONPATH": str(root)},
    timeout=100,
  )
  assert done.returncode == 0


if __name__ == "__main__":
  if sys.argv[1:] and sys.argv[1] in RULES:
    for split in (False, True):
      _compare(RULES[sys.argv[1]], split)
    raise SystemExit(0)
  raise SystemExit(pytest.main([__file__]))
