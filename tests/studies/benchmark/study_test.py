"""Equal work is timed, and the benchmark refuses where it is not equal."""

import dataclasses
import importlib.util

import numpy as np
import pytest

from raml_jax.studies.benchmark import contenders
from raml_jax.studies.benchmark import problem
from raml_jax.studies.benchmark import study
from raml_jax.studies.benchmark import timings
from raml_jax.studies.benchmark import worker

SMALL = problem.Sizes(
  d=3, n=4, steps=3, batch=8, query_batch=6, query_n=3, chunk=2
)


def _oracle_loss(sizes):
  """Teacher forcing with explicit tokens, one task and token at a time."""
  v, w = problem.weights(sizes, 0)
  d, n = sizes.d, sizes.n
  total = 0.0
  for x, latent in zip(*problem.tasks(sizes)):
    y = x @ latent
    data = np.zeros((n, 2 * d + 2))
    data[:, :d], data[:, d] = x, y
    iterates = [np.zeros(d)]
    for _ in range(sizes.steps):
      gradient = x.T @ (x @ iterates[-1] - y) / n
      iterates.append(iterates[-1] - sizes.eta * gradient)
    tokens = np.zeros((sizes.steps + 1, 2 * d + 2))
    tokens[:, d + 1 : -1], tokens[:, -1] = iterates, 1.0
    for t in range(sizes.steps):
      seen = np.concatenate([data, tokens[: t + 1]])
      out = tokens[t] + v @ (seen.T @ (seen @ (w @ tokens[t]))) / n
      total += ((out - tokens[t + 1]) ** 2).sum()
  return total / (sizes.batch * sizes.steps)


@pytest.mark.parametrize("moments_only", [True, False])
def test_our_loss_is_that_of_explicit_tokens(moments_only):
  got = contenders.chain_of_thought(SMALL, SMALL.n, moments_only).check()[0]
  assert got == pytest.approx(_oracle_loss(SMALL), rel=1e-5)


@pytest.mark.parametrize("form", ["explicit", "gram"])
def test_pytorch_has_our_loss_and_gradient(form):
  pytest.importorskip("torch")
  from raml_jax.studies.benchmark import torch_peers

  peer = torch_peers.chain_of_thought(SMALL, form, compiled=False)
  ours = contenders.chain_of_thought(SMALL, SMALL.n, True)
  timings.compare("peer", peer.check(), ours.check())


def test_the_ordinary_form_of_the_query_prompt_has_our_loss():
  ordinary = contenders.ordinary_query_prompt_step(SMALL).check()
  np.testing.assert_allclose(
    contenders.query_prompt_step(SMALL).check(), ordinary, rtol=1e-5
  )


@pytest.mark.parametrize(
  "make",
  [
    lambda sizes: contenders.chain_of_thought(sizes, sizes.n, True),
    contenders.query_prompt_step,
    contenders.ordinary_query_prompt_step,
  ],
)
def test_a_contender_trains_from_its_initial_weights(make):
  contender = make(SMALL)
  contender.start(0)
  assert contender.run(4) > 0
  before = contender.initial(0)
  after = contender.params(contender.state)
  layer = lambda tree: tree.get("layer_0", tree)
  for name, entries in layer(after).items():
    assert np.isfinite(entries).all()
    assert np.abs(entries - layer(before)[name]).max() > 0


def test_contenders_on_two_host_devices_check_and_train_alike():
  with worker.Worker("jax", SMALL, devices=2) as two:
    ours = contenders.chain_of_thought(SMALL, SMALL.n, True)
    timings.compare("two devices", two.ask("check", "same law"), ours.check())
    two.ask("start", "same law", 0)
    assert two.ask("run", "same law", 4) > 0
    assert np.isfinite(two.ask("layer", "same law")["V"]).all()
    with pytest.raises(worker.WorkerError, match="KeyError: 'nothing'"):
      two.ask("check", "nothing")


def test_a_worker_that_dies_is_one_line():
  with worker.Worker("jax", SMALL) as one:
    one._process.kill()
    with pytest.raises(worker.WorkerError, match="ended with exit code -9"):
      one.ask("check", "same law")


def test_ratios_are_paired_and_their_spread_is_over_rounds():
  row = timings.paired("w", "p", "m", [1.0, 2.0, 4.0], [3.0, 8.0, 4.0], 0.5)
  assert (row.ours_ms, row.peer_ms, row.ratio) == (2000.0, 4000.0, 3.0)
  assert (row.low, row.high) == pytest.approx((1.4, 3.8))
  assert row.fraction_of_peak == 0.25
  header, line = timings.table([row]).splitlines()
  assert header.split() == [f.name for f in dataclasses.fields(timings.Row)]
  assert line.split()[:5] == ["w", "p", "m", "2e+03", "4e+03"]


@pytest.mark.parametrize(
  "got, what",
  [
    ([1.001, 3.0, 4.0], "loss"),
    ([1.0, 3.0, 4.01], "gradient"),
    ([float("nan"), 3.0, 4.0], "loss"),
  ],
)
def test_other_losses_or_gradients_are_refused(got, what):
  timings.compare("same", [1.0 + 1e-5, 3.0, 4.0], [1.0, 3.0, 4.0])
  with pytest.raises(timings.BenchmarkError, match=f"peer: .* {what}"):
    timings.compare("peer", got, [1.0, 3.0, 4.0])


def test_without_pytorch_one_line_says_what_to_install(monkeypatch, tmp_path):
  find = importlib.util.find_spec
  monkeypatch.setattr(
    importlib.util, "find_spec", lambda n: None if n == "torch" else find(n)
  )
  with pytest.raises(timings.BenchmarkError, match=r"raml_jax\[bench\]") as e:
    study.run(tmp_path / "run", SMALL)
  assert "\n" not in str(e.value)
  assert not (tmp_path / "run").exists()


def test_useful_operations_do_not_depend_on_the_number_of_pairs():
  assert problem.step_flops(problem.Sizes()) == problem.step_flops(
    problem.Sizes(n=80)
  )


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
