"""The softmax decoder: cache, causality, symmetry, expressiveness, errors."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raml_jax import base
from raml_jax.models import decoder
from raml_jax.models import reasoners
from raml_jax.models import tokens
from raml_jax.tasks import regression
from tests.models import decoder_oracle

D, N, K = decoder_oracle.D, decoder_oracle.N, 5
VARIANTS = {
  "plain": {},
  "attention_only": {"mlp": 0, "layers": 1},
  "layer_norm": {"layer_norm": True},
  "positions": {"positions": N + 4 * K, "layer_norm": True},
}


def rollout(model, params, support, steps):
  walk = reasoners.reasoner(model)
  run = jax.jit(lambda p, s: reasoners.rollout(walk, p, s, steps))
  return run(params, support)


def forced(model, params, support, z_TxF):
  run = jax.jit(lambda p, s, z: model.apply(p, z, model.prefill(p, s))[0])
  return run(params, support, z_TxF)


def make(max_steps=K, **options):
  options = {"heads": 2, "width": 8, "readout_scale": 1.0, **options}
  return decoder.decoder(D, max_steps, **options)


def weight_tokens(count=K, dtype=jnp.float32):
  w_TxD = np.random.default_rng(3).normal(size=(count, D))
  return tokens.weight_token(jnp.asarray(w_TxD, dtype))


def cached(model, params, support, z_TxF):
  """The same tokens at once, in two pieces, one by one, and reversed."""
  start = model.prefill(params, support)
  whole, _ = model.apply(params, z_TxF, start)
  reverse, _ = model.apply(params, z_TxF[::-1], start)
  first, cache = model.apply(params, z_TxF[:2], start)
  second, _ = model.apply(params, z_TxF[2:], cache)

  def body(cache, z_F):
    out_1xF, cache = model.apply(params, z_F[None], cache)
    return cache, out_1xF[0]

  single = jax.lax.scan(body, start, z_TxF)[1]
  return whole, jnp.concatenate([first, second]), single, reverse[::-1]


def check_cache(dtype, tolerance, options):
  model = make(2 * K, **options)
  params = decoder_oracle.random_params(model, dtype=dtype)
  support, z_TxF = (
    decoder_oracle.episode(dtype=dtype).support,
    weight_tokens(dtype=dtype),
  )
  run = jax.jit(lambda *args: cached(model, *args))
  whole, pieces, single, reverse = run(params, support, z_TxF)
  assert whole.dtype == dtype
  np.testing.assert_allclose(single, whole, rtol=tolerance, atol=tolerance)
  np.testing.assert_allclose(pieces, whole, rtol=tolerance, atol=tolerance)
  # A wrong mask or position would move outputs by far more than rounding.
  assert np.abs(reverse - whole).max() > 1e-3


def test_cached_stepping_equals_teacher_forcing_float32():
  """One token at a time, in pieces, or all at once: the same to 1e-5."""
  check_cache(jnp.float32, 1e-5, VARIANTS["positions"])


@pytest.mark.parametrize("variant", VARIANTS)
def test_cached_stepping_equals_teacher_forcing_float64(x64, variant):
  """The same in float64, to 1e-10."""
  check_cache(jnp.float64, 1e-10, VARIANTS[variant])


@pytest.mark.parametrize("variant", VARIANTS)
def test_decoder_equals_its_equations(x64, variant):
  """Agrees with a NumPy transformer that has no cache and no jax."""
  options = VARIANTS[variant]
  model = make(**options)
  params = decoder_oracle.random_params(model, dtype=jnp.float64)
  support = decoder_oracle.episode(dtype=jnp.float64).support
  z_TxF = weight_tokens(dtype=jnp.float64)
  out = forced(model, params, support, z_TxF)
  want = decoder_oracle.oracle(
    params, support.pairs, z_TxF, 2, "positions" in options
  )
  np.testing.assert_allclose(out, want, rtol=1e-10, atol=1e-10)


def permuted(support):
  order = jax.random.permutation(jax.random.key(9), N)
  return regression.support_of(jax.tree.map(lambda a: a[order], support.pairs))


@pytest.mark.parametrize("variant", ["plain", "layer_norm", "positions"])
def test_only_positions_show_the_order_of_examples(x64, variant):
  """Data columns see all data columns: without positions, order is nothing."""
  model = make(**VARIANTS[variant])
  params = decoder_oracle.random_params(model, dtype=jnp.float64)
  support = decoder_oracle.episode(dtype=jnp.float64).support
  a_KxD = rollout(model, params, permuted(support), K)
  b_KxD = rollout(model, params, support, K)
  change = jnp.abs(a_KxD - b_KxD).max()
  assert change > 1e-3 if variant == "positions" else change < 1e-10


def test_every_weight_token_sees_the_data_itself_and_its_past_only():
  """The derivative of output t by token s vanishes exactly where s > t."""
  model = make()
  params, support = (
    decoder_oracle.random_params(model),
    decoder_oracle.episode().support,
  )

  def outputs(z_TxF):
    return model.apply(params, z_TxF, model.prefill(params, support))[0]

  jacobian = jax.jit(jax.jacobian(outputs))(weight_tokens())
  moved_TxT = jnp.abs(jacobian).max((1, 3)) > 0
  np.testing.assert_array_equal(moved_TxT, np.tril(np.ones((K, K), bool)))


def test_two_softmax_heads_can_hold_a_gradient_step(x64):
  """The class contains the hypothesis.

  Heads with scores +-eps (w.x - y) and a sink at the token's own column give
  gradient descent up to O(eps^2).
  """
  eta, eps, sink = 0.4, 1e-3, 30.0
  f = tokens.width(D)
  params = hand_set(eta, eps, sink)
  model = decoder.decoder(D, K, layers=1, heads=2, width=2 * f, mlp=0)
  support = decoder_oracle.episode(dtype=jnp.float64).support
  got = rollout(model, params, support, 1)[1]
  want = -eta * regression.gradient(jnp.zeros(D), support)
  np.testing.assert_allclose(got, want, rtol=1e-5)
  w_D = 2.0 * jax.random.normal(jax.random.key(4), (D,))
  token = tokens.weight_token(w_D)[None]
  out = forced(model, params, support, token)
  want = w_D - eta * regression.gradient(w_D, support)
  np.testing.assert_allclose(tokens.weights(out[0]), want, rtol=1e-4)


def hand_set(eta, eps, sink):
  """Weights of the construction; the stream is the token and F zeros.

  The sink takes nearly all the attention, so that the weights of the data are
  not normalised among themselves: each is exp(score - sink).
  """
  f = tokens.width(D)
  x, y, w, one = np.arange(D), D, np.arange(D) + D + 1, 2 * D + 1
  q, k, v = np.zeros((3, 2 * f, 2, f))
  out, readout = np.zeros((2, f, 2 * f)), np.zeros((2 * f, f))
  for head, sign in enumerate((1.0, -1.0)):
    q[w, head, x] = sign * eps
    q[one, head, y] = -sign * eps
    q[one, head, one] = sink
    k[x, head, x] = k[y, head, y] = k[one, head, one] = v[x, head, x] = 1.0
    out[head, x, f + x] = -sign * eta / (2 * eps * N) * np.exp(sink)
  readout[f + x, w] = 1.0
  dense = lambda kernel: {"kernel": kernel, "bias": np.zeros(kernel.shape[1:])}
  attention = {
    "query": dense(q * np.sqrt(f)),
    "key": dense(k),
    "value": dense(v),
    "out": {"kernel": out, "bias": np.zeros(2 * f)},
  }
  params = {
    "embed": dense(np.eye(f, 2 * f)),
    "layer_0": {"attention": attention},
    "readout": dense(readout),
  }
  return jax.tree.map(jnp.asarray, params)


def test_params_do_not_depend_on_the_cache():
  """Trained with a small cache, measured with a long one: the same model."""
  short, long = make(K), make(5 * K)
  params, support = (
    decoder_oracle.random_params(short),
    decoder_oracle.episode().support,
  )
  shapes = jax.eval_shape(long.init, jax.random.key(0))
  assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, shapes)
  np.testing.assert_allclose(
    rollout(long, params, support, 5 * K)[: K + 1],
    rollout(short, params, support, K),
    rtol=1e-5,
    atol=1e-6,
  )


def test_stepping_past_the_cache_is_never_silent():
  """The first token that does not fit is NaN; the ones before are finite."""
  model = make(3)
  params, support = (
    decoder_oracle.random_params(model),
    decoder_oracle.episode().support,
  )
  w = rollout(model, params, support, 5)
  assert np.isfinite(w[:4]).all() and np.isnan(w[4:]).all()


def test_an_untrained_model_moves_a_little_but_moves():
  """The untrained control has updates to compare, smaller than those of GD."""
  model = decoder.decoder(D, K)
  support = decoder_oracle.episode().support
  params = jax.jit(model.init)(jax.random.key(0))
  w_KxD = rollout(model, params, support, K)
  assert 0 < jnp.linalg.norm(w_KxD[1]) < 1.0


def test_errors_name_the_field_the_value_and_what_is_allowed():
  """One clear line each."""
  support = decoder_oracle.episode().support
  with pytest.raises(ValueError, match="heads: 3 does not divide width=8"):
    make(heads=3)
  model = make(3)
  params = decoder_oracle.random_params(model)
  moments = base.Support(support.gram_ExE, support.n)
  with pytest.raises(ValueError, match=r"support\.pairs: None.*moments_only"):
    model.prefill(params, moments)
  cache = model.prefill(params, support)
  with pytest.raises(ValueError, match="max_steps: 3 .* 5 tokens"):
    model.apply(params, weight_tokens(5), cache)
  model = make(positions=N + K - 1)
  with pytest.raises(ValueError, match=f"positions: {N + K - 1} .* {N + K} is"):
    model.prefill(decoder_oracle.random_params(model), support)


if __name__ == "__main__":
  sys.exit(pytest.main([__file__]))
