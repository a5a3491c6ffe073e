"""GPTs: our training step and our sampling beside those of PyTorch.

A peer that fails is a row with its error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import contextlib
import dataclasses
from typing import Any, NamedTuple

import numpy as np

from raml_jax.studies.benchmark import gpt_problem
from raml_jax.studies.benchmark import problem
from raml_jax.studies.benchmark import timings
from raml_jax.studies.benchmark import worker

# Host devices, each with its share of the batch: one core works through large
# operations of its own, where one device would cut every small one in two.
DEVICES = (1, 2)
GPU_TRAINING = "GPT on a GPU"
GPU_SEEDS = "GPTs side by side on a GPU"


class _Work(NamedTuple):
  """One comparison.

  Attributes:
    title: of its rows.
    name: maps who does it to what workers know that by.
    peers: of PyTorch.
    chunk: of which a turn of ours is a multiple.
    rounds: turns of every contender.
    flops: useful ones, per step of ours.
    tokens: per step.
    compare: `(peer, its check, ours)`, raises where they differ.
  """

  title: str
  name: Callable[[str], str]
  peers: Sequence[str]
  chunk: int
  rounds: int
  flops: float
  tokens: int
  compare: Callable[[str, Any, Any], None]


def training_rows(sizes: problem.Sizes) -> list[timings.Row]:
  """Training steps of every shape.

  Raises:
    BenchmarkError: a peer's loss or gradient is not ours.
    WorkerError: ours fails.
  """
  works = []
  for shape in gpt_problem.shapes(sizes):
    works.append(
      _Work(
        f"training {shape.name}",
        lambda who, shape=shape: gpt_problem.training(shape, who),
        gpt_problem.TRAINING,
        shape.chunk,
        shape.rounds,
        gpt_problem.step_flops(shape),
        shape.tokens,
        timings.compare,
      )
    )
  return _rows(works, sizes)


def sampling_rows(sizes: problem.Sizes) -> list[timings.Row]:
  """Sampling, greedy, beside nanoGPT's and beside a loop with a cache.

  Raises:
    BenchmarkError: a peer writes other tokens than ours.
    WorkerError: ours fails.
  """
  shape = gpt_problem.sampled(sizes)
  works = []
  for count in sizes.new_tokens:
    # Those without a cache take seconds: fewer turns, and apart from the rest.
    for cached, rounds in ((False, shape.rounds), (True, sizes.rounds)):
      works.append(
        _Work(
          f"sampling {count} tokens, GPT {shape.layers}L/{shape.width},"
          f" batch {shape.batch}",
          lambda who, count=count: gpt_problem.sampling(count, who),
          [
            peer
            for peer in gpt_problem.SAMPLING
            if peer.startswith("cached") == cached
          ],
          shape.chunk,
          rounds,
          gpt_problem.sampling_flops(sizes, count),
          count * shape.batch,
          _same_tokens,
        )
      )
  return _rows(works, sizes)


def gpu_rows(sizes: problem.Sizes) -> list[timings.Row]:
  """How much of a GPU training uses, of large models and of many small ones.

  Without a GPU, a row that says so.
  """
  with worker.Worker("jax", sizes) as ours:
    backend = ours.ask("fact", "backend")
    if backend != "gpu":
      note = f"needs a GPU; JAX finds a {backend}"
      return [timings.Row(GPU_TRAINING, "", "", note=note)]
    place = ours.ask("fact", "devices")
    timings.say(f"matrix products on {place}")
    peak = ours.ask("fact", "bfloat16 peak")
    found = [
      _large(ours, place, shape, peak, sizes)
      for shape in gpt_problem.large(sizes)
    ]
    return found + _side_by_side(ours, place, sizes)


def _large(ours, place, shape, peak, sizes) -> timings.Row:
  """One shape in bfloat16; where it fails, a row with its error."""
  title = f"{GPU_TRAINING}: {shape.name}"
  timings.say(title)
  name = gpt_problem.training(shape, "bfloat16")
  limits = dataclasses.replace(sizes, rounds=shape.rounds)
  mode = (
    f"bfloat16, {sizes.gpu_kernel or 'plain'} attention,"
    f" {sizes.gpu_keep} kept, {place}"
  )
  try:
    seconds = timings.turns({place: ours}, {(place, name): shape.chunk}, limits)
  except worker.WorkerError as error:
    return timings.Row(title, "", mode, note=str(error))
  finally:
    # Its gigabytes are for the next one.
    ours.ask("drop", name)
  step = float(np.median(seconds[place, name]))
  rate = gpt_problem.step_flops(shape) / step / 1e9
  timings.say(f"{step * 1e3:.0f} ms per step, {rate / peak:.1%} of the peak")
  return timings.Row(
    title,
    f"its own bfloat16 matrix product, {peak / 1e3:.0f} TFLOP/s",
    mode,
    ours_ms=step * 1e3,
    fraction_of_peak=rate / peak,
    note=f"{_rate(shape.tokens, step)}, {rate / 1e3:.0f} TFLOP/s",
  )


def _side_by_side(ours, place, sizes) -> list[timings.Row]:
  """Many small models at once, beside one after another."""
  small = gpt_problem.shapes(sizes)[0]
  if not sizes.gpu_seeds:
    return []
  timings.say(f"{GPU_SEEDS}: {small.name}")
  names = {
    count: gpt_problem.training(small, gpt_problem.seeds(count))
    for count in (1, *sizes.gpu_seeds)
  }
  chunks = {(place, name): small.chunk for name in names.values()}
  seconds = timings.turns({place: ours}, chunks, sizes)
  alone = np.asarray(seconds[place, names[1]])
  found = []
  for count in sizes.gpu_seeds:
    together = seconds[place, names[count]]
    row = timings.paired(
      f"{GPU_SEEDS}: {small.name}",
      "one after another",
      f"{gpt_problem.seeds(count)}, {place}",
      together,
      count * alone,
    )
    note = _rate(count * small.tokens, float(np.median(together)))
    timings.say(f"{gpt_problem.seeds(count)}: {row.ratio:.1f} times as fast")
    found.append(dataclasses.replace(row, note=note))
  return found


def _rows(works, sizes) -> list[timings.Row]:
  with contextlib.ExitStack() as stack:
    workers, places = {}, []
    for devices in DEVICES:
      ours = stack.enter_context(worker.Worker("jax", sizes, devices))
      place = ours.ask("fact", "devices")
      # Only a CPU can be cut into several devices.
      if place not in places:
        workers[place] = ours
        places.append(place)
    workers["torch"] = stack.enter_context(worker.Worker("torch", sizes))
    peak = workers[places[0]].ask("peak")
    return [
      row
      for work in works
      for row in _compared(workers, places, work, peak, sizes)
    ]


def _compared(workers, places, work, peak, sizes) -> list[timings.Row]:
  timings.say(work.title)
  mine = work.name("ours")
  expected = workers[places[0]].ask("check", mine)
  chunks = {(place, mine): work.chunk for place in places}
  errors = {}
  for peer in work.peers:
    name = work.name(peer)
    try:
      got = workers["torch"].ask("check", name)
      workers["torch"].ask("start", name, 0)
      workers["torch"].ask("run", name, 1)
    except worker.WorkerError as error:
      errors[peer] = str(error)
      continue
    work.compare(name, got, expected)
    chunks["torch", name] = 1
  limits = dataclasses.replace(sizes, rounds=work.rounds)
  seconds = timings.turns(workers, chunks, limits)
  found = []
  for peer in work.peers:
    title = f"PyTorch {peer}"
    if peer in errors:
      found.append(timings.Row(work.title, title, "", note=errors[peer]))
      continue
    theirs = seconds["torch", work.name(peer)]
    for place in places:
      ours = seconds[place, mine]
      row = timings.paired(
        work.title, title, place, ours, theirs, work.flops / peak / 1e9
      )
      note = _rate(work.tokens, float(np.median(ours)))
      found.append(dataclasses.replace(row, note=note))
  return found


def _rate(tokens: int, seconds: float) -> str:
  return f"{tokens / seconds:,.0f} tokens/s"


def _same_tokens(name, got, expected):
  if got != expected:
    different = np.mean(np.not_equal(got, expected))
    raise timings.BenchmarkError(
      f"{name}: equal weights and prompts give other tokens,"
      f" {different:.1%} of them"
    )
