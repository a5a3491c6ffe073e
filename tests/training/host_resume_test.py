"""Reading ahead and resuming change nothing."""

import threading

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from raml_jax import base
from raml_jax.tasks.arithmetic.families import expressions
from raml_jax.training import host_sources
from raml_jax.training import loop
from raml_jax.training import workdir as workdir_lib


def stored():
  """Ten examples in batches of four, for two seeds."""
  tokens_NxL = np.arange(30, dtype=np.int32).reshape(10, 3)
  examples = base.Trajectory(tokens_NxL, tokens_NxL, tokens_NxL)
  return host_sources.Stored(host_sources.Table(examples, 3), batch=4, seeds=2)


def written():
  family = expressions.Expressions(operations=2)
  return host_sources.Written(family, batch=4, seeds=2)


class Counted:
  """Says which chunks were asked, by which thread."""

  def __init__(self):
    self.asked = []
    self.threads = set()
    self.prepared = threading.Event()

  def chunk(self, first, count):
    if first >= 100:
      raise ArithmeticError(f"step {first}")
    self.asked.append((first, count))
    self.threads.add(threading.current_thread())
    if first:
      self.prepared.set()
    return np.arange(first, first + count)


def test_the_next_chunk_is_prepared_before_it_is_asked():
  source = Counted()
  ahead = host_sources.Ahead(source)
  np.testing.assert_array_equal(ahead.chunk(0, 4), range(4))
  assert source.prepared.wait(10)
  assert source.asked == [(0, 4), (4, 4)] and len(source.threads) == 2


def test_reading_ahead_changes_nothing():
  source = Counted()
  ahead = host_sources.Ahead(source, steps=24)
  for first, count in [(0, 4), (4, 4), (8, 2), (0, 8), (8, 8), (16, 8)]:
    got = ahead.chunk(first, count)
    np.testing.assert_array_equal(got, range(first, first + count))
  # 8..12 and 10..12 were prepared in vain; nothing from 24 on was.
  assert sorted(set(source.asked)) == sorted(
    [(0, 4), (4, 4), (8, 4), (8, 2), (10, 2), (0, 8), (8, 8), (16, 8)]
  )


def test_the_last_chunk_is_prepared_as_short_as_it_is():
  source = Counted()
  ahead = host_sources.Ahead(source, steps=6)
  ahead.chunk(0, 4), ahead.chunk(4, 2)
  assert source.asked == [(0, 4), (4, 2)]


def test_an_error_is_raised_where_its_chunk_is_asked():
  ahead = host_sources.Ahead(Counted())
  ahead.chunk(96, 4)  # The next one fails in its thread.
  with pytest.raises(ArithmeticError, match="^step 100$"):
    ahead.chunk(100, 4)
  np.testing.assert_array_equal(ahead.chunk(0, 2), range(2))
  ahead.chunk(96, 4)
  np.testing.assert_array_equal(ahead.chunk(0, 2), range(2))


def _grads(params, extra, batch, key):
  del key
  target = jnp.mean(batch.tokens_L * jnp.arange(4.0)[:, None])
  loss = lambda w: (w - target) ** 2 + w**4 / 100
  value, grads = jax.value_and_grad(loss)(params)
  return grads, {"loss": value}, extra


OBJECTIVE = loop.Objective(init_extra=lambda params: (), grads=_grads)
ADAM = optax.adam(0.3)


@pytest.mark.parametrize("make", [stored, written])
def test_a_resumed_run_ends_with_the_same_bits(tmp_path, make):
  class Stopped(Exception):
    pass

  def train(workdir=None, on_chunk=None):
    phase = loop.Phase(
      name="toy",
      init=lambda key: jnp.float32(0.5),
      objective=OBJECTIVE,
      source=host_sources.Ahead(make(), steps=9),
      optimizer=ADAM,
      steps=9,
    )
    return loop.train(
      phase,
      key=jax.random.key(0),
      seeds=2,
      chunk=3,
      workdir=workdir,
      on_chunk=on_chunk,
    )

  def stop(name, done, steps, metrics):
    if done == 6:
      raise Stopped

  workdir = workdir_lib.open_workdir(tmp_path / "run", {"experiment": "toy"})
  with pytest.raises(Stopped):
    train(workdir, stop)
  resumed, straight = train(workdir), train()
  assert resumed.params[0] != resumed.params[1]
  for a, b in zip(jax.tree.leaves(resumed), jax.tree.leaves(straight)):
    np.testing.assert_array_equal(a, b)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
