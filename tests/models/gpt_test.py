"""The GPT: its equations, visibility, loops, types, cost and errors."""

import dataclasses
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raml_jax.models import attend
from raml_jax.models import blocks
from tests.models import gpt_oracle

B, T = 2, 7
make, random_params = gpt_oracle.make, gpt_oracle.random_params
quick, logits = gpt_oracle.quick, gpt_oracle.logits
tokens_BxT = gpt_oracle.random_tokens(B, T)


@pytest.mark.parametrize(
  "options",
  [
    {"positions": "learned"},
    {"positions": "rotary", "attention": "linear"},
    {"positions": "abacus", "layers": 1, "loops": 2},
  ],
)
def test_every_activation_equals_its_equation(x64, options):
  """Logits and every entry of aux agree with a transformer in NumPy."""
  model = make(**options)
  params = random_params(model, dtype=jnp.float64)
  out, aux, _ = quick(model.apply)(params, tokens_BxT)
  for b in range(B):
    want, records, final = gpt_oracle.forward(
      params, tokens_BxT[b], model.options
    )
    np.testing.assert_allclose(out[b], want, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(aux.final_BxTxC[b], final, rtol=1e-9, atol=1e-10)
    for record, got in zip(records, aux.blocks, strict=True):
      assert record.keys() == set(got._fields)
      for name, value in record.items():
        np.testing.assert_allclose(
          getattr(got, name)[b], value, rtol=1e-9, atol=1e-10, err_msg=name
        )


@pytest.mark.parametrize("kind", attend.WEIGHTS)
def test_a_token_sees_itself_and_its_past_only(kind):
  """Changing token s moves the outputs at t >= s and no other."""
  model = make(attention=kind)
  params = random_params(model)
  run = quick(lambda p, x: model.apply(p, x)[0])
  changed = jnp.broadcast_to(tokens_BxT[:1], (T, T))
  changed = changed + jnp.eye(T, dtype=jnp.int32)
  moved = jnp.abs(run(params, changed) - run(params, tokens_BxT[:1])).max(-1)
  np.testing.assert_array_equal(moved > 0, np.triu(np.ones((T, T), bool)))


@pytest.mark.parametrize("kind", attend.WEIGHTS)
@pytest.mark.parametrize("scheme", ["learned", "rotary"])
def test_a_hidden_token_is_a_removed_token_with_positions_kept(
  x64, scheme, kind
):
  """Hiding token 2 equals leaving it out and keeping the others' positions."""
  model = make(positions=scheme, attention=kind)
  params = random_params(model, dtype=jnp.float64)
  others = np.delete(np.arange(T), 2)
  visible = np.ones((1, T, T), bool)
  visible[:, others, 2] = False
  hidden = logits(model, params, tokens_BxT, visible=visible)[:, others]
  removed = logits(
    model, params, tokens_BxT[:, others], positions=jnp.asarray(others)[None]
  )
  np.testing.assert_allclose(hidden, removed, rtol=1e-10, atol=1e-10)
  shifted = logits(model, params, tokens_BxT[:, others])
  assert np.abs(shifted - removed)[:, 3:].max() > 1e-3
  full = logits(model, params, tokens_BxT)[:, others]
  np.testing.assert_array_equal(full[:, :2], hidden[:, :2])
  assert np.abs(full - hidden)[:, 3:].max() > 1e-3


def test_what_one_query_is_denied_others_still_see(x64):
  """Visibility is a matter of query and key, with a cache too."""
  model = make()
  params = random_params(model, dtype=jnp.float64)
  visible = np.ones((B, T, T), bool)
  visible[1, 5, 1:4] = False
  uncached = logits(model, params, tokens_BxT, visible=visible)

  def run(params, tokens):
    cache = model.cache(params, B, T)
    return model.apply(params, tokens, cache=cache, visible=visible)[0]

  np.testing.assert_allclose(
    quick(run)(params, tokens_BxT), uncached, rtol=1e-10, atol=1e-10
  )
  for b in range(B):
    want = gpt_oracle.forward(params, tokens_BxT[b], model.options, visible[b])[
      0
    ]
    np.testing.assert_allclose(uncached[b], want, rtol=1e-10, atol=1e-10)


def test_loops_are_layers_with_tied_weights(x64):
  """Two loops of two blocks are four blocks with the same weights twice.

  And the gradient of a tied block is the sum of those of its copies.
  """
  looped, deep = make(loops=2), make(layers=4)
  params = random_params(looped, dtype=jnp.float64)
  copies = params | {f"layer_{2 + l}": params[f"layer_{l}"] for l in range(2)}
  assert set(copies) == set(jax.eval_shape(deep.init, jax.random.key(0)))

  def loss(model):
    def of(params):
      return jnp.square(model.apply(params, tokens_BxT)[0]).mean()

    return quick(jax.value_and_grad(of))

  tied, d_tied = loss(looped)(params)
  free, d_free = loss(deep)(copies)
  np.testing.assert_allclose(tied, free, rtol=1e-12)
  total = jax.tree.map(jnp.add, d_free["layer_1"], d_free["layer_3"])
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-10),
    d_tied["layer_1"],
    total,
  )


def test_only_no_positions_ignores_the_order_of_the_past(x64):
  """The last output of one layer; deeper ones see order through causality."""
  swapped = tokens_BxT[:, np.array([3, 1, 2, 0, 4, 5, 6])]
  for scheme in ("none", "learned", "rotary"):
    model = make(positions=scheme, layers=1)
    params = random_params(model, dtype=jnp.float64)
    a, b = (logits(model, params, x)[:, -1] for x in (tokens_BxT, swapped))
    change = np.abs(a - b).max()
    assert change < 1e-10 if scheme == "none" else change > 1e-3


def test_rotary_logits_depend_on_distances_only(x64):
  model = make(positions="rotary")
  params = random_params(model, dtype=jnp.float64)
  near = logits(model, params, tokens_BxT)
  far = logits(model, params, tokens_BxT, positions=90 + jnp.arange(T)[None])
  np.testing.assert_allclose(far, near, rtol=1e-9, atol=1e-9)


def test_bfloat16_computes_in_bfloat16_and_answers_in_float32():
  """Params stay float32; logits are near, not equal, to those of float32."""
  exact, rough = make(), make(dtype="bfloat16")
  params = jax.jit(rough.init)(jax.random.key(0))
  assert {x.dtype for x in jax.tree.leaves(params)} == {jnp.dtype("float32")}
  out, aux, _ = quick(rough.apply)(params, tokens_BxT)
  assert aux.blocks[0].hidden_TxM.dtype == jnp.bfloat16
  assert aux.blocks[0].scores_HxTxL.dtype == out.dtype == jnp.float32
  assert rough.cache(params, 1, 4)["layers"][0]["k"].dtype == jnp.bfloat16
  want = logits(exact, params, tokens_BxT)
  assert 0 < np.square(out - want).mean() < 0.03**2 * np.square(want).mean()


@pytest.mark.parametrize("kernel", ["xla", "blocks"])
def test_a_kernel_gives_the_same_logits_and_scores(kernel):
  """On a CPU through the kernels that run there, for the wiring."""
  plain, fused = make(), make(kernel=kernel)
  params = random_params(plain)
  a, aux_a, _ = quick(plain.apply)(params, tokens_BxT)
  b, aux_b, _ = quick(fused.apply)(params, tokens_BxT)
  np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4),
    aux_a,
    aux_b,
  )


def test_what_is_not_used_costs_nothing(monkeypatch):
  """A program without aux is that of a model which never records anything."""
  model = make(layers=3, kernel="xla")
  params = random_params(model)

  def cost(output):
    def loss(params):
      logits, aux, _ = model.apply(params, tokens_BxT)
      return output(logits, aux)

    compiled = jax.jit(jax.value_and_grad(loss, has_aux=True))
    compiled = compiled.lower(params).compile()
    memory = compiled.memory_analysis()
    return (
      compiled.cost_analysis()["flops"],
      memory.temp_size_in_bytes,
      memory.output_size_in_bytes,
    )

  bare = lambda logits, _: (jnp.square(logits).sum(), 0)
  used = lambda logits, aux: (jnp.square(logits).sum(), aux)
  without, with_aux = cost(bare), cost(used)
  last = blocks.Activations._fields.index("output_TxC")
  monkeypatch.setattr(
    blocks,
    "Activations",
    lambda *fields: blocks_stub(fields[last]),
  )
  assert cost(bare) == without
  assert all(a > b for a, b in zip(with_aux[::2], without[::2]))


@dataclasses.dataclass
class blocks_stub:  # noqa: N801
  output_TxC: object


jax.tree_util.register_dataclass(blocks_stub)


def test_streams_can_be_kept_and_the_rest_computed_again():
  """Rematerialisation by name keeps one stream per block for the gradient."""
  layers, width = 3, 8
  model = make(layers=layers, width=width)
  params = random_params(model)
  policy = jax.checkpoint_policies.save_only_these_names("stream")

  def loss(params):
    return jnp.square(model.apply(params, tokens_BxT)[0]).mean()

  def kept(loss):
    residuals = jax.tree.leaves(
      jax.eval_shape(lambda p: jax.vjp(loss, p)[1], params)
    )
    return sum(x.size for x in residuals)

  size = sum(x.size for x in jax.tree.leaves(params))
  streams = layers * tokens_BxT.size * width
  assert kept(loss) > size + 10 * streams
  assert (
    kept(jax.checkpoint(loss, policy=policy))
    <= size + streams + 2 * tokens_BxT.size
  )


def test_equal_options_give_the_same_model():
  """So that compiled programs are shared."""
  assert make() is make() and make() is not make(loops=2)


@pytest.mark.parametrize(
  "options, message",
  [
    ({"heads": 3}, "heads: 3 does not divide width=8"),
    ({"positions": "alibi"}, "positions: 'alibi' must be one of .*abacus"),
    ({"attention": "mean"}, "attention: 'mean' must be one of .*linear"),
    ({"dtype": "int8"}, "dtype: 'int8' must be one of .*bfloat16"),
    ({"kernel": "best"}, "kernel: 'best' must be one of .*cudnn"),
    ({"positions": "rotary", "heads": 8}, "heads: 8 gives .* even for rotary"),
    ({"attention": "linear", "kernel": "xla"}, "kernel: 'xla' must be None"),
  ],
)
def test_errors_name_the_field_the_value_and_what_is_allowed(options, message):
  with pytest.raises(ValueError, match=message):
    make(**options)


def test_what_is_too_long_is_named():
  model = make(context=5)
  params = random_params(model)
  with pytest.raises(ValueError, match="context: 5 is too small for 7 tokens"):
    model.apply(params, tokens_BxT)
  cache = model.cache(params, B, 4)
  with pytest.raises(ValueError, match="slots: 4 is too small for 7 tokens"):
    model.apply(params, tokens_BxT, cache=cache)


if __name__ == "__main__":
  sys.exit(pytest.main([__file__]))
