"""What the study measures is what it says."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.configs import maml_vs_cot_arithmetic_smoke
from raml_jax.config import maml_vs_cot_arithmetic as config_lib
from raml_jax.inner import optimizers
from raml_jax.studies.maml_vs_cot_arithmetic import changes
from raml_jax.studies.maml_vs_cot_arithmetic import evaluate
from raml_jax.studies.maml_vs_cot_arithmetic import states
from raml_jax.studies.maml_vs_cot_arithmetic import texts
from raml_jax.tasks import vocab
from raml_jax.theory.implicit import gradients
from raml_jax.training import sequences
from tests.models import gpt_oracle

LAYOUT = sequences.Layout(45, 26, 2)
# Wide enough for implied changes to be exact: 25 tokens constrain them.
MODEL = gpt_oracle.make(layers=2, width=32, context=51)
DESCENT = sequences.Descent(MODEL, optimizers.per_tensor(0.2), LAYOUT)


@functools.cache
def _config():
  return config_lib.parse(maml_vs_cot_arithmetic_smoke.get_config().to_dict())


@functools.cache
def _asked():
  return texts.ask(_config(), "test", "tests", 6, LAYOUT)


@functools.cache
def _theta():
  return DESCENT.init(jax.random.key(0), gpt_oracle.random_params(MODEL))


def _one(kind, b=0):
  return jax.tree.map(lambda a: jnp.asarray(a[b]), _asked().texts[kind])


def _lines(one):
  return vocab.decode(np.asarray(one.tokens_L)[np.asarray(one.line_L) > 0])


def test_trajectories_differ_in_their_lines_alone_and_as_they_should():
  asked = _asked()
  for b in range(6):
    own = _one("own", b)
    for kind in config_lib.KINDS:
      one = _one(kind, b)
      outside = np.asarray(own.line_L) == 0
      np.testing.assert_array_equal(
        one.tokens_L[outside], own.tokens_L[outside]
      )
      np.testing.assert_array_equal(one.line_L, own.line_L)
    lines = {kind: _lines(_one(kind, b)) for kind in config_lib.KINDS}
    assert lines["own"] not in [lines[k] for k in config_lib.KINDS[1:]]
    first, second = lines["own"].removesuffix(".").split("\n")
    assert lines["shuffled"] == f"{second}\n{first}."
    assert set(lines["filler"]) == {vocab.FILLER, "."}
    assert len(lines["random"]) == len(lines["own"])
  others = {_lines(_one("own", b)) for b in range(6)}
  assert sum(_lines(_one("other", b)) in others for b in range(6)) >= 3
  assert asked.first("own", 2).tokens_L.shape[0] == 2


def test_where_every_token_is_a_line_the_same_trajectories_are_asked():
  layout = LAYOUT._replace(lines=24, unit="token")
  asked = texts.ask(_config(), "test", "tests", 6, layout)
  for kind, found in asked.texts.items():
    usual = _asked().texts[kind]
    np.testing.assert_array_equal(found.tokens_L, usual.tokens_L)
    np.testing.assert_array_equal(found.line_L > 0, usual.line_L > 0)
    np.testing.assert_array_equal(found.line_L.max(1), 24)


def test_the_same_questions_for_a_purpose_and_others_for_another():
  again = texts.ask(_config(), "test", "tests", 6, LAYOUT)
  other = texts.ask(_config(), "test", "others", 6, LAYOUT)
  for kind in config_lib.KINDS:
    np.testing.assert_array_equal(
      again.texts[kind].tokens_L, _asked().texts[kind].tokens_L
    )
  assert (other.texts["own"].tokens_L != again.texts["own"].tokens_L).any()


@functools.cache
def _found(kind):
  one = gpt_oracle.quick(
    lambda theta, own, tried: evaluate.found(DESCENT, theta, own, tried, 2)
  )
  return one(_theta(), _one("own"), _one(kind))


def test_both_modes_are_the_losses_of_the_library():
  found, own = _found("own"), _one("own")
  seen = gpt_oracle.quick(functools.partial(sequences.seen, MODEL))
  start = _theta()["start"]
  moved_K = gpt_oracle.quick(DESCENT.iterates)(_theta(), own)
  for k in range(3):
    logits_LxV, _ = seen(start, own, k)
    np.testing.assert_allclose(
      found.loss_MxP[0, k], sequences.answer_loss(logits_LxV, own), rtol=1e-5
    )
    if k:
      params = jax.tree.map(lambda a, k=k: a[k - 1], moved_K)
      logits_LxV, _ = seen(params, own, 0)
      np.testing.assert_allclose(
        found.loss_MxP[1, k], sequences.answer_loss(logits_LxV, own), rtol=1e-4
      )
  loss = gpt_oracle.quick(DESCENT.loss)(_theta(), own)
  np.testing.assert_allclose(found.loss_MxP[1, 2], loss, rtol=1e-4)


def test_similarity_is_that_of_the_states_it_keeps():
  """In both forms: a wrong trajectory descended, and which one in context."""
  own, wrong = (np.float64(_found(k).stream_PxKxRxC) for k in ("own", "false"))
  plain, own_context, inner = own[:1], own[1:3], wrong[3:]

  def cosine(a, b):
    return (a * b).sum(-1) / np.sqrt((a**2).sum(-1) * (b**2).sum(-1))

  for form, context in (("apart", own_context), ("both", wrong[1:3])):
    expected = cosine(context - plain, inner - plain).mean(-1)
    got = getattr(_found("false"), form).stream_K
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-5)
  for one, two in zip(_found("own").both, _found("own").apart):
    np.testing.assert_array_equal(one, two)


@functools.cache
def _changed(steps):
  """One question's changes, inner steps of one size for all tensors."""
  example = changes.asked_examples(_asked().written["own"])
  example = jax.tree.map(lambda a: jnp.asarray(a[0]), example)
  tried_J = jax.tree.map(
    lambda *leaves: jnp.stack(leaves), *(_one(kind) for kind in changes.KINDS)
  )
  theta = {
    "start": _theta()["start"],
    "meta": jax.tree.map(lambda a: jnp.full_like(a, steps), _theta()["meta"]),
  }
  find = gpt_oracle.quick(functools.partial(changes.found, DESCENT))
  return find(theta, example, tried_J, jax.random.key(0)), example, tried_J


def test_implied_changes_do_what_context_does():
  found, _, _ = _changed(0.2)
  assert found.off < 1e-4


def test_first_changes_by_inner_steps_are_gradients_of_the_support_loss():
  """And so their cosines are those of NumPy, matrix by matrix."""
  found, example, tried_J = _changed(1e-3)
  own = jax.tree.map(lambda a: a[0], tried_J)
  slope = gpt_oracle.quick(
    jax.grad(lambda p: sequences.support_loss(MODEL, p, own, 1, LAYOUT.support))
  )(_theta()["start"])
  path = gpt_oracle.quick(
    lambda p: changes.paths.path(
      MODEL, p, example, jnp.array([12]), "preserving"
    )
  )(_theta()["start"])
  for n in range(2):
    update = changes.updates.dense(path[n])
    pairs = (
      (update.w_1_CxM[0], slope[f"layer_{n}"]["up"]["kernel"]),
      (update.w_2_MxC[0], slope[f"layer_{n}"]["down"]["kernel"]),
    )
    u, g = (
      np.concatenate([np.float64(pair[i]).ravel() for pair in pairs])
      for i in range(2)
    )
    expected = -u @ g / np.sqrt((u @ u) * (g @ g))
    np.testing.assert_allclose(
      found.cosine_JxKxN[0, 0, n], expected, rtol=2e-2, atol=2e-4
    )
    np.testing.assert_allclose(
      found.size_JxKxN[0, 0, n],
      1e-3 * np.sqrt((g @ g) / (u @ u)),
      rtol=2e-2,
    )


def test_the_end_sign_is_read_out_as_the_last_token_of_the_answer():
  example = changes.asked_examples(_asked().written["own"])
  one = jax.tree.map(lambda a: a[0], example)
  reads = one.reads_R[one.reads_R >= 0]
  np.testing.assert_array_equal(
    reads, np.flatnonzero(np.asarray(_one("own").answer_L)) - 1
  )
  loss = gpt_oracle.quick(
    lambda p: gradients.loss(MODEL, p, jax.tree.map(jnp.asarray, one))
  )(_theta()["start"])
  np.testing.assert_allclose(loss, _found("own").loss_MxP[0, 0], rtol=1e-4)


def test_cka_of_modes_pairs_questions_and_seeds():
  """A second arm whose states are those of the first, turned."""
  config = _config()
  rng = np.random.default_rng(0)
  stream = rng.normal(size=(2, 40, 5, 1, 2, 6))
  turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
  found = states.compared(
    config,
    {
      "one": {"stream_SxBxPxKxRxC": stream},
      "two": {"stream_SxBxPxKxRxC": 3 * stream @ turn},
    },
  )
  names = list(found["names_N"])
  i, j = names.index("one/inner"), names.index("two/inner")
  np.testing.assert_allclose(found["cka_SxLxKxNxN"][..., i, j], 1.0)
  assert (found["floor_SxLxKxNxN"][..., i, j] < 0.6).all()
  assert np.isnan(found["across_SxLxKxNxN"][..., i, j]).all()
  assert (found["across_SxLxKxNxN"][..., i, i] < 0.6).all()


def test_changes_of_states_are_those_of_their_mode():
  stream = np.arange(5.0)[None, :, None, None, None] * np.ones((3, 5, 2, 2, 4))
  context = states.changes(stream, "context")
  assert context.shape == (2, 2, 2, 3, 4)
  np.testing.assert_array_equal(context[:, 0, 0, 0, 0], [1, 2])
  inner = states.changes(stream, "inner")
  np.testing.assert_array_equal(inner[:, 0, 0, 0, 0], [3, 4])


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
