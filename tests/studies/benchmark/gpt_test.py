"""The GPTs that are timed are one model, and are trained and sampled alike."""

import dataclasses
import math

import jax
import numpy as np
import pytest

from raml_jax.studies.benchmark import gpt_contender
from raml_jax.studies.benchmark import gpt_problem
from raml_jax.studies.benchmark import problem
from raml_jax.studies.benchmark import timings
from raml_jax.studies.benchmark import worker

SMALL = problem.Sizes(
  gpts=((2, 16, 2, 6, 3, 2, 2),),
  gpt_learning_rate=1e-2,
  sampled_gpt=(2, 16, 2, 16, 3, 1, 1),
  prompt=3,
  new_tokens=(5,),
  gpu_gpts=((1, 16, 2, 8, 2, 2, 2),),
  # cuDNN's kernel needs a GPU; that of XLA has the same interface.
  gpu_kernel="xla",
  gpu_keep="products",
  gpu_seeds=(3,),
  rounds=2,
  turn=0.001,
)
SHAPE = gpt_problem.shapes(SMALL)[0]


def _normed(x, norm):
  mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
  x = (x - mean) / np.sqrt(var + gpt_problem.LAYER_NORM_EPSILON)
  return x * norm["scale"] + norm["bias"]


def _logits_TxV(tree, shape, tokens_T):
  """nanoGPT's formulas, one sequence and one head at a time, float64."""
  size = len(tokens_T)
  h = (
    tree["embed"]["embedding"][tokens_T] + tree["position"]["embedding"][:size]
  )
  for l in range(shape.layers):
    layer = tree[f"layer_{l}"]
    parts = layer["attention"]
    x = _normed(h, layer["attention_norm"])
    for head in range(shape.heads):
      q, k, v = (
        x @ parts[name]["kernel"][:, head] + parts[name]["bias"][head]
        for name in ("query", "key", "value")
      )
      scores = q @ k.T / math.sqrt(shape.width // shape.heads)
      scores[np.triu_indices(size, 1)] = -np.inf
      weights = np.exp(scores - scores.max(-1, keepdims=True))
      mixed = weights @ v / weights.sum(-1, keepdims=True)
      h = h + mixed @ parts["out"]["kernel"][head]
    h = h + parts["out"]["bias"]
    u = _normed(h, layer["mlp_norm"]) @ layer["up"]["kernel"]
    u = u + layer["up"]["bias"]
    u = u * (1 + np.tanh(math.sqrt(2 / math.pi) * (u + 0.044715 * u**3))) / 2
    h = h + u @ layer["down"]["kernel"] + layer["down"]["bias"]
  return _normed(h, tree["final_norm"]) @ tree["readout"]["kernel"]


def _loss(tree, shape, tokens_BxW):
  total = 0.0
  for row in tokens_BxW:
    logits = _logits_TxV(tree, shape, row[:-1])
    logits = logits - logits.max(-1, keepdims=True)
    total += np.log(np.exp(logits).sum(-1)).sum()
    total -= logits[np.arange(len(row) - 1), row[1:]].sum()
  return total / tokens_BxW[:, 1:].size


def _weights():
  return jax.tree.map(np.float64, gpt_problem.weights(SHAPE, 0))


def test_our_loss_and_gradient_are_those_of_the_formulas():
  loss, *gradient = gpt_contender.train(SMALL, SHAPE).check()
  tokens = gpt_problem.tokens(SHAPE)
  tree = _weights()
  assert loss == pytest.approx(_loss(tree, SHAPE, tokens), rel=1e-6)
  rng = np.random.default_rng(0)
  for _ in range(3):
    way = jax.tree.map(lambda a: rng.standard_normal(a.shape), tree)
    ends = [
      _loss(jax.tree.map(lambda a, b: a + s * b, tree, way), SHAPE, tokens)
      for s in (1e-6, -1e-6)
    ]
    entries = gpt_problem.entries(way)
    size = np.linalg.norm(entries) * np.linalg.norm(gradient)
    slope = (ends[0] - ends[1]) / 2e-6
    assert abs(np.dot(gradient, entries) - slope) < 1e-5 * size


def test_we_sample_what_the_formulas_find_most_probable():
  shape = gpt_problem.sampled(SMALL)
  tree = jax.tree.map(np.float64, gpt_problem.weights(shape, 0))
  expected = []
  for row in gpt_problem.prompts(SMALL):
    for _ in range(5):
      row = np.append(row, _logits_TxV(tree, shape, row)[-1].argmax())
    expected += row[-5:].tolist()
  assert gpt_contender.sample(SMALL, 5).check() == expected


def test_two_host_devices_sample_the_same():
  sizes = dataclasses.replace(SMALL, sampled_gpt=(2, 16, 2, 16, 4, 1, 1))
  with worker.Worker("jax", sizes, devices=2) as two:
    got = two.ask("check", gpt_problem.sampling(5, "ours"))
  assert got == gpt_contender.sample(sizes, 5).check()


@pytest.fixture
def one_window(monkeypatch):
  """A text of which there is but one window, so that no draw matters."""
  text = gpt_problem.text()[: SHAPE.context + 1]
  monkeypatch.setattr(gpt_problem, "text", lambda: text)


def _moved(contender, steps):
  """Where the weights went, but for the biases of keys.

  Those have no gradient but rounding, which Adam makes as large as any other.
  """
  contender.start(0)
  assert contender.run(steps) > 0
  after = contender.params(contender.state)
  after, before = (
    jax.tree.map_with_path(
      lambda path, a: 0 * a if _is_key_bias(path) else a,
      jax.tree.map(np.asarray, tree),
    )
    for tree in (after, gpt_problem.weights(SHAPE, 0))
  )
  entries = gpt_problem.entries
  return np.subtract(entries(after), entries(before))


def _is_key_bias(path):
  return [part.key for part in path[-2:]] == ["key", "bias"]


def test_our_training_lowers_the_loss(one_window):
  contender = gpt_contender.train(SMALL, SHAPE)
  contender.start(0)
  contender.run(20)
  row = gpt_problem.text()[None]
  params = contender.params(contender.state)
  after = _loss(jax.tree.map(np.float64, params), SHAPE, row)
  assert after < _loss(_weights(), SHAPE, row) - 0.1


@pytest.fixture
def not_compiled(monkeypatch):
  """The functions that PyTorch would take long to compile, as they are."""
  torch = pytest.importorskip("torch")
  monkeypatch.setattr(torch, "compile", lambda f, **_: f)
  # Threads that wait for each other are slow where cores are busy.
  threads = torch.get_num_threads()
  torch.set_num_threads(1)
  yield
  torch.set_num_threads(threads)


def test_pytorch_has_our_loss_gradient_and_training(one_window, not_compiled):
  from raml_jax.studies.benchmark import gpt_peers

  ours = gpt_contender.train(SMALL, SHAPE)
  check, expected = ours.check(), _moved(ours, 20)
  for how in gpt_problem.TRAINING:
    peer = gpt_peers.train(SMALL, SHAPE, how)
    timings.compare(how, peer.check(), check)
    error = np.linalg.norm(_moved(peer, 20) - expected)
    assert error < 1e-4 * np.linalg.norm(expected), how


def test_pytorch_samples_our_tokens(not_compiled):
  from raml_jax.studies.benchmark import gpt_peers

  expected = gpt_contender.sample(SMALL, 5).check()
  for how in gpt_problem.SAMPLING:
    peer = gpt_peers.sample(SMALL, 5, how)
    assert peer.check() == expected, how
    peer.start(0)
    assert peer.run(2) > 0


def test_what_a_gpu_is_asked_for_trains():
  table = gpt_contender.gpu_table(SMALL)
  assert len(table) == 3
  seen = {}
  for name, make in table.items():
    contender = make()
    contender.start(0)
    assert contender.run(4) > 0
    leaves = jax.tree.leaves(contender.state[0].params)
    assert all(np.isfinite(leaf).all() for leaf in leaves)
    seen[name.split(",")[0]] = leaves[0]
  assert len(seen["1 seed"]) == 1 and len(seen["3 seeds"]) == 3
  # Each has data of its own.
  assert np.abs(np.diff(seen["3 seeds"], axis=0)).max(axis=(1, 2)).min() > 0


def test_useful_operations_are_counted_by_matrix_products():
  """Against the shapes of every product, masked scores not counted."""
  shape = SHAPE._replace(layers=3, width=8, heads=2, context=5, batch=7)
  c, tokens = 8, 35
  linear = [(c, 3 * c), (c, c), (c, 4 * c), (4 * c, c)] * 3
  linear.append((c, gpt_problem.VOCABULARY))
  forward = sum(2 * tokens * i * o for i, o in linear)
  # 1 + 2 + 3 + 4 + 5 pairs of a query and a key.
  forward += 3 * 2 * 2 * 7 * 15 * c
  assert gpt_problem.step_flops(shape) == pytest.approx(3 * forward)
  sizes = dataclasses.replace(SMALL, prompt=4)
  shape = gpt_problem.sampled(sizes)
  linear = 12 * 16 * 16 * shape.layers
  seen = sum(range(1, 7))
  forward = 2 * shape.batch * (6 * linear + 3 * 16 * gpt_problem.VOCABULARY)
  forward += 2 * shape.batch * shape.layers * 2 * 16 * seen
  assert gpt_problem.sampling_flops(sizes, 3) == pytest.approx(forward)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
