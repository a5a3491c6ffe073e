"""Every library does the same MAML; one that cannot run is named."""

import numpy as np
import pytest

from raml_jax.studies.benchmark import meta_contender
from raml_jax.studies.benchmark import meta_peers
from raml_jax.studies.benchmark import meta_problem
from raml_jax.studies.benchmark import meta_study
from raml_jax.studies.benchmark import problem
from raml_jax.studies.benchmark import timings
from raml_jax.studies.benchmark import worker

SMALL = problem.Sizes(
  meta_batch=3,
  shots=4,
  hidden=5,
  inner_steps=(2,),
  inner_rate=0.05,
  meta_chunk=2,
  rounds=2,
  turn=0.001,
)


def _forward(layers, x_N):
  h, kept = x_N[:, None], []
  for l, (kernel, bias) in enumerate(layers):
    kept.append(h)
    h = h @ kernel + bias
    h = np.maximum(h, 0.0) if l < len(layers) - 1 else h
  return h[:, 0], kept


def _sgd(layers, x_N, y_N, rate):
  """One inner step, back-propagation by hand."""
  out_N, kept = _forward(layers, x_N)
  delta = (2 * (out_N - y_N) / len(y_N))[:, None]
  new = []
  for (kernel, bias), h in reversed(list(zip(layers, kept))):
    new.append((kernel - rate * h.T @ delta, bias - rate * delta.sum(0)))
    delta = (delta @ kernel.T) * (h > 0)
  return new[::-1]


def _oracle_loss(layers, sizes, steps):
  total = 0.0
  for x, y, x_query, y_query in zip(*meta_problem.tasks(sizes)):
    adapted = layers
    for _ in range(steps):
      adapted = _sgd(adapted, x, y, sizes.inner_rate)
    total += ((_forward(adapted, x_query)[0] - y_query) ** 2).mean()
  return total / sizes.meta_batch


@pytest.mark.parametrize("steps", [1, 3])
def test_ours_is_maml_by_hand(steps):
  layers = [
    tuple(a.astype(np.float64) for a in layer)
    for layer in meta_problem.weights(SMALL, 0)
  ]
  loss, *gradient = meta_contender.maml(SMALL, steps).check()
  assert loss == pytest.approx(_oracle_loss(layers, SMALL, steps), rel=1e-5)
  flat = np.array(meta_problem.entries(layers))
  shapes = [a.shape for layer in layers for a in layer]
  ends = np.cumsum([np.prod(shape, dtype=int) for shape in shapes])[:-1]

  def oracle(flat):
    parts = [p.reshape(s) for p, s in zip(np.split(flat, ends), shapes)]
    return _oracle_loss(list(zip(parts[::2], parts[1::2])), SMALL, steps)

  rng = np.random.default_rng(0)
  for _ in range(3):
    way = rng.standard_normal(flat.size)
    slope = (oracle(flat + 1e-6 * way) - oracle(flat - 1e-6 * way)) / 2e-6
    size = np.linalg.norm(gradient) * np.linalg.norm(way)
    assert abs(np.dot(gradient, way) - slope) < 1e-4 * size


@pytest.mark.parametrize(
  "module, make",
  [
    ("learn2learn", meta_peers.learn2learn),
    ("higher", meta_peers.higher),
    ("torchopt", meta_peers.torchopt),
    ("torch", meta_peers.torch_func),
  ],
)
def test_every_library_has_our_loss_and_meta_gradient_and_trains(module, make):
  pytest.importorskip(module)
  peer = make(SMALL, 2)
  timings.compare("peer", peer.check(), meta_contender.maml(SMALL, 2).check())
  peer.start(0)
  assert peer.run(2) > 0
  before = meta_problem.weights(SMALL, 0)
  for (kernel, bias), (old, old_bias) in zip(peer.params(peer.state), before):
    assert kernel.shape == old.shape and np.abs(kernel - old).max() > 0
    assert np.abs(bias - old_bias).max() > 0


def test_ours_trains_on_every_number_of_devices():
  with worker.Worker("jax", SMALL, devices=2) as two:
    assert two.ask("place") == "2 cpu devices, 4 tasks"
    name = meta_problem.contender("ours", 2)
    two.ask("start", name, 0)
    assert two.ask("run", name, 4) > 0
  ours = meta_contender.maml(SMALL, 2)
  ours.start(0)
  ours.run(4)
  kernel = ours.params(ours.state)["start"]["head"]["kernel"]
  assert np.isfinite(kernel).all()
  assert np.abs(kernel - meta_problem.weights(SMALL, 0)[2][0]).max() > 0


class _Process:
  """Stands for a worker: answers, or has nothing to answer with."""

  def __init__(self, framework, loss):
    self._framework, self._loss = framework, loss

  def ask(self, request, name=None, steps=None):
    if request == "place":
      return "here"
    if self._framework == "higher":
      raise worker.WorkerError("check: ModuleNotFoundError: no higher")
    return {"check": [self._loss, 1.0], "start": None, "run": 0.01}[request]

  def __enter__(self):
    return self

  def __exit__(self, *_):
    pass


def test_a_missing_library_is_a_row_with_its_error(monkeypatch):
  monkeypatch.setattr(worker, "Worker", lambda name, *_: _Process(name, 2.0))
  rows = {row.peer: row for row in meta_study.rows(SMALL)}
  assert rows["higher"].note.endswith("ModuleNotFoundError: no higher")
  assert rows["higher"].ratio is None
  assert rows["learn2learn"].ratio > 0 and rows["learn2learn"].mode == "here"
  line = timings.table(list(rows.values())).splitlines()[2]
  assert "  -  " in line and line.endswith("no higher")


def test_a_library_that_computes_something_else_is_refused(monkeypatch):
  def start(name, *_):
    return _Process(name, 2.001 if name == "torchopt" else 2.0)

  monkeypatch.setattr(worker, "Worker", start)
  with pytest.raises(timings.BenchmarkError, match="TorchOpt.* another loss"):
    meta_study.rows(SMALL)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
