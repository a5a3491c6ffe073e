"""theta'_i without the trajectory computes what theta does with i tokens."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raml_jax.models import matrices
from raml_jax.theory.implicit import exactness
from raml_jax.theory.implicit import examples
from raml_jax.theory.implicit import paths
from raml_jax.theory.implicit import updates
from tests.models import gpt_oracle
from tests.theory.implicit import texts

BOUND = {jnp.float64: 1e-10, jnp.float32: 1e-5}


def check(options, reads, form, dtype):
  """Every prefix, every block, both texts, untrained and random params."""
  model = texts.make(**options)
  for kind in ("init", "random"):
    params = texts.drawn(model, kind, dtype)
    _, errors = texts.built(model, params, reads, form)
    assert errors.streams_PxK.dtype == dtype
    worst = jax.tree.map(lambda leaf: float(leaf.max()), errors)
    assert worst.logits_P < BOUND[dtype], (kind, worst)
    assert worst.streams_PxK < BOUND[dtype], (kind, worst)
    moved = max(worst.question_logits_P, worst.question_streams_PxK)
    if form == "preserving":
      assert moved < BOUND[dtype], (kind, worst)
    else:
      assert moved > 0.01, (kind, worst)


@pytest.mark.parametrize(
  "options, reads, form",
  [
    ({}, 1, "rank_one"),
    ({}, None, "preserving"),
    ({}, None, "value"),
    ({"positions": "rotary"}, None, "preserving"),
    ({"positions": "none", "layers": 3}, 1, "rank_one"),
    (
      {"attention": "linear", "positions": "abacus", "layers": 1},
      None,
      "value",
    ),
  ],
)
def test_read_outs_and_streams_are_reproduced_to_1e_10(
  x64, options, reads, form
):
  """And the question stays as it is in the preserving form, in no other."""
  check(options, reads, form, jnp.float64)


@pytest.mark.parametrize("reads, form", [(1, "rank_one"), (None, "preserving")])
def test_in_float32_they_are_reproduced_to_1e_5(reads, form):
  check({}, reads, form, jnp.float32)


@pytest.mark.parametrize("reads, form", [(1, "rank_one"), (None, "preserving")])
def test_wrong_updates_do_not_pass_the_check(x64, reads, form):
  """One of the wrong sign, one block left out, a prefix one token too short."""
  model = texts.make()
  params = texts.drawn(model, "init", jnp.float64)
  batch = texts.asked(reads)
  prefix_P = jnp.asarray(examples.token_prefixes(batch))
  path = jax.tree.map(
    lambda leaf: leaf[0], texts.built(model, params, reads, form)[0]
  )
  run = gpt_oracle.quick(
    lambda path: exactness.errors(
      model, params, texts.first(batch), prefix_P, path
    )
  )
  assert float(run(path).logits_P.max()) < 1e-10
  none, whole = jax.tree.map(jnp.zeros_like, path), range(2)
  wrong = {
    "sign": tuple(_turned(update) for update in path),
    "late": jax.tree.map(lambda leaf: jnp.roll(leaf, 1, axis=0), path),
  }
  for l in whole:
    wrong[f"no block {l}"] = tuple(
      none[k] if k == l else path[k] for k in whole
    )
  for name, other in wrong.items():
    errors = run(other)
    assert float(errors.logits_P[1:].min()) > 1e-4, name
    assert float(errors.streams_PxK[1:, -1].min()) > 1e-4, name


def _turned(update):
  def one(part):
    if isinstance(part, updates.Factors):
      return part._replace(right_KxJ=-part.right_KxJ)
    return -part

  is_leaf = lambda part: isinstance(part, updates.Factors)
  return jax.tree.map(one, update, is_leaf=is_leaf)


def _oracle(model, params, example, count):
  """(logits, records) of the NumPy transformer, `count` tokens in context."""
  seen = np.array(examples.visible(example, count))
  logits, records, _ = gpt_oracle.forward(
    params, example.tokens_L, model.options, seen
  )
  return logits, records


def test_updates_are_the_formulas_block_by_block(x64):
  """Both forms against NumPy, each block under the updates below it."""
  model = texts.make()
  params = texts.drawn(model, "random", jnp.float64)
  example, count = texts.first(texts.asked()), 5
  question = list(np.asarray(example.question_Q))
  _, wanted = _oracle(model, params, example, count)
  for reads, form in ((1, "rank_one"), (2, "preserving")):
    read = list(np.asarray(example.reads_R)[:reads])
    path, _ = texts.built(model, params, reads if reads == 1 else None, form)
    path = jax.tree.map(lambda leaf: leaf[0, count], path)
    for l in range(2):
      below = updates.moved(params, path[:l])
      _, found = _oracle(model, below, example, 0)
      w_1 = np.asarray(matrices.blocks(params)[l].w_1_CxM)
      z = found[l]["z_TxC"]
      dz = wanted[l]["z_TxC"][read] - z[read]
      da = wanted[l]["middle_TxC"][read] - found[l]["middle_TxC"][read]
      got = updates.dense(path[l])
      if form == "rank_one":
        np.testing.assert_allclose(got.b_2_C, da[0], atol=1e-9)
        z = z[read[0]]
        np.testing.assert_allclose(
          got.w_1_CxM, np.outer(z, dz[0] @ w_1) / (z @ z), atol=1e-9
        )
        assert got.w_2_MxC is None and got.w_v_CxHxA is None
        continue
      # dW [Z_question, Z_answer] = [0, dZ_answer W], of least norm.
      columns = np.linalg.pinv(z[question + read])[:, len(question) :]
      np.testing.assert_allclose(got.w_1_CxM, columns @ dz @ w_1, atol=1e-9)
      # s is what a read-out has with the trajectory; the question's stays.
      s = found[l]["hidden_TxM"].copy()
      s[read] = wanted[l]["hidden_TxM"][read]
      columns = np.linalg.pinv(s[question + read])[:, len(question) :]
      np.testing.assert_allclose(got.w_2_MxC, columns @ da, atol=1e-9)
      assert got.b_2_C is None


def test_full_parameters_serve_an_independent_transformer(x64):
  """theta'_i in NumPy, trajectory hidden, gives the logits of i tokens."""
  model = texts.make()
  params = texts.drawn(model, "random", jnp.float64)
  example = texts.first(texts.asked())
  path = jax.tree.map(
    lambda leaf: leaf[0], texts.built(model, params, None, "preserving")[0]
  )
  reads = np.asarray(example.reads_R)
  plain, _ = _oracle(model, params, example, 0)
  for count in (0, 1, 7, 12):
    wanted, _ = _oracle(model, params, example, count)
    moved = updates.at(params, path, count)
    got, _ = _oracle(model, moved, example, 0)
    np.testing.assert_allclose(got[reads], wanted[reads], atol=1e-10)
    question = np.asarray(example.question_Q)
    np.testing.assert_allclose(got[question], plain[question], atol=1e-10)
    assert (np.abs(wanted - plain)[reads].max() > 0.1) == (count > 0)


def test_increments_lead_from_each_prefix_to_the_next(x64):
  model = texts.make()
  params = texts.drawn(model, "init", jnp.float64)
  for reads, form in ((1, "rank_one"), (None, "preserving"), (None, "value")):
    path, _ = texts.built(model, params, reads, form)
    path = jax.tree.map(lambda leaf: leaf[0], path)
    for update, step in zip(path, updates.increments(path)):
      total, change = updates.dense(update), updates.dense(step)
      for name, whole, part in zip(total._fields, total, change):
        assert (whole is None) == (part is None)
        if whole is not None:
          assert not np.any(whole[0]), name
          np.testing.assert_allclose(part, np.diff(whole, axis=0), atol=1e-12)


def test_a_chained_path_ends_alike_and_goes_another_way(x64):
  """Equal in the first block, where z never moves; apart above it; exact."""
  model = texts.make()
  params = texts.drawn(model, "init", jnp.float64)
  example = texts.first(texts.asked(1))
  prefix_P = jnp.arange(1, 7)
  steps = gpt_oracle.quick(
    lambda p: paths.chained(model, p, example, prefix_P, "rank_one")
  )(params)
  path, _ = texts.built(model, params, 1, "rank_one")
  path = jax.tree.map(lambda leaf: leaf[0, :7], path)
  total = [jnp.cumsum(updates.dense(u).w_1_CxM, axis=0) for u in steps]
  plain = [updates.dense(u).w_1_CxM[1:] for u in path]
  np.testing.assert_allclose(total[0], plain[0], atol=1e-12)
  apart = jnp.linalg.norm((total[1] - plain[1])[-1]) / jnp.linalg.norm(
    plain[1][-1]
  )
  assert 0.001 < float(apart) < 1.0
  moved = params
  for p in range(len(prefix_P)):
    moved = updates.at(moved, steps, p)
  wanted, _ = _oracle(model, params, example, int(prefix_P[-1]))
  got, _ = _oracle(model, moved, example, 0)
  read = int(example.reads_R[0])
  np.testing.assert_allclose(got[read], wanted[read], atol=1e-10)


def test_a_question_longer_than_the_width_is_moved(x64):
  """Q + R = 7 rows in a width of 6: least squares, and the error is told.

  W_2 still serves the read-outs while the hidden width is larger than that.
  """
  params = functools.partial(texts.drawn, kind="random", dtype=jnp.float64)
  for mlp in (4, 1):
    model = texts.make(width=6, mlp=mlp, positions="none", layers=1)
    _, errors = texts.built(model, params(model), None, "preserving")
    worst = float(errors.logits_P[0, 1:].max())
    assert worst < 1e-10 if mlp == 4 else worst > 1e-3
    assert float(errors.question_logits_P[0].max()) > 1e-3
    for leaf in errors:
      assert float(leaf[0, 0].max()) < 1e-10
      # The second text has five rows, and they are all served.
      assert float(leaf[1].max()) < 1e-9


def test_what_no_path_is_for_is_refused():
  example = texts.first(texts.asked())
  for options, form, message in (
    ({"loops": 2}, "preserving", "loops: 2 must be 1"),
    ({}, "rank_one", "reads: 2 must be 1"),
    ({"mlp": 0}, "preserving", "mlp: 0 must be at least 1"),
    ({"dtype": "bfloat16"}, "value", "dtype: 'bfloat16' must be"),
    ({}, "rank_two", "form: 'rank_two' must be one of"),
  ):
    with pytest.raises(ValueError, match=message):
      paths.path(texts.make(**options), {}, example, jnp.arange(2), form)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
