"""MAML on trajectories: its losses, its steps, its meta-gradients."""

import functools

import jax
from jax import flatten_util
import jax.numpy as jnp
import numpy as np
import pytest

from raml_jax.inner import low_rank
from raml_jax.inner import optimizers
from raml_jax.tasks import vocab
from raml_jax.tasks.arithmetic import formats
from raml_jax.tasks.arithmetic import questions
from raml_jax.tasks.arithmetic.families import pairs
from raml_jax.training import sequences
from tests.models import gpt_oracle

FAMILY = pairs.Pairs(digits=2, format="simplified")
LAYOUT = sequences.Layout(45, 26, 2)
MODEL = gpt_oracle.make(layers=1, context=FAMILY.context)
RULE = optimizers.per_tensor(0.3)


def _params(dtype=jnp.float64):
  return gpt_oracle.random_params(MODEL, dtype=dtype)


def _written(x=48, y=95):
  text = formats.write(questions.Pair("+", x, y), "simplified")
  return text.trajectory(FAMILY.context)


def _text(x=48, y=95):
  return sequences.text(_written(x, y))


@functools.cache
def _support(size=LAYOUT.support, slope=False):
  """The loss of a line, or its gradient, for texts of this size."""

  def loss(params, one, k):
    return sequences.support_loss(MODEL, params, one, k, size)

  return gpt_oracle.quick(jax.grad(loss) if slope else loss)


@functools.cache
def _query(size=LAYOUT.query, slope=False):
  """The answer's loss, or its gradient, for texts of this size."""

  def loss(params, one):
    return sequences.question_loss(MODEL, params, one, size)

  return gpt_oracle.quick(jax.grad(loss) if slope else loss)


_SEEN = gpt_oracle.quick(functools.partial(sequences.seen, MODEL))


def _double(tree):
  return jax.tree.map(lambda a: jnp.asarray(a, jnp.float64), tree)


def _descent(**options):
  options = {"layout": LAYOUT, "moves": None, **options}
  return sequences.Descent(MODEL, RULE, **options)


@functools.cache
def _losses(descent):
  return gpt_oracle.quick(descent.loss)


@functools.cache
def _slopes(descent):
  return gpt_oracle.quick(jax.grad(descent.loss))


def _theta(descent, start=None):
  """No two step sizes alike."""
  start = _params() if start is None else start
  theta = _double(descent.init(jax.random.key(0), start))
  flat, unravel = flatten_util.ravel_pytree(theta["meta"])
  sizes = 0.1 + 0.3 * np.random.default_rng(3).random(flat.size)
  return {**theta, "meta": unravel(jnp.asarray(sizes))}


def test_lines_read_outs_and_answer_of_a_text():
  one = _text()
  assert vocab.decode(one.tokens_L).endswith("A->3 , C->1\nA->4 , C->1.\n143|")
  for k, line in ((1, "A->3 , C->1\n"), (2, "A->4 , C->1.")):
    assert vocab.decode(one.tokens_L[one.line_L == k]) == line
  assert vocab.decode(one.tokens_L[one.answer_L]) == "143|"
  assert vocab.decode(one.tokens_L[one.behind_L]) == "\n143|"


def test_with_the_unit_token_every_token_of_the_trajectory_is_a_line():
  lines, tokens = _text(), sequences.text(_written(), "token")
  within_L = np.asarray(lines.line_L) > 0
  np.testing.assert_array_equal(tokens.line_L > 0, within_L)
  line_T = np.asarray(tokens.line_L)[within_L]
  np.testing.assert_array_equal(line_T, 1 + np.arange(within_L.sum()))
  layout = sequences.layout(FAMILY, "token")
  assert layout == LAYOUT._replace(lines=within_L.sum(), unit="token")


def test_a_step_on_every_token_is_a_step_on_the_loss_of_that_token(x64):
  one = sequences.text(_written(), "token")
  layout = sequences.layout(FAMILY, "token")
  descent, params = _descent(layout=layout), _params()
  theta = _theta(descent, params)
  moved_K = jax.jit(descent.iterates)(theta, one)
  before = jax.tree.map(lambda a: a[2], moved_K)
  place = int(np.argmax(np.asarray(one.line_L) == 4))

  def loss(params):
    logits_BxTxV, _, _ = MODEL.apply(params, one.tokens_L[None, :place])
    return -jax.nn.log_softmax(logits_BxTxV[0, -1])[one.tokens_L[place]]

  slope = jax.jit(jax.grad(loss))(before)
  meta = jax.tree.map(lambda a: a[3], theta["meta"])
  sizes = jax.tree.leaves(meta)
  for now, then, g, size in zip(
    *map(
      jax.tree.leaves, (jax.tree.map(lambda a: a[3], moved_K), before, slope)
    ),
    sizes,
    strict=True,
  ):
    np.testing.assert_allclose(then - now, size * g, rtol=1e-8, atol=1e-14)


def test_the_layout_of_a_family_is_that_of_its_longest_text():
  assert sequences.layout(FAMILY) == LAYOUT


def test_with_no_lines_the_read_outs_see_the_question_alone():
  one = _text()
  for count, first in ((0, None), (1, 2), (2, None)):
    seen_LxL = np.asarray(sequences.visible(one, count))
    at = int(np.argmax(one.behind_L))
    hidden_L = ~seen_LxL[at]
    expected = np.asarray(one.line_L) > count
    np.testing.assert_array_equal(hidden_L, expected, err_msg=str(first))
    assert seen_LxL[:at].all()


def test_support_loss_is_the_mean_of_minus_log_p_of_a_line(x64):
  one, params = _text(), _params()
  logits = np.asarray(_SEEN(params, one, 9)[0])
  log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
  for k in (1, 2):
    places = np.flatnonzero(np.asarray(one.line_L) == k)
    expected = -np.mean([log_p[t - 1, one.tokens_L[t]] for t in places])
    got = _support()(params, one, k)
    np.testing.assert_allclose(got, expected, rtol=1e-12)
  assert _support()(params, one, 3) == 0


def test_support_loss_never_sees_the_answer_nor_later_lines(x64):
  one, params = _text(), _params()
  loss = functools.partial(_support(), params)
  for k in (1, 2):
    later_L = one.behind_L | (one.line_L > k)
    other = jnp.where(later_L, vocab.FIRST_DIGIT, one.tokens_L)
    changed = sequences.Text(other, one.line_L, one.behind_L, one.answer_L)
    assert loss(changed, k) == loss(one, k)


@pytest.mark.parametrize("x, y", [(48, 95), (7, 5), (3, 40)])
def test_left_out_and_hidden_trajectories_are_the_same(x, y, x64):
  """Texts of one and of two lines, with their padding."""
  one, params = _text(x, y), _params()
  logits_LxV, _ = _SEEN(params, one, 0)
  short = _query()(params, one)
  whole = sequences.answer_loss(logits_LxV, one)
  np.testing.assert_allclose(short, whole, rtol=1e-12)
  places = np.flatnonzero(np.asarray(one.answer_L))
  logits = np.asarray(logits_LxV)
  log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
  expected = -np.mean([log_p[t - 1, one.tokens_L[t]] for t in places])
  np.testing.assert_allclose(whole, expected, rtol=1e-12)


def test_what_does_not_fit_the_layout_is_nan_and_not_cut(x64):
  one, params = _text(), _params()
  assert np.isnan(_support(44)(params, one, 2))
  assert np.isfinite(_support(44)(params, one, 1))
  assert np.isnan(_query(25)(params, one))


def test_an_answer_is_right_if_all_of_it_and_its_end_are():
  one = _text()
  right_LxV = 9.0 * jax.nn.one_hot(jnp.roll(one.tokens_L, -1), vocab.SIZE)
  assert sequences.answer_right(right_LxV, one)
  for t in np.flatnonzero(np.asarray(one.answer_L)):
    wrong_LxV = right_LxV.at[t - 1].set(0.0)
    assert not sequences.answer_right(wrong_LxV, one), t


def _moved_by_hand(theta, one, steps=1):
  """SGD on line after line, every step size its own; the gradients too."""
  params, gradients = theta["start"], []
  for k in range(LAYOUT.lines):
    for _ in range(steps):
      gradients.append(_support(slope=True)(params, one, k + 1))
      params = jax.tree.map(
        lambda p, g, a, k=k: p - a[k] * g,
        params,
        gradients[-1],
        theta["meta"]["alpha"],
      )
  return params, gradients


@pytest.mark.parametrize("steps", [1, 2])
def test_inner_steps_are_gradient_descent_on_line_after_line(steps, x64):
  one, descent = _text(), _descent(repeats=steps)
  theta = _theta(descent)
  found = gpt_oracle.quick(descent.iterates)(theta, one)
  last = jax.tree.map(lambda a: a[-1], found)
  expected, _ = _moved_by_hand(theta, one, steps)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12),
    last,
    expected,
  )


def test_second_order_equals_finite_differences(x64):
  one, descent = _text(), _descent()
  flat, unravel = flatten_util.ravel_pytree(_theta(descent))
  slope, _ = flatten_util.ravel_pytree(_slopes(descent)(unravel(flat), one))
  loss, h = _losses(descent), 1e-4
  rng = np.random.default_rng(0)
  for _ in range(4):
    e = jnp.asarray(rng.normal(size=flat.size))
    at = lambda t, e=e: float(loss(unravel(flat + t * h * e), one))
    expected = (8 * (at(1) - at(-1)) - at(2) + at(-2)) / (12 * h)
    np.testing.assert_allclose(slope @ e, expected, rtol=1e-7)


def test_first_order_holds_the_inner_gradients_constant(x64):
  one, descent = _text(), _descent(first_order=True)
  theta = _theta(descent)
  got = _slopes(descent)(theta, one)
  last, gradients = _moved_by_hand(theta, one)
  outer = _query(slope=True)(last, one)
  # d loss / d start is the gradient at the end, d loss / d alpha_k minus its
  # product with the k-th inner gradient.
  close = functools.partial(np.testing.assert_allclose, rtol=1e-9, atol=1e-12)
  jax.tree.map(close, got["start"], outer)
  for k, inner in enumerate(gradients):
    jax.tree.map(
      lambda a, g, o, k=k: close(a[k], -jnp.sum(g * o)),
      got["meta"]["alpha"],
      inner,
      outer,
    )
  second = _slopes(_descent())(theta, one)
  apart = flatten_util.ravel_pytree(second["start"])[0]
  apart -= flatten_util.ravel_pytree(got["start"])[0]
  assert jnp.linalg.norm(apart) > 0.01


def test_steps_of_no_size_are_the_direct_model(x64):
  one, descent, direct = _text(), _descent(), _descent(repeats=0)
  theta = _theta(descent)
  none = {**theta, "meta": jax.tree.map(jnp.zeros_like, theta["meta"])}
  np.testing.assert_allclose(
    _losses(descent)(none, one), _losses(direct)(none, one), rtol=1e-12
  )
  jax.tree.map(
    functools.partial(np.testing.assert_allclose, rtol=1e-9, atol=1e-12),
    _slopes(descent)(none, one)["start"],
    _slopes(direct)(none, one)["start"],
  )
  assert _losses(descent)(theta, one) != _losses(direct)(theta, one)


def test_only_what_is_asked_for_moves(x64):
  one = _text()
  descent = _descent(moves="^readout/")
  theta = _theta(descent)
  assert list(theta["meta"]["alpha"]) == list(theta["start"])
  moved = gpt_oracle.quick(descent.iterates)(theta, one)
  for name, before in theta["start"].items():
    for a, b in zip(jax.tree.leaves(moved[name]), jax.tree.leaves(before)):
      assert (np.asarray(a) == np.asarray(b)[None]).all() == (
        name != "readout"
      ), name


def test_low_rank_deltas_move_matrices_by_their_rank_and_nothing_else(x64):
  one, start = _text(), _params()
  extended = _double(low_rank.init(jax.random.key(1), start, "up/kernel", 2))
  descent = _descent(moves="^delta/", whole=low_rank.merge)
  moved = gpt_oracle.quick(descent.iterates)(_theta(descent, extended), one)
  changes = jax.tree.map(lambda a, b: a[-1] - b, moved, start)
  change = np.asarray(changes["layer_0"]["up"].pop("kernel"))
  assert np.linalg.matrix_rank(change) == 2
  assert not any(np.asarray(leaf).any() for leaf in jax.tree.leaves(changes))


def test_the_objective_averages_over_a_batch_of_written_questions():
  descent = _descent(moves="^readout/", first_order=True)
  theta = jax.tree.map(
    lambda a: a.astype(jnp.float32),
    descent.init(jax.random.key(0), _params(jnp.float32)),
  )
  batch = jax.tree.map(
    lambda *leaves: np.stack(leaves), _written(48, 95), _written(7, 5)
  )
  grads = gpt_oracle.quick(sequences.objective(descent).grads)
  gradient, metrics, _ = grads(theta, (), batch, jax.random.key(0))
  singles = [_text(48, 95), _text(7, 5)]
  expected = np.mean([_losses(descent)(theta, one) for one in singles])
  np.testing.assert_allclose(metrics["loss"], expected, rtol=1e-5)
  slopes = [_slopes(descent)(theta, one) for one in singles]
  mean = jax.tree.map(lambda a, b: (a + b) / 2, *slopes)
  jax.tree.map(
    functools.partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-5),
    gradient,
    mean,
  )


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
