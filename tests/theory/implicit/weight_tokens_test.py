"""Decoders on weight tokens go through the same constructions, exactly."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raml_jax.models import blanks
from raml_jax.models import decoder
from raml_jax.models import matrices
from raml_jax.theory.implicit import gradients
from raml_jax.theory.implicit import paths
from raml_jax.theory.implicit import updates
from raml_jax.theory.implicit import weight_tokens
from tests.models import decoder_oracle as oracle
from tests.models import gpt_oracle

D, N, T = oracle.D, oracle.N, 3
WIDTH = 16
PREFIX = jnp.arange(T + 1)


@pytest.fixture
def setting(x64):
  """(decoder, params, asked): random params, a random chain of T tokens."""
  model = decoder.decoder(D, 1, heads=2, width=WIDTH, mlp=2, layer_norm=True)
  params = oracle.random_params(model, dtype=jnp.float64)
  rng = np.random.default_rng(5)
  chain_TxF = blanks.written(jnp.asarray(rng.normal(size=(T, D))))
  episode = oracle.episode(dtype=jnp.float64)
  return model, params, weight_tokens.Example(episode, chain_TxF)


def built(model, params, asked, form):
  run = lambda p: paths.path(weight_tokens.Asked(model), p, asked, PREFIX, form)
  return gpt_oracle.quick(run)(params)


def answered(params, asked, count):
  """The NumPy decoder's read-out behind so many tokens of the chain."""
  chain = np.asarray(asked.chain_TxF)[:count]
  z_TxF = np.concatenate([chain, np.zeros((1, chain.shape[1]))])
  pairs = asked.episode.support.pairs
  return oracle.oracle(params, pairs, z_TxF, 2, False)[-1]


def question(model, params, asked):
  """What the data's own tokens compute: keys and values of every layer."""
  run = gpt_oracle.quick(lambda p: model.prefill(p, asked.episode.support))
  cache = run(params)
  return [layer[k][:, :N] for layer in cache["layers"] for k in "kv"]


@pytest.mark.parametrize("form", paths.FORMS)
def test_the_read_out_is_that_with_the_chain_in_context(setting, form):
  """By a NumPy decoder that knows of no construction; question spared."""
  model, params, asked = setting
  path = built(model, params, asked, form)
  plain = question(model, params, asked)
  for count in range(T + 1):
    moved = updates.at(params, path, count)
    want = answered(params, asked, count)
    got = answered(moved, asked, 0)
    np.testing.assert_allclose(got, want, atol=1e-10, err_msg=str(count))
    apart = max(
      float(np.abs(a - b).max())
      for a, b in zip(question(model, moved, asked), plain)
    )
    if form == "preserving" or count == 0:
      assert apart < 1e-10
    else:
      assert apart > 1e-3
  far = np.abs(answered(params, asked, T) - answered(params, asked, 0)).max()
  assert far > 0.01


@pytest.mark.parametrize("loss", weight_tokens.LOSSES)
def test_gradients_are_those_of_finite_differences(setting, loss):
  """Of the loss of what the NumPy decoder answers to the question alone."""
  model, params, asked = setting
  asked_model = weight_tokens.Asked(model, loss)
  run = gpt_oracle.quick(
    lambda p: (
      gradients.loss(asked_model, p, asked),
      gradients.of_loss(asked_model, p, asked),
    )
  )
  want, full = run(params)
  rng = np.random.default_rng(0)

  def value(params):
    w = answered(params, asked, 0)[D + 1 : -1]
    if loss == "answer":
      return 0.5 * np.sum((w - np.asarray(asked.episode.latent_D)) ** 2)
    pairs = jax.tree.map(np.asarray, asked.episode.support.pairs)
    return 0.5 * np.mean((pairs.x_NxD @ w - pairs.y_N) ** 2)

  assert value(params) == pytest.approx(float(want), rel=1e-12)
  for l, block in enumerate(matrices.blocks(params)):
    for name in ("w_1_CxM", "w_2_MxC", "b_2_C", "w_q_CxHxA"):
      weight = getattr(block, name)
      way = rng.normal(size=weight.shape)
      ends = [
        value(
          matrices.with_block(
            params, l, block._replace(**{name: weight + sign * 1e-5 * way})
          )
        )
        for sign in (1, -1)
      ]
      slope = (ends[0] - ends[1]) / 2e-5
      got = float(np.sum(np.asarray(getattr(full[l], name)) * way))
      assert got == pytest.approx(slope, rel=1e-5, abs=1e-8), (l, name)


def test_read_out_gradients_take_the_question_for_given(setting):
  """z delta^T in every block; at the top there is nothing else."""
  model, params, asked = setting
  asked_model = weight_tokens.Asked(model)
  kinds = (gradients.of_loss, gradients.at_reads, gradients.layer_local)
  view = weight_tokens.view(asked_model, asked)
  run = gpt_oracle.quick(
    lambda p: (
      *(kind(asked_model, p, asked) for kind in kinds),
      view.without_context(p, 2)[1],
    )
  )
  full, reads, local, blocks = run(params)
  for l in range(2):
    want = np.outer(blocks[l].z_TxC[-1], reads[l].b_1_M)
    np.testing.assert_allclose(reads[l].w_1_CxM, want, atol=1e-12)
  apart = [np.abs(full[l].w_1_CxM - reads[l].w_1_CxM).max() for l in range(2)]
  assert apart[0] > 1e-4 and apart[1] < 1e-12
  np.testing.assert_allclose(local[1].w_1_CxM, full[1].w_1_CxM, atol=1e-12)
  assert np.abs(local[0].w_1_CxM - full[0].w_1_CxM).max() > 1e-4


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
