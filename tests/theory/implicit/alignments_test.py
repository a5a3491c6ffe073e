"""Moments of a token's update are those of the two vectors, made by hand.

What builds paths and gradients has tests of its own (`paths_test`,
`gradients_test`); here the vectors are NumPy's, in float64.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raml_jax.models import matrices
from raml_jax.theory import alignment
from raml_jax.theory.implicit import alignments
from raml_jax.theory.implicit import descent
from raml_jax.theory.implicit import gradients
from raml_jax.theory.implicit import paths
from raml_jax.theory.implicit import rivals
from raml_jax.theory.implicit import updates
from tests.models import gpt_oracle
from tests.theory.implicit import texts

FORM = "preserving"
PREFIX = (0, 3, 4, 7)  # The second text has no more tokens than that.


@pytest.fixture(scope="module")
def measured():
  """(model, params, examples, noise, what was measured), in float64."""
  with jax.enable_x64(True):
    model = texts.make()
    params = texts.drawn(model, "random", jnp.float64)
    batch = texts.asked()
    noise = alignments.noise(
      jax.random.key(3), alignments.shapes(params, FORM, len(PREFIX) - 1)
    )
    run = gpt_oracle.quick(
      lambda p, b, n: alignments.batch(
        model, p, b, jnp.array(PREFIX), FORM, alignments.YARDSTICKS, n
      )
    )
    found = jax.tree.map(np.asarray, run(params, batch, noise))
    return model, params, batch, noise, found


@pytest.fixture(scope="module")
def vectors(measured):
  """Of the first example: increments and slopes, lists of NumPy arrays."""
  model, params, batch, _, _ = measured
  with jax.enable_x64(True):
    one = texts.first(batch)

    def both(one):
      path = paths.path(model, params, one, jnp.array(PREFIX), FORM)
      dense = tuple(map(updates.dense, path))
      slopes = updates.along(
        lambda p: gradients.of_loss(model, p, one), params, path
      )
      return dense, slopes

    return jax.tree.map(np.asarray, gpt_oracle.quick(both)(one))


def test_moments_are_inner_products_of_update_and_descent(measured, vectors):
  """dM_i = theta'_i - theta'_(i-1), against -grad L at theta'_(i-1)."""
  found, (dense, slopes) = measured[-1], vectors
  for k in range(2):
    for w, name in enumerate(alignments.MATRICES[FORM]):
      step = np.diff(getattr(dense[k], name), axis=0)
      slope = -getattr(slopes[k], name)[:-1]
      want = {
        "update": (step**2).sum((1, 2)),
        "both": (step * slope).sum((1, 2)),
        "slope": (slope**2).sum((1, 2)),
      }
      got = {
        "update": found.update_TxKxW[0, :, k, w],
        "both": found.both["full"][0, :, k, w],
        "slope": found.slope["full"][0, :, k, w],
      }
      for key, values in want.items():
        np.testing.assert_allclose(got[key], values, rtol=1e-7, err_msg=key)


def test_the_constrained_slope_is_the_steepest_that_spares_the_question(
  measured,
):
  """It is orthogonal to what the question feeds in, and loses only that."""
  model, params, batch, _, _ = measured
  with jax.enable_x64(True):
    one = texts.first(batch)

    def both(one):
      path = paths.path(model, params, one, jnp.array(PREFIX), FORM)
      return alignments.slopes_along(
        model, params, one, path, FORM, ("full", "constrained")
      )

    found = jax.tree.map(np.asarray, gpt_oracle.quick(both)(one))
  text = np.concatenate([one.question_Q, one.reads_R])
  _, records, _ = gpt_oracle.forward(
    params, np.asarray(one.tokens_L)[text], model.options, positions=text
  )
  questions = len(one.question_Q)
  for k in range(2):
    for w, name in enumerate(("z_TxC", "hidden_TxM")):
      rows = np.asarray(records[k][name])[:questions]
      onto = np.linalg.pinv(rows) @ rows
      full, kept = (found[way][k][w] for way in ("full", "constrained"))
      want = full - np.einsum("ij,tjm->tim", onto, full)
      np.testing.assert_allclose(kept, want, atol=1e-9 * np.abs(full).max())
      # And it is a part of it that matters, neither nothing nor all.
      share = (kept**2).sum() / (full**2).sum()
      assert 1e-4 < share < 1 - 1e-4


def test_stand_ins_meet_the_same_slopes(measured):
  """The other example's update, and noise of the same length."""
  *_, noise, found = measured
  other = found.stand_ins["other"]
  np.testing.assert_allclose(other.update, found.update_TxKxW[::-1], rtol=1e-12)
  for name, slope in found.slope.items():
    np.testing.assert_allclose(other.slope[name], slope, rtol=1e-12)
  # Cauchy and Schwarz, and not the own update.
  for name, both in other.both.items():
    limit = np.sqrt(other.update * other.slope[name])
    assert (np.abs(both) <= limit * (1 + 1e-9)).all()
    assert np.abs(both - found.both[name]).max() > 1e-6
  random = found.stand_ins["random"]
  np.testing.assert_allclose(random.update, found.update_TxKxW, rtol=1e-9)


def test_losses_are_those_along_the_path(measured):
  model, params, batch, _, found = measured
  with jax.enable_x64(True):
    run = gpt_oracle.quick(
      jax.vmap(lambda one: gradients.loss(model, params, one))
    )
    np.testing.assert_allclose(found.loss_P[:, 0], run(batch), rtol=1e-10)
  assert np.abs(np.diff(found.loss_P)).min() > 1e-6


def test_planted_updates_are_found_along_across_and_against(measured):
  """Steps of true descent have cosine 1 through the same functions."""
  model, params, batch, noise, _ = measured
  with jax.enable_x64(True):
    one = texts.first(batch)

    def both(one):
      path = paths.path(model, params, one, jnp.array(PREFIX), FORM)
      slopes = alignments.slopes_along(
        model, params, one, path, FORM, ("full",)
      )["full"]
      turned = jax.tree.map(lambda s: -0.3 * s, slopes)
      return (
        alignments.moments(jax.tree.map(lambda s: 0.3 * s, slopes), slopes),
        alignments.moments(turned, slopes),
      )

    along, against = jax.tree.map(np.asarray, gpt_oracle.quick(both)(one))
  np.testing.assert_allclose(alignment.cosine(along), 1.0, atol=1e-9)
  np.testing.assert_allclose(alignment.cosine(against), -1.0, atol=1e-9)
  np.testing.assert_allclose(alignment.step(along), 0.3, rtol=1e-9)


def test_descent_lowers_the_loss_by_what_its_gradient_says(measured):
  """A small step drops it by h |grad|^2; one of unit length by l |grad|."""
  model, params, batch, _, _ = measured
  with jax.enable_x64(True):
    one = texts.first(batch)
    small = jnp.full(2, 1e-6)

    def run(one):
      gradient = alignments.chosen(gradients.of_loss(model, params, one), FORM)
      return (
        descent.losses(model, params, one, FORM, small, False),
        descent.losses(model, params, one, FORM, small, True),
        descent.length(gradient),
      )

    plain_P, unit_P, length = map(np.asarray, gpt_oracle.quick(run)(one))
  assert plain_P[0] - plain_P[1] == pytest.approx(1e-6 * length**2, rel=1e-3)
  assert unit_P[0] - unit_P[1] == pytest.approx(1e-6 * length, rel=1e-3)
  assert unit_P[2] < unit_P[1] < unit_P[0]


def test_random_steps_lead_where_their_sum_leads(measured):
  model, params, batch, noise, _ = measured
  with jax.enable_x64(True):
    one = texts.first(batch)
    length_T = jnp.array([0.1, 0.2, 0.3])

    def run(one):
      losses = descent.astray(model, params, one, FORM, length_T, noise)
      size_T = length_T / jax.vmap(descent.length)(noise)
      moved = jax.tree.map(lambda n: jnp.einsum("t,tij->ij", size_T, n), noise)
      end = descent.added(params, moved, FORM)
      return losses, gradients.loss(model, end, one), matrices.blocks(end)

    losses_P, want, blocks = gpt_oracle.quick(run)(one)
    before = gradients.loss(model, params, one)
  assert float(losses_P[0]) == pytest.approx(float(before), rel=1e-9)
  assert float(losses_P[-1]) == pytest.approx(float(want), rel=1e-9)
  old = matrices.blocks(params)
  for new, was in zip(blocks, old):
    assert np.abs(new.w_1_CxM - was.w_1_CxM).max() > 1e-4
    np.testing.assert_array_equal(new.w_v_CxHxA, was.w_v_CxHxA)


def test_momentum_from_inner_products_is_momentum():
  """Beside the sum of decayed gradients itself."""
  rng = np.random.default_rng(0)
  u, s = rng.normal(size=(2, 5, 7))
  for decay in (0.0, 0.5, 0.9):
    d, run = [], np.zeros(7)
    for row in s:
      run = decay * run + row
      d.append(run.copy())
    both, square = rivals.momentum(u @ s.T, s @ s.T, decay)
    np.testing.assert_allclose(both, (u * d).sum(1), rtol=1e-12)
    np.testing.assert_allclose(square, np.square(d).sum(1), rtol=1e-12)


def test_adam_is_that_of_optax(x64):
  optax = pytest.importorskip("optax")
  s_TxN = jnp.asarray(np.random.default_rng(1).normal(size=(6, 4)))
  got = rivals.adam(s_TxN, 0.9, 0.99)
  rule = optax.adam(1.0, b1=0.9, b2=0.99, eps=1e-8)
  state = rule.init(s_TxN[0])
  for t, s_N in enumerate(s_TxN):
    update, state = rule.update(-s_N, state)
    np.testing.assert_allclose(got[t], update, rtol=1e-6)


def test_what_the_rules_see_is_the_path(measured, vectors):
  model, params, batch, _, found = measured
  with jax.enable_x64(True):
    one = texts.first(batch)
    adam_Ax2 = jnp.array([(0.0, 0.9), (0.9, 0.99)])
    seen = gpt_oracle.quick(
      lambda one: rivals.seen(
        model, params, one, jnp.array(PREFIX), FORM, adam_Ax2
      )
    )(one)
    seen = jax.tree.map(np.asarray, seen)
  total = lambda leaf: leaf[0].sum((-2, -1))
  np.testing.assert_allclose(seen.update_T, total(found.update_TxKxW))
  np.testing.assert_allclose(
    np.diag(seen.cross_TxT), total(found.both["full"]), rtol=1e-9
  )
  np.testing.assert_allclose(
    np.diag(seen.slopes_TxT), total(found.slope["full"]), rtol=1e-9
  )
  for name in ("constrained", "layer_local"):
    np.testing.assert_allclose(
      seen.both[name], total(found.both[name]), rtol=1e-7
    )
  assert seen.product_N.sum() == pytest.approx(np.trace(seen.cross_TxT))
  assert seen.square_N.sum() == pytest.approx(np.trace(seen.slopes_TxT))
  dense, slopes = vectors
  want = 0.0
  for k in range(2):
    for name in alignments.MATRICES[FORM]:
      step = np.diff(getattr(dense[k], name), axis=0)
      want += (step * np.sign(-getattr(slopes[k], name)[:-1])).sum((1, 2))
  np.testing.assert_allclose(seen.both["sign"], want, rtol=1e-7)
  assert seen.both["adam"].shape == (2, len(PREFIX) - 1)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
