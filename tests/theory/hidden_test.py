"""Measures of likeness: closed cases, and the same numbers in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raml_jax.tasks.arithmetic import formats
from raml_jax.tasks.arithmetic import questions
from raml_jax.theory import hidden
from raml_jax.training import sequences
from tests.models import gpt_oracle

MODEL = gpt_oracle.make(context=51)


def _states(seed, blocks=2, reads=3):
  rng = np.random.default_rng(seed)
  draw = lambda *shape: jnp.asarray(rng.normal(size=shape))
  return hidden.States(
    draw(blocks, reads, 8), draw(blocks, reads, 8), draw(blocks, 2, reads, 5)
  )


def _add(one, two, factor=1.0):
  return jax.tree.map(lambda a, b: a + factor * b, one, two)


def test_cosines_of_changes_are_those_of_numpy(x64):
  one, two, plain = map(_states, range(3))
  found = hidden.similarity(one, two, plain)
  u, v, p = (np.asarray(s.attention_KxRxC) for s in (one, two, plain))
  u, v = u - p, v - p
  cosine = (u * v).sum(-1) / np.sqrt((u**2).sum(-1) * (v**2).sum(-1))
  np.testing.assert_allclose(found.attention_K, cosine.mean(1), rtol=1e-12)
  u, v, p = (np.asarray(s.scores_KxHxRxL) for s in (one, two, plain))
  u, v = u - p, v - p
  cosine = (u * v).sum(-1) / np.sqrt((u**2).sum(-1) * (v**2).sum(-1))
  np.testing.assert_allclose(found.scores_K, cosine.mean((1, 2)), rtol=1e-12)


@pytest.mark.parametrize("factor, expected", [(3.0, 1.0), (-0.5, -1.0)])
def test_equal_changes_of_any_size_score_one_opposite_ones_minus_one(
  factor, expected, x64
):
  plain, change = _states(0), _states(1)
  found = hidden.similarity(
    _add(plain, change), _add(plain, change, factor), plain
  )
  for leaf in found:
    np.testing.assert_allclose(leaf, expected, rtol=1e-12)


def test_orthogonal_changes_score_zero_though_states_are_alike(x64):
  plain = jax.tree.map(lambda a: 100.0 + 0.0 * a, _states(0))
  e = jax.tree.map(lambda a: jnp.zeros_like(a).at[..., 0].set(1.0), plain)
  f = jax.tree.map(lambda a: jnp.zeros_like(a).at[..., 1].set(1.0), plain)
  for leaf in hidden.similarity(_add(plain, e), _add(plain, f), plain):
    np.testing.assert_allclose(leaf, 0.0, atol=1e-12)


def test_no_change_has_no_direction():
  plain, other = _states(0), _states(1)
  for leaf in hidden.similarity(plain, other, plain):
    assert np.isnan(leaf).all()


def test_context_changes_no_scores_in_the_first_block_and_all_else():
  written = formats.write(questions.Pair("+", 48, 95), "simplified")
  one = sequences.text(written.trajectory(51))
  params = gpt_oracle.random_params(MODEL)
  places_R = hidden.reads(one, 3)
  np.testing.assert_array_equal(
    places_R, np.flatnonzero(np.asarray(one.answer_L))[:3] - 1
  )
  plain, context = (
    hidden.states(sequences.seen(MODEL, params, one, lines)[1], one, places_R)
    for lines in (0, 2)
  )
  change = jax.tree.map(lambda a, b: np.abs(a - b).max((1, 2)), plain, context)
  assert (np.asarray(change.stream_KxRxC) > 1e-3).all()
  assert (np.asarray(change.attention_KxRxC) > 1e-3).all()
  scores = np.abs(plain.scores_KxHxRxL - context.scores_KxHxRxL).max((1, 2, 3))
  assert scores[0] == 0 < scores[1]
  hidden_L = np.asarray(one.line_L) > 0
  assert (np.asarray(context.scores_KxHxRxL)[..., hidden_L] == 0).all()


def test_rec2ftp_counts_what_was_mended():
  plain = [0, 0, 0, 0, 1, 1]
  tuned = [1, 1, 1, 0, 1, 0]
  context = [1, 0, 1, 1, 1, 1]
  assert hidden.rec2ftp(plain, tuned, context) == 2 / 3
  assert np.isnan(hidden.rec2ftp([1, 1], [1, 1], [1, 0]))


def _hsic_cka(x, y):
  """By the kernels: HSIC(X, Y) / sqrt(HSIC(X, X) HSIC(Y, Y))."""
  n = len(x)
  center = np.eye(n) - np.ones((n, n)) / n
  k, l = (center @ (a @ a.T) @ center for a in (x, y))
  return np.sum(k * l) / np.sqrt(np.sum(k * k) * np.sum(l * l))


def test_cka_is_the_alignment_of_centred_kernels():
  rng = np.random.default_rng(0)
  x, y = rng.normal(size=(40, 5)), rng.normal(size=(40, 7))
  y[:, 0] += 2 * x[:, 0]
  np.testing.assert_allclose(hidden.cka(x, y), _hsic_cka(x, y), rtol=1e-10)


def test_cka_does_not_see_rotation_scale_and_shift_but_pairing():
  rng = np.random.default_rng(1)
  x = rng.normal(size=(500, 6)) * np.arange(1, 7)
  turn, _ = np.linalg.qr(rng.normal(size=(6, 6)))
  np.testing.assert_allclose(hidden.cka(x, 7 * x @ turn + 3), 1, rtol=1e-10)
  assert hidden.cka(x, x[rng.permutation(500)]) < 0.05
  assert np.isnan(hidden.cka(x, np.ones((500, 6))))


def test_a_probe_is_ridge_regression_on_standardised_states():
  rng = np.random.default_rng(2)
  x, labels = rng.normal(2.0, 3.0, size=(60, 4)), rng.integers(3, size=60)
  ridge = 0.3
  found = hidden.probe(x, labels, 3, ridge)
  z = (x - x.mean(0)) / x.std(0)
  y = np.eye(3)[labels]
  # Least squares on data with the penalty as rows of its own.
  rows = np.vstack([z, np.sqrt(ridge * 60) * np.eye(4)])
  goal = np.vstack([y - y.mean(0), np.zeros((4, 3))])
  w = np.linalg.lstsq(rows, goal, rcond=None)[0]
  np.testing.assert_allclose(found.w_CxV, w, rtol=1e-8, atol=1e-12)
  right = (z @ w + y.mean(0)).argmax(1) == labels
  assert hidden.accuracy(found, x, labels) == right.mean()


def test_a_probe_finds_what_is_there_and_nothing_else():
  rng = np.random.default_rng(3)
  labels = rng.integers(4, size=400)
  x = rng.normal(size=(400, 9)) + 5 * np.eye(9)[labels]
  found = hidden.probe(x[:200], labels[:200], 4, 0.01)
  assert hidden.accuracy(found, x[200:], labels[200:]) > 0.97
  noise = rng.normal(size=(400, 9))
  found = hidden.probe(noise[:200], labels[:200], 4, 0.01)
  assert hidden.accuracy(found, noise[200:], labels[200:]) < 0.4


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
