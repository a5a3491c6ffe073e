"""Work on several threads is the work of one, only sooner."""

import threading
import time

import jax
import jax.numpy as jnp
import pytest

from raml_jax.training import threads


@pytest.fixture
def use(monkeypatch):
  """Sets the number of workers."""
  return lambda count: monkeypatch.setattr(threads, "workers", lambda: count)


@pytest.mark.parametrize("count", [1, 3])
def test_results_come_in_the_order_of_the_tasks(use, count):
  use(count)
  found = threads.call([lambda i=i: i**2 for i in range(7)])
  assert found == [i**2 for i in range(7)]


def test_as_many_tasks_as_workers_are_under_way_at_once(use):
  use(3)
  # Nobody passes before three are there.
  barrier = threading.Barrier(3)
  found = threads.call([lambda: barrier.wait(30)] * 6)
  assert len(found) == 6


def test_an_error_is_raised_and_what_has_not_begun_is_left_out(use):
  use(2)
  begun = []

  def broken():
    raise ArithmeticError("the first")

  def slow():
    begun.append(1)
    time.sleep(0.01)

  with pytest.raises(ArithmeticError, match="the first"):
    threads.call([broken] + [slow] * 1000)
  assert len(begun) < 1000


def test_precision_is_the_callers(use, x64):
  use(2)
  found = threads.call([lambda: jnp.ones(3).dtype] * 4)
  assert found == [jnp.float64] * 4


def test_on_an_accelerator_one_follows_the_other(monkeypatch):
  monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
  assert threads.workers() == 1


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
