"""Access to a block's matrices, for both decoders."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raml_jax.models import decoder
from raml_jax.models import matrices
from tests.models import gpt_oracle


def test_the_matrices_are_those_of_the_equations(x64):
  """They turn one activation into the next."""
  model = gpt_oracle.make(positions="none")
  params = gpt_oracle.random_params(model, dtype=jnp.float64)
  _, aux, _ = gpt_oracle.quick(model.apply)(params, gpt_oracle.random_tokens())
  aux, blocks = jax.tree.map(np.asarray, (aux, matrices.blocks(params)))
  assert len(blocks) == len(aux.blocks) == 2
  for m, record in zip(blocks, aux.blocks):
    q, k = (
      np.einsum("btc,cha->bhta", record.normed_TxC, w) + b[:, None]
      for w, b in ((m.w_q_CxHxA, m.b_q_HxA), (m.w_k_CxHxA, m.b_k_HxA))
    )
    scores = np.einsum("bhta,bhla->bhtl", q, k) / np.sqrt(q.shape[-1])
    np.testing.assert_allclose(record.scores_HxTxL, scores, atol=1e-10)
    # The first query mixes its own value alone.
    value = np.einsum("bc,cha->bha", record.normed_TxC[:, 0], m.w_v_CxHxA)
    np.testing.assert_allclose(
      record.mixed_HxTxA[:, :, 0], value + m.b_v_HxA, atol=1e-10
    )
    out = np.einsum("bhta,hac->btc", record.mixed_HxTxA, m.w_o_HxAxC)
    np.testing.assert_allclose(record.attention_TxC, out + m.b_o_C, atol=1e-10)
    np.testing.assert_allclose(
      record.pre_TxM, record.z_TxC @ m.w_1_CxM + m.b_1_M, atol=1e-10
    )
    np.testing.assert_allclose(
      record.output_TxC - record.middle_TxC,
      record.hidden_TxM @ m.w_2_MxC + m.b_2_C,
      atol=1e-10,
    )


MODELS = {
  "gpt": gpt_oracle.make(layers=3),
  "weight tokens": decoder.decoder(3, 4, layers=3, heads=2, width=8),
  "no mlp": decoder.decoder(3, 4, layers=3, heads=2, width=8, mlp=0),
}


@pytest.mark.parametrize("name", MODELS)
def test_one_block_is_replaced_and_all_else_kept(name):
  model = MODELS[name]
  params = gpt_oracle.random_params(model)
  before = matrices.blocks(params)
  same = matrices.with_block(params, 1, before[1])
  assert jax.tree.structure(same) == jax.tree.structure(params)
  jax.tree.map(np.testing.assert_array_equal, same, params)
  new = jax.tree.map(lambda x: x + 1, before[1])
  changed = matrices.with_block(params, 1, new)
  jax.tree.map(
    np.testing.assert_array_equal,
    matrices.blocks(changed),
    (before[0], new, before[2]),
  )
  jax.tree.map(np.testing.assert_array_equal, matrices.blocks(params), before)
  rest = [
    {k: v for k, v in tree["layer_1"].items() if k.endswith("norm")}
    | {k: v for k, v in tree.items() if k != "layer_1"}
    for tree in (changed, params)
  ]
  jax.tree.map(np.testing.assert_array_equal, *rest)


if __name__ == "__main__":
  sys.exit(pytest.main([__file__]))
