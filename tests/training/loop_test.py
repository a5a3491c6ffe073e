"""Training computes what a plain loop computes, whatever the chunks."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from raml_jax.training import loop

SEEDS = 3


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Regression:
  """y = w* x + noise, with w* in the source."""

  w_SxD: jax.Array

  def batch(self, key):
    x_BxD = jax.random.normal(key, (8, self.w_SxD.shape[0]))
    return x_BxD, x_BxD @ self.w_SxD


def regression(scale=1.0):
  return Regression(scale * jnp.ones((SEEDS, 4)))


def init(key):
  keys = jax.random.split(key)
  return {
    "a": jax.random.normal(keys[0], (4, 6)),
    "b": jax.random.normal(keys[1], (6,)),
  }


def grads(params, extra, batch, key):
  del key

  def loss(params):
    x_BxD, y_B = batch
    return jnp.mean((jnp.tanh(x_BxD @ params["a"]) @ params["b"] - y_B) ** 2)

  value, grads = jax.value_and_grad(loss)(params)
  return grads, {"loss": value, "half": value / 2}, extra


OBJECTIVE = loop.Objective(init_extra=lambda params: (), grads=grads)
ADAM = optax.adam(1e-2)


def phase(name="toy", steps=12, **changes):
  fields = dict(
    name=name,
    init=init,
    objective=OBJECTIVE,
    source=regression(),
    optimizer=ADAM,
    steps=steps,
  )
  return loop.Phase(**(fields | changes))


def run(phase, chunk=4):
  return loop.train(
    phase,
    key=jax.random.key(0),
    seeds=SEEDS,
    chunk=chunk,
    workdir=None,
  )


def assert_equal(one, other):
  jax.tree.map(np.testing.assert_array_equal, one, other)


def test_equals_a_plain_python_loop_over_seeds_and_steps():
  """Keys are fold_in(seed), then step; init, data and objective apart."""
  state = run(phase(steps=5), chunk=2)
  for seed in range(SEEDS):
    key = jax.random.fold_in(loop.train_key(jax.random.key(0), "toy"), seed)
    params = init(jax.random.fold_in(key, 0))
    opt_state = ADAM.init(params)
    source = Regression(regression().w_SxD[seed])
    for step in range(5):
      step_key = jax.random.fold_in(jax.random.fold_in(key, 1), step)
      batch = source.batch(jax.random.fold_in(step_key, 0))
      g, _, _ = grads(params, (), batch, None)
      updates, opt_state = ADAM.update(g, opt_state, params)
      params = optax.apply_updates(params, updates)
    for name, plain in params.items():
      np.testing.assert_allclose(
        state.params[name][seed], plain, rtol=2e-4, atol=1e-6
      )
  np.testing.assert_array_equal(state.step, [5, 5, 5])


def test_gradient_descent_on_a_quadratic_follows_its_closed_form():
  """w_n = t + (1 - lr)^n (w_0 - t), for each seed's own target t."""

  @jax.tree_util.register_dataclass
  @dataclasses.dataclass(frozen=True)
  class Target:
    t_S: jax.Array

    def batch(self, key):
      return self.t_S

  quadratic = loop.Objective(
    init_extra=lambda params: (),
    grads=lambda w, extra, t, key: (w - t, {"loss": (w - t) ** 2 / 2}, extra),
  )
  t_S = jnp.array([1.0, -2.0, 3.0])
  state = run(
    phase(
      objective=quadratic,
      source=Target(t_S),
      optimizer=optax.sgd(0.1),
      init=lambda key: jnp.float32(5.0),
      steps=10,
    )
  )
  np.testing.assert_allclose(
    state.params, t_S + 0.9**10 * (5.0 - t_S), rtol=1e-5
  )


@pytest.mark.parametrize("chunk", [1, 5, 7, 100])
def test_length_of_a_chunk_does_not_change_a_bit(chunk):
  assert_equal(run(phase(), chunk=chunk), run(phase(), chunk=12))


def test_phases_that_differ_in_source_values_share_one_compilation():
  traces = []

  def counted(*args):
    traces.append(1)
    return grads(*args)

  objective = loop.Objective(init_extra=lambda params: (), grads=counted)
  run(phase("isotropic/a", objective=objective))
  once = len(traces)
  run(phase("anisotropic/a", objective=objective, source=regression(2.0)))
  assert len(traces) == once > 0


def test_weakly_typed_params_do_not_compile_the_second_chunk_anew():
  traces = []

  def quadratic(w, extra, batch, key):
    traces.append(1)
    return w, {"loss": w * w}, extra

  objective = loop.Objective(init_extra=lambda params: (), grads=quadratic)
  weak = lambda key: jnp.asarray(1.0)
  assert weak(None).aval.weak_type
  run(phase(objective=objective, init=weak, steps=4), chunk=4)
  once = len(traces)
  run(phase(objective=objective, init=weak, steps=12), chunk=4)
  assert len(traces) == once


def test_an_objective_may_keep_the_initial_params_as_extra():
  """A frozen reference shares buffers with params; both are donated."""

  def with_reference(params, reference, batch, key):
    g, metrics, _ = grads(params, (), batch, key)
    return g, metrics, reference

  objective = loop.Objective(
    init_extra=lambda params: params, grads=with_reference
  )
  state = run(phase(objective=objective))
  start = run(phase(objective=objective, steps=1), chunk=1)
  assert_equal(state.extra, start.extra)
  assert_equal(state.params, run(phase()).params)


def test_seeds_phases_and_evaluation_draw_different_numbers():
  draws = [
    jax.random.normal(make(jax.random.key(0), name), (4,)).tolist()
    for make in (loop.train_key, loop.evaluation_key)
    for name in ("a", "b")
  ]
  assert len({tuple(draw) for draw in draws}) == 4
  a, b = run(phase("a")).params["a"], run(phase("b")).params["a"]
  assert not np.any(np.asarray(a) == np.asarray(b))
  assert not np.any(np.asarray(a[0]) == np.asarray(a[1]))


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
