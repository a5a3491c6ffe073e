"""Attention by blocks, and the weights that lead to heads."""

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raml_jax.models import attend
from raml_jax.models import blocks

H, A = 2, 4


def at_once(query_HxTxA, keys_HxTxA, values_HxTxA):
  """Causal softmax attention with all its weights."""
  scores_HxTxT = jnp.einsum("...ta,...la->...tl", query_HxTxA, keys_HxTxA)
  weights_HxTxT = jnp.tril(jnp.exp(scores_HxTxT / A**0.5))
  weights_HxTxT /= weights_HxTxT.sum(-1, keepdims=True)
  return weights_HxTxT @ values_HxTxA


@pytest.mark.parametrize("batch", [(), (2, 3)])
@pytest.mark.parametrize("length", [1, 64, 130])
def test_blocks_of_queries_give_causal_attention_and_its_gradient(
  x64, batch, length
):
  """One block, a full one, and several with a last one that is not full."""
  qkv = jax.random.normal(jax.random.key(0), (3, *batch, H, length, A))
  weights = jax.random.normal(jax.random.key(1), qkv.shape[1:])

  def run(attention):
    def value(qkv):
      mixed = attention(*qkv)
      return (mixed * weights).sum(), mixed

    (_, mixed), gradient = jax.jit(jax.value_and_grad(value, has_aux=True))(qkv)
    return mixed, gradient

  got, want = run(attend.blocked), run(at_once)
  for a, b in zip(got, want, strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)


def test_blocks_keep_no_scores_for_the_backward_pass():
  """Memory grows with the length, not with its square."""

  def bytes_kept(attention, length):
    qkv = jnp.zeros((3, 8, H, length, A))
    loss = jax.jit(jax.grad(lambda qkv: attention(*qkv).sum()))
    memory = loss.lower(qkv).compile().memory_analysis()
    return memory.temp_size_in_bytes

  scores = 4 * 8 * H * 512**2
  assert bytes_kept(at_once, 512) > scores
  assert bytes_kept(attend.blocked, 512) < scores


def test_heads_have_the_weights_and_values_of_three_dense_layers(x64):
  """One product of all three, with the names and the start of Flax's own."""
  attention = blocks.Attention(H, H * A)
  x_TxC = jax.random.normal(jax.random.key(0), (5, H * A))
  heads_of = blocks.Attention.heads_of
  found, variables = attention.init_with_output(
    jax.random.key(1), x_TxC, method=heads_of
  )

  class Three(nn.Module):
    @nn.compact
    def __call__(self, x_TxC):
      names = "query", "key", "value"
      return [nn.DenseGeneral((H, A), name=name)(x_TxC) for name in names]

  want, same = Three().init_with_output(jax.random.key(1), x_TxC)
  jax.tree.map(np.testing.assert_array_equal, variables, same)
  biased = jax.tree.map(lambda p: p + 0.1, same)
  found = attention.apply(biased, x_TxC, method=heads_of)
  want = Three().apply(biased, x_TxC)
  for a_HxTxA, b_TxHxA in zip(found, want, strict=True):
    np.testing.assert_allclose(
      a_HxTxA, b_TxHxA.swapaxes(0, 1), rtol=1e-12, atol=1e-12
    )
