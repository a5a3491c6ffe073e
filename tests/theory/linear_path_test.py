"""One token of linear attention as a change of V_31: exact identities."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raml_jax.models import attention
from raml_jax.models import reasoners
from raml_jax.tasks import regression
from raml_jax.theory import alignment
from raml_jax.theory import linear_path
from raml_jax.training import teachers
from tests.models import gpt_oracle

D, N, K, ETA = 4, 9, 5, 0.3
LOSSES = ("answer", "support")


@pytest.fixture
def setting(x64):
  """(model, params by name, episode): hand-set rules, and a random layer."""
  model = attention.linear_attention(D)
  task = regression.LinearRegression(jnp.eye(D), d=D, n=N)
  episode = jax.tree.map(lambda a: a[0], task.sample(jax.random.key(3), 1))
  eye, turn = jnp.eye(D), teachers.block_rotation(D, 60.0)
  params = {
    "gradient": attention.construction(-ETA * eye, eye),
    "rotated": attention.construction(-ETA * turn, eye),
    "shrunk": attention.construction(-0.8 * eye, 0.775 * eye),
    "random": jax.tree.map(
      lambda a: 5.0 * a.astype(jnp.float64), model.init(jax.random.key(4))
    ),
  }
  episode = jax.tree.map(lambda a: jnp.asarray(a, jnp.float64), episode)
  return model, params, episode


def chain(model, params, episode):
  """w_1 .. w_K that the model writes."""
  return _rollout(model)(params, episode.support)[1:]


@functools.cache
def _rollout(model):
  walk = reasoners.reasoner(model)
  return gpt_oracle.quick(
    lambda params, support: reasoners.rollout(walk, params, support, K)
  )


def numpy_cosines(episode, w_KxD, loss):
  """cos(w_{i+1} - w_i, -grad at w_i), from S and w* alone."""
  x = np.asarray(episode.support.pairs.x_NxD)
  off = np.asarray(episode.latent_D) - np.asarray(w_KxD)[:-1]
  way = off if loss == "answer" else off @ (x.T @ x / len(x))
  step = np.diff(np.asarray(w_KxD), axis=0)
  size = np.linalg.norm(step, axis=1) * np.linalg.norm(way, axis=1)
  return np.sum(step * way, axis=1) / size


def test_the_question_alone_is_answered_as_with_the_chain(setting):
  """theta'_i reproduces w_{i+1} for every i, whatever the layer does else."""
  model, params, episode = setting
  for name, p in params.items():
    w_KxD = chain(model, p, episode)
    path = linear_path.path(model, p, episode.support, w_KxD)
    np.testing.assert_allclose(path[0], 0.0, atol=1e-12)
    assert np.linalg.matrix_rank(path[-1]) == 1
    for i in range(K):
      got = linear_path.answer(model, p, episode.support, path[i])
      np.testing.assert_allclose(got, w_KxD[i], atol=1e-12, err_msg=name)


@pytest.mark.parametrize("loss", LOSSES)
def test_cosines_in_the_parameters_are_those_of_the_weights(setting, loss):
  """Both against NumPy, for rules and for a layer that is none."""
  model, params, episode = setting
  moments = gpt_oracle.quick(
    lambda p, w_KxD: (
      linear_path.in_parameters(model, p, episode, w_KxD, loss),
      linear_path.in_weights(episode, w_KxD, loss),
    )
  )
  for name, p in params.items():
    w_KxD = chain(model, p, episode)
    if name == "random":
      # Another's chain, that no layer writes.
      w_KxD = teachers.straight_path({"eta": ETA}, episode, K)[1:]
    want = numpy_cosines(episode, w_KxD, loss)
    for m in moments(p, w_KxD):
      np.testing.assert_allclose(
        alignment.cosine(m), want, atol=1e-10, err_msg=name
      )


def test_what_theory_predicts_is_read(setting):
  """Straight path and descent, each 1 on its own loss and below on the other.

  And one step size explains descent in the space of w, in V_31 only question
  by question.
  """
  model, params, episode = setting
  straight = teachers.straight_path({"eta": ETA}, episode, K)[1:]
  descent = chain(model, params["gradient"], episode)
  read = {
    (name, loss): alignment.cosine(linear_path.in_weights(episode, w_KxD, loss))
    for name, w_KxD in (("straight", straight), ("descent", descent))
    for loss in LOSSES
  }
  np.testing.assert_allclose(read["straight", "answer"], 1.0, atol=1e-12)
  np.testing.assert_allclose(read["descent", "support"], 1.0, atol=1e-12)
  assert read["descent", "answer"].max() < 0.99
  assert read["straight", "support"].max() < 0.99
  m = linear_path.in_weights(episode, descent, "support")
  assert alignment.common_step(m) == pytest.approx(ETA, rel=1e-12)
  assert alignment.explained(m, ETA) == pytest.approx(1.0, abs=1e-12)
  p = params["gradient"]
  m = linear_path.in_parameters(model, p, episode, descent, "support")
  # g = X y / n, up to its sign.
  _, g_D = regression.moments(episode.support)
  scaled = ETA / float(g_D @ g_D)
  assert alignment.common_step(m) == pytest.approx(scaled, rel=1e-10)


def test_a_turn_by_60_degrees_is_seen(setting):
  """By half of descent's cosine, at the start and over many questions.

  On the support loss it is half exactly, question by question.
  """
  task = regression.LinearRegression(jnp.eye(D), d=D, n=N)
  episodes = task.sample(jax.random.key(5), 4000)
  turn = teachers.block_rotation(D, 60.0)

  def at_start(episode):
    w_KxD = jnp.stack(
      [jnp.zeros(D), -regression.gradient(jnp.zeros(D), episode.support)]
    )
    turned = jnp.stack([jnp.zeros(D), turn @ w_KxD[1]])
    of = lambda w: linear_path.in_weights(episode, w, "answer")
    return of(w_KxD), of(turned)

  plain, turned = (
    alignment.cosine(m).mean() for m in jax.jit(jax.vmap(at_start))(episodes)
  )
  assert turned / plain == pytest.approx(0.5, abs=0.03)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
