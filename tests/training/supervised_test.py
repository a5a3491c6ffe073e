"""The supervised loss, its weights by role, and its ways to save memory."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raml_jax.models import gpt
from raml_jax.tasks import vocab
from raml_jax.tasks.arithmetic.families import pairs
from raml_jax.training import packing
from raml_jax.training import supervised

MODEL = gpt.gpt(gpt.Options(layers=2, heads=2, width=16, context=64))
FAMILY = pairs.Pairs(digits=2, format="simplified")
ROWS = packing.Packing(1, FAMILY.context)
KEY = jax.random.key(0)


def _params():
  params = MODEL.init(jax.random.key(3))
  return jax.tree.map(lambda a: a.astype(float), params)


def _rows():
  return ROWS.rows(FAMILY.sample(jax.random.key(1), 8))


def _grads(weights, **how):
  objective = supervised.objective(MODEL, supervised.weights(weights), **how)
  return objective.grads(_params(), (), _rows(), KEY)


@pytest.mark.parametrize(
  "weights", [supervised.ALL, supervised.COMPLETION, {"answer": 1, "step": 0.3}]
)
def test_loss_is_the_weighted_mean_of_minus_log_p(x64, weights):
  del x64
  rows = _rows()
  logits = np.asarray(MODEL.apply(_params(), rows.tokens_BxT)[0])
  p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
  total = count = 0.0
  names = {role: role.name.lower() for role in vocab.Role}
  for b, tokens_T in enumerate(np.asarray(rows.tokens_BxT)):
    for t in range(1, len(tokens_T)):
      role = vocab.Role(int(rows.role_BxT[b, t]))
      weight = weights.get(names[role], 0.0)
      total -= weight * np.log(p[b, t - 1, tokens_T[t]])
      count += weight
  metrics = _grads(weights)[1]
  np.testing.assert_allclose(metrics["loss"], total / count, rtol=1e-12)
  share = np.mean(np.asarray(rows.tokens_BxT) == vocab.PAD)
  np.testing.assert_allclose(metrics["padding"], share, rtol=1e-6)


def test_gradient_is_that_of_finite_differences(x64):
  del x64
  objective = supervised.objective(
    MODEL, supervised.weights(supervised.COMPLETION)
  )
  params, rows = _params(), _rows()
  gradient = objective.grads(params, (), rows, KEY)[0]
  leaves, tree = jax.tree.flatten(params)
  keys = jax.random.split(jax.random.key(9), len(leaves))
  way = jax.tree.unflatten(
    tree, [jax.random.normal(k, a.shape, a.dtype) for k, a in zip(keys, leaves)]
  )

  def loss(size):
    moved = jax.tree.map(lambda a, d: a + size * d, params, way)
    return objective.grads(moved, (), rows, KEY)[1]["loss"]

  slope = (loss(1e-6) - loss(-1e-6)) / 2e-6
  inner = jax.tree.map(lambda g, d: jnp.vdot(g, d), gradient, way)
  np.testing.assert_allclose(sum(jax.tree.leaves(inner)), slope, rtol=1e-6)


@pytest.mark.parametrize("how", [{"microbatches": 4}, {"remat": True}])
def test_saving_memory_changes_no_gradient(x64, how):
  del x64
  plain, spared = (
    _grads(supervised.COMPLETION),
    _grads(supervised.COMPLETION, **how),
  )
  # Parts of a batch have unequal numbers of tokens that count.
  np.testing.assert_allclose(plain[1]["loss"], spared[1]["loss"], rtol=1e-12)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-14),
    plain[0],
    spared[0],
  )


def test_rematerialisation_keeps_fewer_numbers():
  """Counted before XLA, which on CPU merges what is computed twice."""
  rows = ROWS.rows(FAMILY.sample(jax.random.key(1), 32))
  params = MODEL.init(jax.random.key(3))

  def kept(remat):
    options = dataclasses.replace(MODEL.options, remat=remat)
    losses = functools.partial(supervised.token_losses, gpt.gpt(options))
    _, backward = jax.vjp(lambda p: losses(p, rows, KEY), params)
    return sum(leaf.size for leaf in jax.tree.leaves(backward))

  assert kept(True) < 0.6 * kept(False)


@pytest.mark.parametrize(
  "weights, line",
  [
    ({"answers": 1}, "answers: no role"),
    ({"answer": -1}, "answer = -1: must be at least 0"),
    ({"answer": 0}, "one must be above 0"),
  ],
)
def test_weights_that_cannot_be_are_named(weights, line):
  with pytest.raises(ValueError, match=line):
    supervised.weights(weights)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
