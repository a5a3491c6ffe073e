"""Batches from the host, and measurements between chunks, change no bit."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from raml_jax.training import loop
from raml_jax.training import placement as placement_lib
from raml_jax.training import runtime
from raml_jax.training import threads
from raml_jax.training import workdir as workdir_lib

SEEDS, BATCH = 2, 4


@dataclasses.dataclass
class Read:
  """y = seed + 1 times the sum of x, with x from the number of the step."""

  seeds: int = SEEDS
  calls: list = dataclasses.field(default_factory=list)

  def chunk(self, first, count):
    self.calls.append((first, count))
    x = np.stack(
      [
        np.random.default_rng(step).normal(size=(self.seeds, BATCH, 3))
        for step in range(first, first + count)
      ],
      axis=1,
    )
    scale_S = np.arange(1.0, 1.0 + self.seeds)[:, None, None]
    return {"x": np.float32(x), "y": np.float32(scale_S * x.sum(-1))}


def grads(w_D, extra, batch, key):
  del key
  error = lambda w_D: jnp.mean((batch["x"] @ w_D - batch["y"]) ** 2)
  loss, grads = jax.value_and_grad(error)(w_D)
  return grads, {"loss": loss}, jax.random.fold_in(extra, 1)


OBJECTIVE = loop.Objective(
  init_extra=lambda params: jax.random.key(7), grads=grads
)
SGD = optax.sgd(0.1)


def run(source, chunk=4, steps=10, seeds=SEEDS, **options):
  phase = loop.Phase(
    "toy", lambda key: jnp.ones(3), OBJECTIVE, source, SGD, steps
  )
  return loop.train(
    phase,
    key=jax.random.key(0),
    seeds=seeds,
    chunk=chunk,
    **{"workdir": None} | options,
  )


def assert_equal(one, other):
  for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
    if jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
      a, b = jax.random.key_data(a), jax.random.key_data(b)
    np.testing.assert_array_equal(a, b)


def test_each_step_descends_on_its_own_batch_from_the_host():
  w_SxD = np.ones((SEEDS, 3))
  for step in range(10):
    batch = Read().chunk(step, 1)
    x_SxBxD, y_SxB = batch["x"][:, 0], batch["y"][:, 0]
    error_SxB = np.einsum("sbd,sd->sb", x_SxBxD, w_SxD) - y_SxB
    w_SxD -= 0.1 * 2 / BATCH * np.einsum("sb,sbd->sd", error_SxB, x_SxBxD)
  np.testing.assert_allclose(run(Read()).params, w_SxD, rtol=1e-5)


@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_length_of_a_chunk_does_not_change_a_bit(chunk):
  assert_equal(run(Read(), chunk=chunk), run(Read(), chunk=4))


@pytest.mark.parametrize("seeds_at_once", [1, 2])
def test_seeds_one_after_another_are_those_side_by_side(seeds_at_once):
  apart = run(Read(4), seeds=4, seeds_at_once=seeds_at_once)
  beside = run(Read(4), seeds=4)
  np.testing.assert_allclose(apart.params, beside.params, rtol=1e-6)
  assert_equal(apart.extra, beside.extra)


@pytest.mark.parametrize("workers", [1, 3])
def test_the_number_of_threads_does_not_change_a_bit(monkeypatch, workers):
  alone = run(Read(4), seeds=4, seeds_at_once=1)
  monkeypatch.setattr(threads, "workers", lambda: workers)
  assert_equal(alone, run(Read(4), seeds=4, seeds_at_once=1))


def test_seeds_at_once_must_divide_the_seeds():
  with pytest.raises(ValueError, match="seeds_at_once=3, must divide 4"):
    run(Read(4), seeds=4, seeds_at_once=3)


def test_a_resumed_run_asks_for_the_steps_that_are_left(tmp_path):
  workdir = workdir_lib.open_workdir(tmp_path, {})
  run(Read(), steps=4, workdir=workdir)
  source = Read()
  state = run(source, steps=10, workdir=workdir)
  assert source.calls == [(4, 4), (8, 2)]
  assert_equal(state, run(Read()))


@pytest.mark.parametrize("chunk", [lambda x: x[:1], lambda x: x[:, 1:]])
def test_batches_of_other_axes_are_refused_in_one_line(chunk):
  class Wrong(Read):
    def chunk(self, first, count):
      return {"x": chunk(super().chunk(first, count)["x"])}

  with pytest.raises(ValueError, match="'x' has shape") as error:
    run(Wrong())
  assert "2 seeds and 4 steps" in str(error.value)
  assert "\n" not in str(error.value)


def measure(params):
  return {"size": np.abs(np.asarray(params)).sum(-1)}


def test_measurements_join_the_metrics_of_their_chunk(tmp_path):
  workdir = workdir_lib.open_workdir(tmp_path, {})
  seen = []
  state = run(
    Read(),
    workdir=workdir,
    evaluate=measure,
    on_chunk=lambda name, step, steps, metrics: seen.append(metrics),
  )
  lines = workdir.read_metrics()
  assert [line["step"] for line in lines] == [4, 8, 10]
  for line, metrics in zip(lines, seen, strict=True):
    assert list(line["metrics"]) == ["loss", "size"] == list(metrics)
    assert line["metrics"]["size"]["mean"] == metrics["size"]
  last = lines[-1]["metrics"]["size"]["per_seed"]
  np.testing.assert_array_equal(last, measure(state.params)["size"])
  assert_equal(state, run(Read()))


class Killed(Exception):
  pass


def test_a_resumed_run_measures_what_is_not_measured_yet(tmp_path):
  """Killed while it measures, and between the metrics and the checkpoint."""
  whole = workdir_lib.open_workdir(tmp_path / "whole", {})
  options = {"chunk": 1, "save_every": 2, "steps": 7}
  run(Read(), evaluate=measure, workdir=whole, **options)
  cut = workdir_lib.open_workdir(tmp_path / "cut", {})
  measured = []

  def until(stop):
    def evaluate(params):
      if len(measured) == stop:
        raise Killed
      measured.append(params)
      return measure(params)

    return evaluate

  for stop in (3, 5):
    with pytest.raises(Killed):
      run(Read(), evaluate=until(stop), workdir=cut, **options)
  run(Read(), evaluate=until(-1), workdir=cut, **options)
  # Step 3 twice, since the checkpoint before it is that of step 2; and 5.
  assert len(measured) == 3 + 2 + 3
  metrics = [(w.path / "metrics.jsonl").read_bytes() for w in (whole, cut)]
  assert metrics[0] == metrics[1]
  run(Read(), evaluate=until(len(measured)), workdir=cut, **options)


@pytest.mark.parametrize(
  "numbers, said",
  [
    ({"loss": np.zeros(SEEDS)}, "'loss', which is the name of a metric"),
    ({"size": np.float64(1)}, "'size' has shape .., must have .* 2 seeds"),
  ],
)
def test_bad_measurements_are_refused_in_one_line(numbers, said):
  with pytest.raises(ValueError, match=said) as error:
    run(Read(), evaluate=lambda params: numbers)
  assert "\n" not in str(error.value)


@pytest.mark.parametrize("seeds_at_once", [1, 2, None])
def test_a_mesh_of_one_device_changes_nothing(tmp_path, seeds_at_once):
  if jax.device_count() > 1:
    pytest.skip("for one device")
  placement = placement_lib.Placement(runtime.make_mesh())
  workdir = workdir_lib.open_workdir(tmp_path, {})
  options = {"seeds": 4, "seeds_at_once": seeds_at_once}
  placed = {"workdir": workdir, "placement": placement}
  run(Read(4), steps=4, **options, **placed)
  state = run(Read(4), steps=10, **options, **placed)
  assert_equal(state, run(Read(4), **options))


def test_several_processes_without_a_mesh_are_refused(monkeypatch):
  monkeypatch.setattr(jax, "process_count", lambda: 2)
  with pytest.raises(ValueError, match="placement=None, but there are 2"):
    run(Read())


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
