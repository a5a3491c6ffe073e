"""Our training steps beside those that people would otherwise use.

Every contender runs in a process of its own framework, for a turn of a fraction
of a second, one after another, again and again. A ratio is the peer's time over
ours in the same round; its spread is over rounds. Nothing is timed before equal
weights and equal tasks have given equal losses and gradients.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import os

import jax
import jax.numpy as jnp

from raml_jax.models import attention
from raml_jax.models import reasoners
from raml_jax.studies.benchmark import gpt_study
from raml_jax.studies.benchmark import meta_study
from raml_jax.studies.benchmark import problem
from raml_jax.studies.benchmark import timings
from raml_jax.studies.benchmark import worker
from raml_jax.tasks import regression
from raml_jax.training import workdir as workdir_lib

DEVICES = (1, 2)
TORCH = (
  "eager, explicit",
  "compiled, explicit",
  "eager, gram",
  "compiled, gram",
)
CHAIN = "LSA chain-of-thought step"
QUERY = "von Oswald's step"
TARGET = "time to the error of gradient descent"
# Load average above which the machine is not quiet.
QUIET = 0.7


def run(
  path: str | os.PathLike[str],
  sizes: problem.Sizes,
  only: str | None = None,
) -> tuple[list[timings.Row], workdir_lib.Workdir]:
  """Checks, times, and saves `results/benchmark.json` in the workdir.

  Args:
    path: of the workdir.
    sizes: of everything.
    only: one of `SECTIONS`; None: all.

  Raises:
    BenchmarkError: PyTorch is missing, a contender fails, or losses differ.
    WorkdirError: the workdir cannot be used.
  """
  chosen = [only] if only else list(SECTIONS)
  if chosen != ["gpu"] and importlib.util.find_spec("torch") is None:
    raise timings.BenchmarkError(
      "PyTorch is not installed: pip install 'raml_jax[bench]'"
    )
  config = {"experiment": "benchmark", **dataclasses.asdict(sizes)}
  config["sections"] = chosen
  workdir = workdir_lib.open_workdir(path, config)
  busy = os.getloadavg()[0]
  if busy > QUIET:
    timings.say(
      f"warning: others keep {busy:.1f} cores busy. Threads that wait for each"
      " other, PyTorch's above all, suffer most: these ratios will flatter us"
    )
  rows = []
  for name in chosen:
    try:
      rows += SECTIONS[name](sizes)
    except worker.WorkerError as error:
      raise timings.BenchmarkError(str(error)) from error
    # Sections take minutes: what has been measured is kept.
    workdir.save_json(
      "results/benchmark.json", list(map(dataclasses.asdict, rows))
    )
  return rows, workdir


def _attention(sizes: problem.Sizes) -> list[timings.Row]:
  """Linear attention: chains of thought, and von Oswald's setting."""
  with contextlib.ExitStack() as stack:
    workers = {"torch": stack.enter_context(worker.Worker("torch", sizes))}
    for devices in DEVICES:
      workers[_ours(devices)] = stack.enter_context(
        worker.Worker("jax", sizes, devices)
      )
    timings.say("equal losses from equal weights")
    _check(workers)
    peak = workers[_ours(1)].ask("peak")
    rows = _step_rows(workers, sizes, peak)
    return rows + _target_rows(workers, sizes)


SECTIONS = {
  "attention": _attention,
  "sinusoid": meta_study.rows,
  "gpt": gpt_study.training_rows,
  "sampling": gpt_study.sampling_rows,
  "gpu": gpt_study.gpu_rows,
}


def _ours(devices: int) -> str:
  return f"{devices} host device{'s' if devices > 1 else ''}"


def _check(workers: dict[str, worker.Worker]) -> None:
  chain = workers[_ours(1)].ask("check", "same law")
  query = workers[_ours(1)].ask("check", "ordinary query")
  for name in TORCH:
    timings.compare(
      f"PyTorch {name}", workers["torch"].ask("check", name), chain
    )
  for devices in DEVICES:
    ours = workers[_ours(devices)]
    for name in ("same law", "same data"):
      timings.compare(f"{CHAIN}, {name}", ours.ask("check", name), chain)
    timings.compare(QUERY, ours.ask("check", "query"), query)


def _step_rows(workers, sizes, peak_gflops) -> list[timings.Row]:
  """Training steps: against PyTorch, the ordinary form, and other n."""
  timings.say("compiling")
  ours = [
    (_ours(devices), name)
    for devices in DEVICES
    for name in ("same law", "same data", "query")
  ]
  more = [(_ours(1), f"n={n}") for n in sizes.more_pairs]
  ordinary = (_ours(1), "ordinary query")
  torch = [("torch", name) for name in TORCH]
  contenders = [*ours, *more, ordinary, *torch]
  seconds = timings.turns(
    workers, dict.fromkeys(contenders, sizes.chunk), sizes
  )
  chain_s = problem.step_flops(sizes) / peak_gflops / 1e9
  query_s = problem.query_flops(sizes) / peak_gflops / 1e9
  rows = []
  for mode, name in ours:
    peers = [ordinary] if name == "query" else torch
    for peer in peers:
      work = QUERY if name == "query" else CHAIN
      rows.append(
        timings.paired(
          work,
          "ordinary JAX" if name == "query" else f"PyTorch {peer[1]}",
          f"{'same data' if name == 'query' else name}, {mode}",
          seconds[mode, name],
          seconds[peer],
          query_s if name == "query" else chain_s,
        )
      )
  at_n = seconds[_ours(1), "same law"]
  for mode, name in more:
    rows.append(
      timings.paired(
        f"{CHAIN}, {name}",
        f"ours at n={sizes.n}",
        f"same law, {mode}",
        seconds[mode, name],
        at_n,
        chain_s,
      )
    )
  return rows


def _target_rows(workers, sizes) -> list[timings.Row]:
  """Seconds of training until the k-step error is that of the teacher."""
  timings.say(f"{TARGET}, {sizes.seeds} seeds")
  error = _error(sizes)
  eye_DxD = jnp.eye(sizes.d)
  goal = sizes.target * error(
    attention.construction(-sizes.eta * eye_DxD, eye_DxD)["layer_0"]
  )
  ours = [(_ours(devices), "same law") for devices in DEVICES]
  torch = [("torch", name) for name in TORCH if "explicit" in name]
  taken = {contender: [] for contender in (*ours, *torch)}
  for seed in range(sizes.seeds):
    for name, work in taken:
      seconds = _until(workers[name], work, seed, error, goal, sizes)
      taken[name, work].append(seconds)
  return [
    timings.paired(
      f"{TARGET}, within {sizes.target - 1:.0%}",
      f"PyTorch {peer[1]}",
      f"same law, {mode}",
      taken[mode, name],
      taken[peer],
    )
    for mode, name in ours
    for peer in torch
  ]


def _until(contender, work, seed, error, goal, sizes) -> float:
  contender.ask("start", work, seed)
  seconds = 0.0
  for _ in range(sizes.most_steps // sizes.evaluate_every):
    seconds += contender.ask("run", work, sizes.evaluate_every)
    layer = jax.tree.map(
      jnp.asarray, contender.ask("layer", work), is_leaf=_is_list
    )
    if error(layer) <= goal:
      return seconds
  raise timings.BenchmarkError(
    f"{work}, seed {seed}: not within {sizes.target - 1:.0%} of gradient"
    f" descent in {sizes.most_steps} steps"
  )


def _is_list(node) -> bool:
  return isinstance(node, list)


def _error(sizes: problem.Sizes):
  """A function from a layer to its error after k steps, on fixed tasks."""
  task = regression.LinearRegression(
    jnp.eye(sizes.d), d=sizes.d, n=sizes.n, moments_only=True
  )
  episodes = task.sample(jax.random.key(2505), sizes.evaluation_batch)
  reasoner = reasoners.reasoner(attention.linear_attention(sizes.d))

  @jax.jit
  def error(layer):
    def last(support):
      params = {"layer_0": layer}
      return reasoners.rollout(reasoner, params, support, sizes.steps)[-1]

    w_BxD = jax.vmap(last)(episodes.support)
    return jnp.mean(jnp.sum((w_BxD - episodes.latent_D) ** 2, axis=-1))

  return error
