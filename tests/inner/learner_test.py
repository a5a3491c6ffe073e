"""The learner: batches, curves, published special cases, errors in one line."""

import dataclasses

import jax
from jax import flatten_util
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from raml_jax.inner import learner
from raml_jax.inner import meta_gradients
from raml_jax.inner import optimizers
from raml_jax.tasks import regression
from raml_jax.training import loop
from raml_jax.training import meta
from raml_jax.training import sources
from tests.inner import problems

_SGD = optimizers.fixed(optax.sgd(0.1))


def _flat(tree):
  return np.asarray(flatten_util.ravel_pytree(tree)[0])


def _square(params, data):
  """Half the mean squared error of a linear learner."""
  x, y = data
  return 0.5 * jnp.mean((x @ params["w"] - y) ** 2)


def _line(batch=3, n=5):
  rng = np.random.default_rng(0)
  x = rng.standard_normal((2, batch, n, 2)).astype(np.float32)
  return ((x[0], x[0, ..., 0]), (x[1], x[1, ..., 0]))


_PARAMS = {"w": jnp.array([0.5, -0.5])}


@pytest.mark.parametrize(
  "name, microbatch",
  [
    *(("unrolled", microbatch) for microbatch in (1, 3, 7, 20)),
    ("implicit", 3),
    ("evolution", 3),
  ],
)
def test_micro_batches_give_the_same_result(name, microbatch, x64):
  gradient = {
    "unrolled": meta_gradients.unrolled(),
    "implicit": meta_gradients.implicit(3.0),
    "evolution": meta_gradients.evolution(0.01, 2),
  }[name]
  loss, params, tasks = problems.mlp(batch=7)
  made = learner.Learner(loss, _SGD, 2, gradient)
  theta = made.init(jax.random.key(0), params)
  key = jax.random.key(1)
  whole, whole_metrics = problems.fast(made.grads)(theta, tasks, key)
  parts, metrics = problems.fast(
    lambda t, b, k: made.grads(t, b, k, microbatch)
  )(theta, tasks, key)
  np.testing.assert_allclose(_flat(parts), _flat(whole), rtol=1e-10)
  np.testing.assert_allclose(metrics["loss"], whole_metrics["loss"], rtol=1e-12)


def test_curves_are_the_losses_of_every_iterate_and_as_long_as_asked():
  made = learner.Learner(_square, _SGD, 1)
  theta = made.init(jax.random.key(0), _PARAMS)
  tasks = _line()
  curves = jax.vmap(lambda s, q: made.adapt(theta, s, q, 4))(*tasks)
  for task in range(3):
    (x, y), (z, t) = ((a[task], b[task]) for a, b in tasks)
    w = np.array([0.5, -0.5])
    for k in range(5):
      support = 0.5 * np.mean((x @ w - y) ** 2)
      query = 0.5 * np.mean((z @ w - t) ** 2)
      np.testing.assert_allclose(
        curves.support_losses[task, k], support, rtol=1e-5
      )
      np.testing.assert_allclose(curves.query_losses[task, k], query, rtol=1e-5)
      w = w - 0.1 * x.T @ (x @ w - y) / len(y)


def test_what_does_not_move_stays_and_is_learned_from_outside(x64):
  loss, params, tasks = problems.mlp()
  made = learner.Learner(loss, _SGD, 2, moves="head")
  theta = made.init(jax.random.key(0), params)
  support, query = jax.tree.map(lambda a: a[0], tasks)
  adapted = made.adapt(theta, support, query).params
  for name in ("body_0", "body_1"):
    assert np.array_equal(_flat(adapted[name]), _flat(params[name]))
  assert not np.array_equal(_flat(adapted["head"]), _flat(params["head"]))
  grads, _ = made.grads(theta, tasks)
  assert np.abs(_flat(grads["start"]["body_0"])).min() > 0


_D, _N = 5, 20
_SHORT = np.array([0.3, 0.5, 0.8, 1.0, 1.2])
# One step from zero on w* ~ N(0, I): the best matrix is Gamma^-1,
# Gamma = (1 + 1/n) Sigma + (tr Sigma / n) I (Ahn et al. 2023, theorem 1), and
# the best multiple of I is tr(Sigma) / tr(Sigma Gamma).
_GAMMA = (1 + 1 / _N) * _SHORT + _SHORT.sum() / _N


@pytest.mark.parametrize("name", ["preconditioned", "meta_sgd", "sgd"])
def test_rules_learn_the_optimum_of_theory_on_linear_regression(name):
  task = regression.LinearRegression(
    jnp.diag(jnp.sqrt(jnp.asarray(_SHORT, jnp.float32))), d=_D, n=_N
  )

  def query_loss(w_D, episode_latent_D):
    return jnp.sum((w_D - episode_latent_D) ** 2)

  @dataclasses.dataclass(frozen=True)
  class Batch:
    support: object
    query: object

  made = learner.Learner(
    lambda w_D, support: regression.loss(w_D, support),
    optimizers.named(name, 0.3),
    1,
    query_loss=query_loss,
  )

  def grads(theta, extra, batch, key):
    tasks = batch.support, batch.latent_D
    gradient, metrics = made.grads(theta, tasks, key)
    # w_0 = 0 is where the theory starts.
    gradient["start"] = jnp.zeros_like(gradient["start"])
    return gradient, metrics, extra

  light = dataclasses.replace(task, moments_only=True)
  source = sources.Episodes(jax.tree.map(lambda a: jnp.stack([a]), light), 4096)
  phase = loop.Phase(
    "x",
    lambda key: made.init(key, jnp.zeros(_D)),
    loop.Objective(lambda theta: (), grads),
    source,
    optax.adam(optax.cosine_decay_schedule(0.02, 400)),
    400,
  )
  state = loop.train(
    phase, key=jax.random.key(0), seeds=1, chunk=400, workdir=None
  )
  meta_ = jax.tree.map(lambda a: np.asarray(a[0]), state.params["meta"])
  if name == "sgd":
    # E|w - w*|^2 weighs directions equally: minimise over a of
    # d - 2 a tr(Sigma) + a^2 tr(Sigma Gamma).
    best = _SHORT.sum() / (_SHORT * _GAMMA).sum()
    np.testing.assert_allclose(meta_["alpha"], best, rtol=0.02)
  elif name == "meta_sgd":
    np.testing.assert_allclose(meta_["alpha"], 1 / _GAMMA, rtol=0.02)
  else:
    best = np.diag(1 / _GAMMA)
    error = np.linalg.norm(meta_["P"] - best) / np.linalg.norm(best)
    assert error < 0.02


def test_a_diverging_inner_loop_is_named_by_task_and_step():
  made = learner.Learner(_square, optimizers.fixed(optax.sgd(0.1)), 3)
  theta = made.init(jax.random.key(0), _PARAMS)
  (x, y), query = _line()
  y = y.copy()
  y[1] = 1e25
  _, metrics = jax.jit(made.grads)(theta, ((x, y), query))
  with pytest.raises(
    learner.InnerDivergence, match="task 1 is not finite at inner step 0"
  ):
    learner.raise_if_diverged(metrics)
  x = x.copy()
  x[2] *= 1e6
  tasks = ((x, _line()[0][1]), query)
  _, metrics = jax.jit(made.grads)(theta, tasks)
  # w_1 ~ 1e11, w_2 ~ 1e22: its loss, above 1e38, is the first to overflow.
  with pytest.raises(
    learner.InnerDivergence, match="task 2 is not finite at inner step 2"
  ):
    learner.raise_if_diverged(metrics)
  _, metrics = jax.jit(made.grads)(theta, _line())
  learner.raise_if_diverged(metrics)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class _Bad:
  """Tasks of which the second breaks the inner loop at its second step."""

  support: jax.Array
  query: jax.Array

  def batch(self, key):
    del key
    return self


def test_training_names_seed_step_task_and_inner_step():
  (x, y), query = _line()
  x = x.copy()
  x[1] *= 1e6
  source = jax.tree.map(lambda a: jnp.asarray(a)[None], _Bad((x, y), query))
  made = learner.Learner(_square, _SGD, 3)
  phase = loop.Phase(
    "broken",
    lambda key: made.init(key, _PARAMS),
    meta.objective(made),
    source,
    optax.adam(1e-3),
    4,
  )
  with pytest.raises(
    loop.NonFiniteLoss, match="seed 0 at step 0, inner step 2, task 1$"
  ):
    loop.train(phase, key=jax.random.key(0), seeds=1, chunk=4, workdir=None)


def _grads(loss=_square, tasks=None, key=None, microbatch=None, **fields):
  made = learner.Learner(loss, _SGD, **{"steps": 1, **fields})
  theta = made.init(jax.random.key(0), _PARAMS)
  return made.grads(theta, tasks or _line(), key, microbatch)


@pytest.mark.parametrize(
  "fields, message",
  [
    ({"steps": -1}, "steps = -1: must be at least 0"),
    ({"moves": "neck"}, "moves = 'neck': matches none of the parameters w$"),
    ({"moves": "("}, "moves = '\\(': no regular expression"),
    (
      {"loss": lambda p, d: d[1] - d[0] @ p["w"]},
      r"the loss has shape \(5,\): must be a scalar",
    ),
    (
      {"query_loss": lambda p, d: p["w"]},
      r"the query loss has shape \(2,\): must be a scalar",
    ),
    (
      {"tasks": _line(n=0)},
      r"support\[0\] has shape \(3, 0, 2\): must have .* at least one example",
    ),
    (
      {"tasks": (_line(2)[0], _line(3)[1])},
      "tasks have leading axes .*: must be the same",
    ),
    ({"microbatch": 0}, "microbatch = 0: must be at least 1"),
    (
      {"gradient": meta_gradients.evolution(0.1, 1)},
      "draws random numbers: pass a key",
    ),
  ],
)
def test_bad_input_is_one_clear_line(fields, message):
  with pytest.raises(ValueError, match=message) as found:
    _grads(**fields)
  assert "\n" not in str(found.value)


@pytest.mark.parametrize(
  "make, message",
  [
    (lambda: optimizers.named("sdg", 0.1), "inner rule 'sdg': known are sgd,"),
    (lambda: optimizers.clipped(_SGD, 0.0), "norm = 0.0: must be positive"),
    (lambda: meta_gradients.implicit(0.0), "strength = 0.0: must be positive"),
    (lambda: meta_gradients.evolution(0.1, 0), "pairs at least 1"),
  ],
)
def test_impossible_parts_are_refused_when_they_are_made(make, message):
  with pytest.raises(ValueError, match=message):
    make()


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
