"""MAML on sinusoids: our meta-step beside those of the libraries in use.

A peer that is not installed, or fails, is a row with its error.
"""

from __future__ import annotations

import contextlib

from raml_jax.studies.benchmark import meta_peers
from raml_jax.studies.benchmark import meta_problem
from raml_jax.studies.benchmark import problem
from raml_jax.studies.benchmark import timings
from raml_jax.studies.benchmark import worker

DEVICES = (1, 2)


def rows(sizes: problem.Sizes) -> list[timings.Row]:
  """Checks and times every library at every number of inner steps.

  Raises:
    BenchmarkError: a library's loss or meta-gradient is not ours.
    WorkerError: ours fails.
  """
  with contextlib.ExitStack() as stack:
    workers, places = {}, []
    for devices in DEVICES:
      ours = stack.enter_context(worker.Worker("jax", sizes, devices))
      place = ours.ask("place")
      # Only a CPU can be cut into several devices.
      if place not in places:
        workers[place] = ours
        places.append(place)
    for name in meta_peers.FRAMEWORKS:
      workers[name] = stack.enter_context(worker.Worker(name, sizes))
    found = []
    for steps in sizes.inner_steps:
      found += _compared(workers, places, steps, sizes)
    return found


def _compared(workers, places, steps, sizes) -> list[timings.Row]:
  """One number of inner steps."""
  work = meta_problem.work(steps)
  timings.say(work)
  mine = meta_problem.contender("ours", steps)
  expected = workers[places[0]].ask("check", mine)
  chunks = {(place, mine): sizes.meta_chunk for place in places}
  errors = {}
  for framework in meta_peers.FRAMEWORKS:
    for peer in meta_peers.names(framework):
      name = meta_problem.contender(peer, steps)
      try:
        got = workers[framework].ask("check", name)
        workers[framework].ask("start", name, 0)
        workers[framework].ask("run", name, 1)
      except worker.WorkerError as error:
        errors[peer] = str(error)
        continue
      timings.compare(name, got, expected)
      chunks[framework, name] = 1
  seconds = timings.turns(workers, chunks, sizes)
  found = []
  for framework in meta_peers.FRAMEWORKS:
    for peer in meta_peers.names(framework):
      if peer in errors:
        found.append(timings.Row(work, peer, "", note=errors[peer]))
        continue
      theirs = seconds[framework, meta_problem.contender(peer, steps)]
      for place in places:
        ours = seconds[place, mine]
        found.append(timings.paired(work, peer, place, ours, theirs))
  return found
