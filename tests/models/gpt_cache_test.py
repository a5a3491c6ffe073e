"""The GPT's cache: equal to no cache, for every scheme; padding; overflow."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raml_jax.models import attend
from raml_jax.models import positions
from tests.models import gpt_oracle

B, T = 2, 7
LOOPS = ({"layers": 2}, {"layers": 1, "loops": 2})
# Every pair of scheme and attention, half of them looped.
EVERY = [
  (scheme, kind, LOOPS[(i + j) % 2])
  for i, scheme in enumerate(positions.SCHEMES)
  for j, kind in enumerate(attend.WEIGHTS)
]
make, random_params = gpt_oracle.make, gpt_oracle.random_params
quick, logits = gpt_oracle.quick, gpt_oracle.logits
tokens_BxT = gpt_oracle.random_tokens(B, T)


def check_cache(scheme, kind, loops, dtype, tolerance):
  """All at once, in two pieces and one by one, against no cache."""
  model = make(positions=scheme, attention=kind, **loops)
  params = random_params(model, dtype=dtype)

  def run(params, tokens):
    plain = model.apply(params, tokens)[0]
    start = model.cache(params, B, T + 2)
    whole = model.apply(params, tokens, cache=start)[0]
    first, _, cache = model.apply(params, tokens[:, :3], cache=start)

    def body(cache, token_B):
      out, _, cache = model.apply(params, token_B[:, None], cache=cache)
      return cache, out[:, 0]

    single = jax.lax.scan(body, cache, tokens[:, 3:].T)[1].swapaxes(0, 1)
    return plain, whole, jnp.concatenate([first, single], axis=1)

  plain, whole, pieces = quick(run)(params, tokens_BxT)
  assert plain.dtype == dtype and np.abs(plain).max() > 0.5
  np.testing.assert_allclose(whole, plain, rtol=tolerance, atol=tolerance)
  np.testing.assert_allclose(pieces, plain, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("scheme, kind, loops", EVERY)
def test_cached_logits_equal_uncached_ones_float64(x64, scheme, kind, loops):
  check_cache(scheme, kind, loops, jnp.float64, 1e-10)


@pytest.mark.parametrize("scheme, kind, loops", EVERY[::3])
def test_cached_logits_equal_uncached_ones_float32(scheme, kind, loops):
  check_cache(scheme, kind, loops, jnp.float32, 1e-5)


@pytest.mark.parametrize("scheme", positions.SCHEMES)
def test_padding_in_front_changes_nothing(x64, scheme):
  """With `first_B`, a text after padding has the logits of the text alone."""
  model = make(positions=scheme)
  params = random_params(model, dtype=jnp.float64)

  def padded(params, tokens, junk):
    cache = model.cache(params, B, T + 3, jnp.array([3, 1]))
    rows = [
      jnp.concatenate([junk, tokens[0]]),
      jnp.concatenate([junk[:1], tokens[1], junk[:2]]),
    ]
    out = model.apply(params, jnp.stack(rows), cache=cache)[0]
    return jnp.stack([out[0, 3:], out[1, 1 : T + 1]])

  got = quick(padded)(params, tokens_BxT, jnp.zeros(3, jnp.int32))
  want = logits(model, params, tokens_BxT)
  np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-10)


def test_tokens_that_do_not_fit_are_never_silent():
  """Past the cache, or past a table: NaN, for that sequence only."""
  model = make()
  params = random_params(model)
  cache = model.cache(params, B, T)
  run = quick(lambda p, x, c: model.apply(p, x, cache=c)[::2])
  out, cache = run(params, tokens_BxT, cache)
  assert np.isfinite(out).all()
  assert np.isnan(run(params, tokens_BxT[:, :1], cache)[0]).all()
  model = make(positions="abacus", digits=2)
  params = random_params(model)
  texts = jnp.stack([gpt_oracle.vocab.encode(s) for s in ("12+3", "123+")])
  finite_BxTxV = np.isfinite(logits(model, params, texts))
  assert finite_BxTxV[0].all() and not finite_BxTxV[1, 2:].any()


if __name__ == "__main__":
  sys.exit(pytest.main([__file__]))
