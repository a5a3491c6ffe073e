"""Linear attention in Gram form is the formula, token by explicit token."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raml_jax import base
from raml_jax.models import attention
from raml_jax.models import reasoners
from raml_jax.models import tokens
from raml_jax.tasks import regression

D, N, F = 3, 5, 8
EXACT = {"rtol": 1e-12, "atol": 1e-12}


def _question(seed, d=D, n=N):
  rng = np.random.default_rng(seed)
  x_NxD, w_D = rng.standard_normal((n, d)), rng.standard_normal(d)
  y_N = x_NxD @ w_D + 0.3 * rng.standard_normal(n)
  pairs = base.Pairs(jnp.asarray(x_NxD), jnp.asarray(y_N))
  return x_NxD, y_N, regression.support_of(pairs)


def _params(seed, layers, scale=0.2):
  rng = np.random.default_rng(seed)
  return {
    f"layer_{l}": {
      "V": scale * rng.standard_normal((F, F)),
      "W": scale * rng.standard_normal((F, F)),
    }
    for l in range(layers)
  }


def _explicit(params, x_NxD, y_N, z_TxF):
  """f(Z) = Z + V Z (Z^T W Z) / n per layer, column by column; [T, F]."""
  data_NxF = np.zeros((len(y_N), F))
  data_NxF[:, :D], data_NxF[:, D] = x_NxD, y_N
  z_FxC = np.concatenate([data_NxF, z_TxF]).T
  n, columns = len(y_N), z_FxC.shape[1]
  for l in range(len(params)):
    v, w = params[f"layer_{l}"]["V"], params[f"layer_{l}"]["W"]
    out_FxC = z_FxC.copy()
    for t in range(columns):
      seen = range(n) if t < n else range(t + 1)
      for s in seen:
        score = z_FxC[:, s] @ w @ z_FxC[:, t] / n
        out_FxC[:, t] += v @ z_FxC[:, s] * score
    z_FxC = out_FxC
  return z_FxC.T[n:]


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("max_steps", [None, 4, 6])
def test_tokens_given_at_once_equal_the_explicit_formula(
  x64, layers, max_steps
):
  x_NxD, y_N, support = _question(0)
  params = _params(1, layers)
  z_TxF = np.random.default_rng(2).standard_normal((4, F))
  model = attention.linear_attention(D, layers, max_steps=max_steps)
  cache = model.prefill(params, support)
  got, _ = model.apply(params, jnp.asarray(z_TxF), cache)
  np.testing.assert_allclose(got, _explicit(params, x_NxD, y_N, z_TxF), **EXACT)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("max_steps", [None, 5])
def test_its_own_tokens_fed_back_equal_the_explicit_formula(
  x64, layers, max_steps
):
  x_NxD, y_N, support = _question(3)
  params = _params(4, layers)
  z_TxF = np.zeros((1, F))
  z_TxF[0, -1] = 1.0
  for _ in range(5):
    last_F = _explicit(params, x_NxD, y_N, z_TxF)[-1]
    z_TxF = np.concatenate([z_TxF, last_F[None]])
  model = attention.linear_attention(D, layers, max_steps=max_steps)
  got = reasoners.rollout(reasoners.reasoner(model), params, support, 5)
  np.testing.assert_allclose(got, z_TxF[:, D + 1 : -1], **EXACT)


@pytest.mark.parametrize("max_steps", [None, 5])
def test_a_prompt_continued_in_pieces_equals_the_whole(x64, max_steps):
  _, _, support = _question(5)
  params = _params(6, 2)
  z_TxF = jnp.asarray(np.random.default_rng(7).standard_normal((5, F)))
  model = attention.linear_attention(D, 2, max_steps=max_steps)
  whole, _ = model.apply(params, z_TxF, model.prefill(params, support))
  first, cache = model.apply(params, z_TxF[:2], model.prefill(params, support))
  rest, _ = model.apply(params, z_TxF[2:], cache)
  np.testing.assert_allclose(np.concatenate([first, rest]), whole, **EXACT)


def test_both_memories_have_the_same_params_and_gradient(x64):
  _, _, support = _question(8)
  few = attention.linear_attention(D, 2, 0.2, max_steps=3)
  any_number = attention.linear_attention(D, 2, 0.2)
  params = few.init(jax.random.key(0))
  jax.tree.map(
    np.testing.assert_array_equal, params, any_number.init(jax.random.key(0))
  )

  def last(model, params):
    reasoner = reasoners.reasoner(model)
    return jnp.sum(reasoners.rollout(reasoner, params, support, 3)[-1] ** 2)

  got, expected = (
    jax.grad(functools.partial(last, model))(params)
    for model in (few, any_number)
  )
  jax.tree.map(
    functools.partial(np.testing.assert_allclose, rtol=1e-10, atol=1e-12),
    got,
    expected,
  )


def test_a_full_memory_is_refused_or_gives_nan():
  _, _, support = _question(9)
  model = attention.linear_attention(D, max_steps=2)
  params = model.init(jax.random.key(0))
  cache = model.prefill(params, support)
  with pytest.raises(ValueError, match="max_steps: 2 is too small for 3"):
    model.apply(params, jnp.zeros((3, F)), cache)
  path = reasoners.rollout(reasoners.reasoner(model), params, support, 3)
  np.testing.assert_array_equal(np.isfinite(path).all(axis=1), [1, 1, 1, 0])


def test_memory_does_not_grow_with_the_number_of_pairs():
  model = attention.linear_attention(D, 2)
  params = model.init(jax.random.key(0))
  shapes = [
    jax.tree.map(jnp.shape, model.prefill(params, _question(0, n=n)[2]))
    for n in (5, 50)
  ]
  assert shapes[0] == shapes[1]


def _rule(a, b, s, b_vector, steps):
  w = np.zeros(len(b_vector))
  path = [w]
  for _ in range(steps):
    w = w + a @ (s @ (b @ w) - b_vector)
    path.append(w)
  return np.array(path)


@pytest.mark.parametrize(
  "rule", ["gradient_descent", "rotated", "preconditioned", "shrunk"]
)
def test_constructions_are_their_rules_for_every_k(x64, rule):
  """w + A (S B w - X y / n), all 20 iterates of it, at d = 10, n = 20."""
  d = 10
  x, y, support = _question(10, d=d, n=20)
  eye = np.eye(d)
  turn = np.linalg.qr(np.random.default_rng(11).standard_normal((d, d)))[0]
  a, b = {
    "gradient_descent": (-0.4 * eye, eye),
    "rotated": (-0.2 * turn, eye),
    "preconditioned": (-turn @ np.diag(np.linspace(0.1, 0.6, d)) @ turn.T, eye),
    "shrunk": (-0.5 * eye, 0.775 * eye),
  }[rule]
  params = attention.construction(jnp.asarray(a), jnp.asarray(b))
  expected = _rule(a, b, x.T @ x / 20, x.T @ y / 20, 20)
  for max_steps in (None, 20):
    model = attention.linear_attention(d, max_steps=max_steps)
    got = reasoners.rollout(reasoners.reasoner(model), params, support, 20)
    np.testing.assert_allclose(got, expected, **EXACT)


def test_a_construction_writes_tokens_whose_other_rows_stay(x64):
  _, _, support = _question(12)
  eye = jnp.eye(D)
  params = attention.construction(-0.3 * eye, eye)
  model = attention.linear_attention(D)
  token_1xF = tokens.weight_token(jnp.ones((1, D)))
  got, _ = model.apply(params, token_1xF, model.prefill(params, support))
  np.testing.assert_array_equal(got, tokens.weight_token(tokens.weights(got)))


def test_restricted_mask_holds_exactly_the_two_trained_blocks():
  mask = attention.restricted_mask(D)["layer_0"]
  v, w = np.zeros((F, F)), np.zeros((F, F))
  v[D + 1 : 2 * D + 1, :D] = 1.0
  w[:D, D + 1 : 2 * D + 1] = 1.0
  np.testing.assert_array_equal(mask["V"], v)
  np.testing.assert_array_equal(mask["W"], w)


def test_every_entry_is_drawn_with_the_scale_asked_for():
  params = attention.linear_attention(40, init_scale=0.3).init(
    jax.random.key(1)
  )
  for matrix in jax.tree.leaves(params):
    assert abs(np.std(matrix) - 0.3) < 0.02
    assert abs(np.mean(matrix)) < 0.02


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
