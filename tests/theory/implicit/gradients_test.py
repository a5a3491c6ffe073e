"""The true gradients, and where the first form is parallel to one of them."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raml_jax.models import matrices
from raml_jax.theory.implicit import gradients
from raml_jax.theory.implicit import updates
from tests.models import gpt_oracle
from tests.theory.implicit import texts

KINDS = (gradients.of_loss, gradients.at_reads, gradients.layer_local)
COUNT = 6


@pytest.fixture
def setting(x64):
  """(model, params, example with one read-out, path of the first form)."""
  model = texts.make()
  params = texts.drawn(model, "random", jnp.float64)
  path, _ = texts.built(model, params, 1, "rank_one")
  path = jax.tree.map(lambda leaf: leaf[0], path)
  return model, params, texts.first(texts.asked(1)), path


@functools.cache
def _program(model):
  example = texts.first(texts.asked(1))
  run = lambda p: tuple(kind(model, p, example) for kind in KINDS)
  return gpt_oracle.quick(run)


def all_kinds(model, params):
  """(full, at the read-out, layer-local), for one read-out."""
  return _program(model)(params)


def numpy_loss(model, params, example, layers):
  """From the NumPy transformer's first blocks, on the short text."""
  options = dataclasses.replace(model.options, layers=layers)
  text = [int(t) for t in np.concatenate([example.question_Q, example.reads_R])]
  logits, _, _ = gpt_oracle.forward(
    params, example.tokens_L[np.array(text)], options, positions=np.array(text)
  )
  logits = logits[-1] - logits[-1].max()
  return np.log(np.exp(logits).sum()) - logits[int(example.targets_R[0])]


def test_gradients_are_those_of_finite_differences(setting):
  """Of the whole loss, and of the loss read out after each block."""
  model, params, example, _ = setting
  of_loss, _, local = all_kinds(model, params)
  rng = np.random.default_rng(0)
  for l, block in enumerate(matrices.blocks(params)):
    for name in ("w_1_CxM", "w_2_MxC", "b_2_C", "w_v_CxHxA", "w_q_CxHxA"):
      weight = getattr(block, name)
      way = rng.normal(size=weight.shape)
      step = 1e-5

      def off(sign, layers):
        new = block._replace(**{name: weight + sign * step * way})
        moved = matrices.with_block(params, l, new)
        return numpy_loss(model, moved, example, layers)

      for found, layers in ((of_loss, 2), (local, l + 1)):
        want = (off(1, layers) - off(-1, layers)) / (2 * step)
        got = float(np.sum(np.asarray(getattr(found[l], name)) * way))
        assert got == pytest.approx(want, rel=1e-6, abs=1e-8), (l, name, layers)


def test_read_out_gradients_are_what_full_ones_hold_beside_the_question(
  setting,
):
  """z delta^T, with the delta that a change which spares the question meets."""
  model, params, example, _ = setting
  full, reads, local = all_kinds(model, params)
  text = np.concatenate([example.question_Q, example.reads_R])
  _, records, _ = gpt_oracle.forward(
    params, example.tokens_L[text], model.options, positions=text
  )
  for l in range(2):
    g = np.asarray(reads[l].w_1_CxM)
    z, delta = records[l]["z_TxC"][-1], np.asarray(reads[l].b_1_M)
    np.testing.assert_allclose(g, np.outer(z, delta), atol=1e-12)
    assert np.linalg.matrix_rank(g, tol=1e-9 * np.linalg.norm(g)) == 1
    other = records[l]["z_TxC"][:-1]
    r = z - np.linalg.lstsq(other.T, z, rcond=None)[0] @ other
    dual = r / (r @ z)
    np.testing.assert_allclose(
      dual @ np.asarray(full[l].w_1_CxM), delta, atol=1e-10
    )
  # The question's share is no small matter below, and nothing at the top.
  apart = [np.abs(full[l].w_1_CxM - reads[l].w_1_CxM).max() for l in range(2)]
  assert apart[0] > 1e-3 and apart[1] < 1e-12
  np.testing.assert_allclose(local[1].w_1_CxM, reads[1].w_1_CxM, atol=1e-12)


def test_layer_local_gradients_do_not_know_the_blocks_above(setting):
  model, params, _, _ = setting
  top = matrices.blocks(params)[1]
  other = matrices.with_block(params, 1, top._replace(w_1_CxM=-top.w_1_CxM))
  full, _, local = all_kinds(model, params)
  full_2, _, local_2 = all_kinds(model, other)
  np.testing.assert_allclose(local[0].w_1_CxM, local_2[0].w_1_CxM, atol=1e-14)
  assert np.abs(full[0].w_1_CxM - full_2[0].w_1_CxM).max() > 1e-3


def cosine(a, b):
  return float(jnp.vdot(a, b) / jnp.linalg.norm(a) / jnp.linalg.norm(b))


def test_the_identity_holds_in_block_1_and_at_the_hybrid_point(setting):
  """cos(dW_1, -grad W_1) = cos(dz W_1, -delta), and fails elsewhere."""
  model, params, example, path = setting
  now = jax.tree.map(lambda leaf: leaf[COUNT], path)
  before = updates.at(params, path, COUNT - 1)
  step = jax.tree.map(lambda leaf: leaf[COUNT - 1], updates.increments(path))
  hybrid = gpt_oracle.quick(
    lambda now: gradients.hybrid(model, params, example, now)
  )(now)
  at_before = all_kinds(model, before)[1]
  at_theta = all_kinds(model, params)[1]

  def gap(change, lack_M, gradient):
    whole = cosine(change, -gradient.w_1_CxM)
    return whole - cosine(lack_M, -gradient.b_1_M)

  for l in range(2):
    dense, lack_M = updates.dense(now[l]).w_1_CxM, now[l].w_1.right_KxJ[0]
    assert abs(gap(dense, lack_M, hybrid[l])) < 1e-12
    assert (abs(gap(dense, lack_M, at_theta[l])) < 1e-12) == (l == 0)
    # The step of one token, at the parameters before it.
    dense, lack_M = updates.dense(step[l]).w_1_CxM, step[l].w_1.right_KxJ.sum(0)
    found = abs(gap(dense, lack_M, at_before[l]))
    assert found < 1e-12 if l == 0 else found > 1e-3


def test_losses_along_the_path_are_those_with_the_prefix_in_context(setting):
  model, params, example, path = setting
  run = gpt_oracle.quick(
    lambda path: updates.along(
      lambda p: gradients.loss(model, p, example), params, path
    )
  )
  got = run(path)
  for count in (0, 4, 12):
    logits = with_prefix(model, params, example, count)
    logits = logits[int(example.reads_R[0])]
    want = jax.nn.logsumexp(logits) - logits[int(example.targets_R[0])]
    assert float(got[count]) == pytest.approx(float(want), rel=1e-10)
  assert len({round(float(loss), 6) for loss in got}) == len(got)


def with_prefix(model, params, example, count):
  """Trajectory tokens beyond `count` cut out of the text."""
  places = np.concatenate(
    [
      example.question_Q,
      np.asarray(example.trajectory_T)[:count],
      example.reads_R,
    ]
  )
  logits, _, _ = gpt_oracle.forward(
    params, example.tokens_L[places], model.options, positions=places
  )
  out = np.zeros((len(example.tokens_L), logits.shape[-1]))
  out[places] = logits
  return jnp.asarray(out)


def test_whole_answers_have_gradients_of_every_form(x64):
  """Several read-outs, and a batch with fewer in one text."""
  model = texts.make(layers=1)
  params = texts.drawn(model, "random", jnp.float64)
  batch = texts.asked()

  def both(one):
    kinds = gradients.at_reads, gradients.layer_local
    return [kind(model, params, one)[0].b_2_C for kind in kinds]

  run = gpt_oracle.quick(jax.vmap(both))
  reads, local = run(batch)
  np.testing.assert_allclose(reads, local, atol=1e-12)
  # The second text has one read-out: what stands behind it has no say.
  other = dataclasses.replace(batch, targets_R=batch.targets_R.at[1, 1].add(3))
  again, _ = run(other)
  np.testing.assert_array_equal(reads[1], again[1])


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
