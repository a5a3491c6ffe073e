"""Prop. 2.1 as it stands fails, repaired holds at |l| = d, exact always."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raml_jax.models import matrices
from raml_jax.theory.implicit import proposition
from tests.models import gpt_oracle
from tests.theory.implicit import texts

D = 16


def median(length):
  """Errors on random inputs, as medians over 200."""
  model = texts.make(width=D, layers=1, mlp=1)
  params = texts.drawn(model, "random", jnp.float64)
  block = matrices.blocks(params)[0]
  x = np.random.default_rng(length).normal(size=(200, length + 3, D))
  run = gpt_oracle.quick(
    jax.vmap(lambda x: proposition.errors(x, length, block))
  )
  return jax.tree.map(lambda leaf: float(np.median(leaf)), run(jnp.asarray(x)))


def test_errors_as_a_function_of_length_over_width(x64):
  """|l| = 6 of d = 16 leaves .78 of t outside the span, as sqrt(1 - 6/16)."""
  short, equal, long = median(6), median(D), median(2 * D)
  assert short.residual == pytest.approx(0.78, abs=0.03)
  for found in (short, equal, long):
    assert found.literal > 0.3
    assert found.unchanged > 0.3
    assert found.exact < 1e-12
  assert equal.residual < 1e-9 and long.residual < 1e-9
  assert equal.repaired < 1e-9
  assert short.repaired > 1e-3 and long.repaired > 1e-5


def test_what_is_wanted_is_the_attention_of_the_model(x64):
  """Its heads' mixture at t, biases of values apart, in every block.

  The repaired form's error is computed in NumPy from it.
  """
  model = texts.make(positions="none", width=8)
  params = texts.drawn(model, "random", jnp.float64)
  batch = texts.asked()
  example = texts.first(batch)
  both = gpt_oracle.quick(
    jax.vmap(
      lambda one: [proposition.along(model, params, one, l) for l in range(2)]
    )
  )(batch)
  for l in range(2):
    np.testing.assert_array_equal(
      np.isnan(both[l].exact), np.asarray(batch.trajectory_T) < 0
    )
    found = texts.first(both[l])
    block = jax.tree.map(np.asarray, matrices.blocks(params)[l])
    _, records, _ = gpt_oracle.forward(params, example.tokens_L, model.options)
    x, mixed = records[l]["normed_TxC"], records[l]["mixed_HxTxA"]
    for k, t in ((0, 5), (6, 11)):
      assert int(found.length[k]) == t
      wanted, got = [], []
      for h in range(2):
        wanted.append(mixed[h, t] - block.b_v_HxA[h])
        query = x[t] @ block.w_q_CxHxA[:, h] + block.b_q_HxA[h]
        score = x[: t + 1] @ block.w_k_CxHxA[:, h] @ query / 2
        share = np.exp(score) / np.exp(score).sum()
        beta = share[:t] / share[:t].sum()
        inside = x[t] @ np.linalg.pinv(x[:t]) @ x[:t]
        rows = (1 - share[t]) * x[:t] + share[t] * inside
        fitted = x[:t] @ np.linalg.pinv(x[:t]) @ rows
        got.append(beta @ fitted @ block.w_v_CxHxA[:, h])
      off = np.linalg.norm(np.subtract(got, wanted)) / np.linalg.norm(wanted)
      assert float(found.repaired[k]) == pytest.approx(off, rel=1e-6, abs=1e-9)
      plain = []
      for h in range(2):
        query = x[t - 1] @ block.w_q_CxHxA[:, h] + block.b_q_HxA[h]
        score = x[:t] @ block.w_k_CxHxA[:, h] @ query / 2
        share = np.exp(score) / np.exp(score).sum()
        plain.append(share @ x[:t] @ block.w_v_CxHxA[:, h])
      off = np.linalg.norm(np.subtract(plain, wanted)) / np.linalg.norm(wanted)
      assert float(found.unchanged[k]) == pytest.approx(off, rel=1e-9)
    assert float(jnp.max(found.exact)) < 1e-12


def test_what_the_proposition_is_not_about_is_refused():
  example = texts.first(texts.asked())
  for options, message in (
    ({"attention": "linear"}, "attention: 'linear' must be"),
    ({"positions": "rotary"}, "positions: 'rotary' must be"),
  ):
    with pytest.raises(ValueError, match=message):
      proposition.along(texts.make(**options), {}, example, 0)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
