"""A process of its own for the contenders of one framework and device count.

`Worker` starts it and talks to it in lines of JSON; `main` is what it runs. XLA
reads its flags once, when JAX is first used, and PyTorch keeps threads of its
own, so contenders that differ in either cannot share a process.
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
import json
import os
import subprocess
import sys
from typing import Any

from raml_jax.studies.benchmark import problem

_DEVICES = "--xla_force_host_platform_device_count"


class WorkerError(RuntimeError):
  """A contender cannot run; one line."""


class Worker:
  """A running process; a context manager."""

  def __init__(self, framework: str, sizes: problem.Sizes, devices: int = 1):
    """Starts it.

    Args:
      framework: "jax", or one of `meta_peers.FRAMEWORKS`, of which "torch" has
        the other contenders of PyTorch too.
      sizes: of the benchmark.
      devices: host devices that JAX shall see.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    self._name = framework
    self._process = subprocess.Popen(
      [sys.executable, "-m", "raml_jax.studies.benchmark.worker", framework],
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      text=True,
      env={
        # Processes share a GPU: none may take its memory at the start.
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        **os.environ,
        "XLA_FLAGS": f"{flags} {_DEVICES}={devices}",
      },
    )
    self.ask(**dataclasses.asdict(sizes))

  def ask(self, *words: Any, **fields: Any) -> Any:
    """Sends a request and waits for the answer.

    Raises:
      WorkerError: it failed there, or the process ended.
    """
    try:
      self._process.stdin.write(json.dumps([words, fields]) + "\n")
      self._process.stdin.flush()
      line = self._process.stdout.readline()
    except BrokenPipeError:
      line = ""
    if not line:
      code = self._process.wait()
      raise WorkerError(f"the {self._name} process ended with exit code {code}")
    answer = json.loads(line)
    if "error" in answer:
      raise WorkerError(f"{' '.join(map(str, words))}: {answer['error']}")
    return answer["value"]

  def __enter__(self) -> Worker:
    return self

  def __exit__(self, *_) -> None:
    self._process.stdin.close()
    try:
      self._process.wait(timeout=10)
    except subprocess.TimeoutExpired:
      self._process.kill()
      self._process.wait()


def main() -> None:
  """Answers requests, one a line, until there are no more."""
  # The answers' own channel; whatever a library prints goes to stderr.
  answers = os.fdopen(os.dup(1), "w")
  os.dup2(2, 1)
  framework = sys.argv[1]
  serve = None
  for line in sys.stdin:
    words, fields = json.loads(line)
    try:
      if serve is None:
        serve, value = _server(framework, problem.Sizes(**fields)), None
      else:
        value = serve(*words)
      answer = {"value": value}
    except Exception as error:
      text = " ".join(str(error).split())[:300]
      answer = {"error": f"{type(error).__name__}: {text}"}
    print(json.dumps(answer), file=answers, flush=True)


def _server(framework: str, sizes: problem.Sizes) -> Callable[..., Any]:
  """A function from the words of a request to its answer."""
  table = _jax(sizes) if framework == "jax" else _peers(sizes, framework)
  made = {}

  def contender(name):
    if name not in made:
      made[name] = table[name]()
    return made[name]

  def drop(name):
    made.pop(name, None)

  def layer(name):
    chosen = contender(name)
    params = chosen.params(chosen.state)["layer_0"]
    return {key: params[key].tolist() for key in ("V", "W")}

  requests = {
    "check": lambda name: contender(name).check(),
    "drop": drop,
    "start": lambda name, seed: contender(name).start(seed),
    "run": lambda name, steps: contender(name).run(steps),
    "layer": layer,
    "peak": lambda: table["peak"](),
    "place": lambda: table["place"](),
    "fact": lambda name: table[name](),
  }
  return lambda request, *words: requests[request](*words)


def _jax(sizes: problem.Sizes) -> dict[str, Callable[[], Any]]:
  import jax

  from raml_jax.studies.benchmark import contenders
  from raml_jax.studies.benchmark import gpt_contender
  from raml_jax.studies.benchmark import machine
  from raml_jax.studies.benchmark import meta_contender

  def chain(n, moments_only):
    return lambda: contenders.chain_of_thought(sizes, n, moments_only)

  return {
    "peak": machine.matmul_gflops,
    "bfloat16 peak": lambda: machine.matmul_gflops(8192, "bfloat16"),
    "backend": jax.default_backend,
    "devices": machine.devices,
    "same law": chain(sizes.n, True),
    "same data": chain(sizes.n, False),
    **{f"n={n}": chain(n, True) for n in sizes.more_pairs},
    "query": lambda: contenders.query_prompt_step(sizes),
    "ordinary query": lambda: contenders.ordinary_query_prompt_step(sizes),
    "place": lambda: meta_contender.place(sizes),
    **meta_contender.table(sizes),
    **gpt_contender.table(sizes),
    **gpt_contender.gpu_table(sizes),
  }


def _peers(
  sizes: problem.Sizes, framework: str
) -> dict[str, Callable[[], Any]]:
  from raml_jax.studies.benchmark import meta_peers

  table = meta_peers.table(sizes, framework)
  if framework != "torch":
    return table
  from raml_jax.studies.benchmark import gpt_peers
  from raml_jax.studies.benchmark import torch_peers

  def chain(form, compiled):
    return lambda: torch_peers.chain_of_thought(sizes, form, compiled)

  for how in ("eager", "compiled"):
    for form in ("explicit", "gram"):
      table[f"{how}, {form}"] = chain(form, how == "compiled")
  return {**table, **gpt_peers.table(sizes)}


if __name__ == "__main__":
  main()
