"""Rows of GPTs: what is compared, what is refused, what is only noted."""

import pytest

from experiments import benchmark
from raml_jax import parsing
from raml_jax.studies.benchmark import gpt_problem
from raml_jax.studies.benchmark import gpt_study
from raml_jax.studies.benchmark import problem
from raml_jax.studies.benchmark import study
from raml_jax.studies.benchmark import timings
from raml_jax.studies.benchmark import worker

SMALL = problem.Sizes(
  gpts=((2, 16, 2, 6, 3, 2, 2),),
  sampled_gpt=(2, 16, 2, 16, 3, 1, 1),
  prompt=3,
  new_tokens=(5,),
  gpu_gpts=((1, 16, 2, 8, 2, 2, 2),),
  gpu_seeds=(3,),
  rounds=2,
  turn=0.001,
)
SHAPE = gpt_problem.shapes(SMALL)[0]


class _Process:
  """Stands for a worker: answers without any framework."""

  def __init__(self, framework, sizes, devices=1, backend="gpu", token=1):
    self._framework = framework
    self._backend, self._token = backend, token

  def ask(self, request, *words):
    if request == "fact":
      return {
        "backend": self._backend,
        "devices": "here",
        "bfloat16 peak": 1e-3,
      }[words[0]]
    if request == "check" and "eager" in words[0]:
      raise worker.WorkerError("check: InductorError: no compiler")
    if request == "check" and "sampl" not in words[0]:
      mine = self._framework == "jax"
      return [1, 2, 1 if mine else self._token]
    if request == "run":
      name, steps = words
      return 0.01 * steps * (2.0 if " seeds" in name else 1.0)
    return {"peak": 1e-3, "start": None, "drop": None}[request]

  def __enter__(self):
    return self

  def __exit__(self, *_):
    pass


def test_a_peer_that_fails_is_a_row_with_its_error(monkeypatch):
  monkeypatch.setattr(worker, "Worker", _Process)
  rows = {row.peer: row for row in gpt_study.training_rows(SMALL)}
  assert len(rows) == len(gpt_problem.TRAINING)
  assert rows["PyTorch eager"].note.endswith("InductorError: no compiler")
  assert rows["PyTorch eager"].ratio is None
  row = rows["PyTorch compiled"]
  assert row.ratio == 1.0 and row.note == "1,800 tokens/s"
  seconds = gpt_problem.step_flops(SHAPE) / 1e6
  assert row.fraction_of_peak == pytest.approx(seconds / 0.01)


def test_other_tokens_are_refused(monkeypatch):
  def start(*arguments):
    return _Process(*arguments, token=3)

  monkeypatch.setattr(worker, "Worker", _Process)
  assert len(gpt_study.sampling_rows(SMALL)) == len(gpt_problem.SAMPLING)
  monkeypatch.setattr(worker, "Worker", start)
  with pytest.raises(timings.BenchmarkError, match=r"other tokens, 33\.3%"):
    gpt_study.sampling_rows(SMALL)


def test_without_a_gpu_its_rows_say_so_and_with_one_they_have_numbers(
  monkeypatch,
):
  def start(*arguments):
    return _Process(*arguments, backend="cpu")

  monkeypatch.setattr(worker, "Worker", start)
  (row,) = gpt_study.gpu_rows(SMALL)
  assert row.note == "needs a GPU; JAX finds a cpu" and row.ratio is None
  monkeypatch.setattr(worker, "Worker", _Process)
  large, seeds = gpt_study.gpu_rows(SMALL)
  flops = gpt_problem.step_flops(gpt_problem.large(SMALL)[0])
  assert large.fraction_of_peak == pytest.approx(flops / 1e6 / 0.01)
  # Three models in the time of two.
  assert seeds.ratio == pytest.approx(1.5)
  assert seeds.note == "2,700 tokens/s"


def test_a_shape_that_does_not_fit_a_gpu_is_a_row_with_its_error(monkeypatch):
  class Full(_Process):
    def ask(self, request, *words):
      if request == "start" and "bfloat16" in words[0]:
        raise worker.WorkerError("start: RESOURCE_EXHAUSTED: out of memory")
      return super().ask(request, *words)

  monkeypatch.setattr(worker, "Worker", Full)
  large, seeds = gpt_study.gpu_rows(SMALL)
  assert large.note.endswith("out of memory") and large.ours_ms is None
  assert seeds.ratio == pytest.approx(1.5)


def test_the_gpu_section_needs_no_pytorch(monkeypatch, tmp_path):
  monkeypatch.setattr(study.importlib.util, "find_spec", lambda name: None)
  monkeypatch.setattr(worker, "Worker", _Process)
  rows, _ = study.run(tmp_path / "run", SMALL, "gpu")
  assert len(rows) == 2


@pytest.mark.parametrize(
  "setting, message",
  [
    ("rounds=many", "--size=rounds=many: no JSON"),
    ("round=3", "size.round: unknown field"),
    ("gpu_gpts=[[1, 16]]", "size.gpu_gpts[0] = [1, 16]: must have 7 entries"),
    ('gpu_keep="some"', "size.gpu_keep = 'some': must be one of 'all'"),
  ],
)
def test_a_wrong_size_is_one_line(setting, message):
  with pytest.raises(parsing.ConfigError) as error:
    benchmark.sizes([setting])
  assert message in str(error.value) and "\n" not in str(error.value)


def test_sizes_are_set_from_the_command_line():
  sizes = benchmark.sizes(["rounds=3", "gpu_seeds=[4, 8]"])
  expected = problem.Sizes(rounds=3, gpu_seeds=(4, 8))
  assert sizes == expected


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
