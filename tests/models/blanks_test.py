"""Chains that are read out of blank tokens: who sees whom, and what is read."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raml_jax import base
from raml_jax.models import blanks
from raml_jax.models import decoder
from raml_jax.models import tokens
from tests.models import decoder_oracle as oracle

D, N, K, F = oracle.D, oracle.N, 3, 2 * oracle.D + 2


@pytest.fixture
def setting(x64):
  """(model, params, pairs, w_(K+1)xD)."""
  model = decoder.decoder(D, 1, heads=2, width=8, layer_norm=True)
  params = oracle.random_params(model, dtype=jnp.float64)
  pairs = oracle.episode(dtype=jnp.float64).support.pairs
  rng = np.random.default_rng(3)
  return model, params, pairs, jnp.asarray(rng.normal(size=(K + 1, D)))


def answered(params, pairs, chain_TxF):
  """What the NumPy decoder reads out of a blank behind the chain."""
  z_TxF = np.concatenate([chain_TxF, np.zeros((1, F))])
  return oracle.oracle(params, pairs, z_TxF, 2, False)[-1]


def test_every_blank_sees_the_data_its_prefix_and_itself():
  """Against the rule token by token."""
  counts = (0, 2, 1)
  data, chain = jnp.ones((N, F)), 2 * jnp.ones((K, F))
  text, visible = blanks.text(data, chain, counts)
  assert text.shape == (N + K + 3, F)
  assert not np.any(text[N + K :])
  for i in range(N + K + 3):
    sees = set(range(N)) | {i}
    sees |= set(range(N, N + max(0, min(i - N + 1, K))))
    if i >= N + K:
      sees = {*range(N + counts[i - N - K]), i}
    assert set(np.flatnonzero(visible[i])) == sees, i


def test_teacher_forcing_asks_every_prefix_in_one_call(setting):
  """Against the NumPy decoder, one prefix at a time."""
  model, params, pairs, w_TxD = setting
  out, targets = blanks.teacher_forced(model, params, pairs, w_TxD)
  for t in range(K):
    np.testing.assert_allclose(targets[t, D + 1 : -1], w_TxD[t + 1])
    assert targets[t, -1] == pytest.approx((t + 1) / K)
    want = answered(params, pairs, np.asarray(targets)[:t])
    np.testing.assert_allclose(out[t], want, atol=1e-10)


def test_a_rollout_feeds_back_what_was_read(setting):
  model, params, pairs, _ = setting
  chain = np.asarray(blanks.rollout(model, params, pairs, K))
  for t in range(K):
    want = answered(params, pairs, chain[:t])
    np.testing.assert_allclose(chain[t], want, atol=1e-10)


def test_predictions_know_no_other_token(setting):
  """Each is the y row that a single token without a context gives."""
  model, params, pairs, _ = setting
  got = blanks.predict(model, params, pairs.x_NxD)
  nothing = base.Pairs(np.zeros((0, D)), np.zeros(0))
  for x_D, y in zip(pairs.x_NxD, got):
    alone = base.Pairs(x_D[None], jnp.zeros(1))
    z_1xF = tokens.data_tokens(alone)
    want = oracle.oracle(params, nothing, z_1xF, 2, False)[0, D]
    assert float(y) == pytest.approx(want, abs=1e-10)


def test_the_first_blocks_alone_are_read_out_where_they_end(setting):
  """As a decoder of fewer layers with the same params; activations agree."""
  model, params, pairs, w_TxD = setting
  text = blanks.text(tokens.data_tokens(pairs), blanks.written(w_TxD), (2,))
  out, found = model.whole(params, *text, 1)
  small = decoder.decoder(D, 1, layers=1, heads=2, width=8, layer_norm=True)
  want, _ = small.whole(params, *text)
  np.testing.assert_array_equal(out, want)
  _, both = model.whole(params, *text)
  assert (len(found), len(both)) == (1, 2)
  jax.tree.map(np.testing.assert_array_equal, found[0], both[0])


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
