"""MAML on sinusoids in the libraries that people use, as their guides write it.

Tasks of a step are drawn in one go; what follows is each library's own:
learn2learn, higher and TorchOpt go through them one by one, torch.func maps
over them. Libraries are imported where they are used, so that one that is
missing or broken costs itself alone.

`raml_jax[bench]` installs higher and TorchOpt. learn2learn 0.2.0 is an extra of
its own, `raml_jax[learn2learn]`, because it would break the other: its source
distribution carries C code of an old Cython, which no Python from 3.11 on
compiles ("fatal error: longintrepr.h: No such file or directory"). From its
.pyx files it builds, and then runs: with Cython, `setuptools<80` and wheel at
hand, and pip's `--no-deps --no-build-isolation` and
`--config-settings=--build-option=build_ext`. It wants gym, scipy, requests,
tqdm, and the torchvision that belongs to the PyTorch at hand.
"""

from __future__ import annotations

from collections.abc import Callable
import functools
import math

from raml_jax.studies.benchmark import contenders
from raml_jax.studies.benchmark import meta_problem
from raml_jax.studies.benchmark import problem


def learn2learn(sizes: problem.Sizes, steps: int) -> contenders.Contender:
  """`algorithms.MAML`: a clone of the network adapts to each task."""
  from learn2learn import algorithms
  from torch.nn import functional

  def prepare(network):
    return algorithms.MAML(network, lr=sizes.inner_rate, first_order=False)

  def backward(maml, tasks):
    total = 0.0
    for x, y, x_query, y_query in zip(*tasks):
      learner = maml.clone()
      for _ in range(steps):
        learner.adapt(functional.mse_loss(learner(x), y))
      total += functional.mse_loss(learner(x_query), y_query)
    loss = total / sizes.meta_batch
    loss.backward()
    return loss

  return _contender(sizes, prepare, backward)


def higher(sizes: problem.Sizes, steps: int) -> contenders.Contender:
  """`innerloop_ctx`: a functional copy of the network and its optimizer."""
  import higher as library
  import torch
  from torch.nn import functional

  def prepare(network):
    return network, torch.optim.SGD(network.parameters(), lr=sizes.inner_rate)

  def backward(prepared, tasks):
    network, inner = prepared
    total = 0.0
    for x, y, x_query, y_query in zip(*tasks):
      with library.innerloop_ctx(
        network, inner, copy_initial_weights=False
      ) as (learner, descent):
        for _ in range(steps):
          descent.step(functional.mse_loss(learner(x), y))
        loss = functional.mse_loss(learner(x_query), y_query)
        loss = loss / sizes.meta_batch
        loss.backward()
      total += loss.detach()
    return total

  return _contender(sizes, prepare, backward)


def torchopt(sizes: problem.Sizes, steps: int) -> contenders.Contender:
  """`MetaSGD`: the network is changed in place and put back."""
  from torch.nn import functional
  import torchopt as library

  def prepare(network):
    return network, library.MetaSGD(network, lr=sizes.inner_rate)

  def backward(prepared, tasks):
    network, inner = prepared
    start = library.extract_state_dict(network, by="reference")
    inner_start = library.extract_state_dict(inner, by="reference")
    total = 0.0
    for x, y, x_query, y_query in zip(*tasks):
      for _ in range(steps):
        inner.step(functional.mse_loss(network(x), y))
      total += functional.mse_loss(network(x_query), y_query)
      library.recover_state_dict(network, start)
      library.recover_state_dict(inner, inner_start)
    loss = total / sizes.meta_batch
    loss.backward()
    return loss

  return _contender(sizes, prepare, backward)


def torch_func(
  sizes: problem.Sizes, steps: int, compiled: bool = False
) -> contenders.Contender:
  """`torch.func`: grad within vmap within grad, eager or compiled.

  Args:
    sizes: of the benchmark.
    steps: inner.
    compiled: loss and meta-gradient by `torch.compile`. Not the random numbers
      (see `torch_peers`), nor Adam, which is fused.
  """
  import torch
  from torch import func
  from torch.nn import functional

  network = _network(sizes, 0)

  def loss(params, x, y):
    return functional.mse_loss(func.functional_call(network, params, (x,)), y)

  def task_loss(params, x, y, x_query, y_query):
    for _ in range(steps):
      grads = func.grad(loss)(params, x, y)
      params = {k: params[k] - sizes.inner_rate * grads[k] for k in params}
    return loss(params, x_query, y_query)

  def mean_loss(params, tasks):
    return func.vmap(task_loss, (None, 0, 0, 0, 0))(params, *tasks).mean()

  gradient = func.grad_and_value(mean_loss)
  if compiled:
    gradient = torch.compile(gradient)

  def backward(network, tasks):
    params = dict(network.named_parameters())
    grads, value = gradient({k: p.detach() for k, p in params.items()}, tasks)
    for name, param in params.items():
      param.grad = grads[name]
    return value

  return _contender(sizes, lambda network: network, backward)


# By the process that they run in.
_PEERS = {
  "learn2learn": {"learn2learn": learn2learn},
  "higher": {"higher": higher},
  "torchopt": {"TorchOpt": torchopt},
  "torch": {
    "torch.func eager": torch_func,
    "torch.func compiled": functools.partial(torch_func, compiled=True),
  },
  # Loops this small may run faster on one.
  "torch, one thread": {
    "torch.func compiled, one thread": functools.partial(
      torch_func, compiled=True
    )
  },
}
FRAMEWORKS = tuple(_PEERS)


def names(framework: str) -> tuple[str, ...]:
  """The peers that run in a process."""
  return tuple(_PEERS[framework])


def table(
  sizes: problem.Sizes, framework: str
) -> dict[str, Callable[[], contenders.Contender]]:
  """Their makers by name; see `meta_study`. Call it in that process."""
  if framework == "torch, one thread":
    import torch

    torch.set_num_threads(1)
  return {
    meta_problem.contender(name, k): functools.partial(make, sizes, k)
    for name, make in _PEERS[framework].items()
    for k in sizes.inner_steps
  }


def _device() -> str:
  import torch

  return "cuda" if torch.cuda.is_available() else "cpu"


def _network(sizes, seed):
  """The common weights in a module of PyTorch."""
  import torch
  from torch import nn

  h = sizes.hidden
  network = nn.Sequential(
    nn.Linear(1, h), nn.ReLU(), nn.Linear(h, h), nn.ReLU(), nn.Linear(h, 1)
  )
  with torch.no_grad():
    for layer, (kernel, bias) in zip(
      network[::2], meta_problem.weights(sizes, seed)
    ):
      layer.weight.copy_(torch.from_numpy(kernel.T.copy()))
      layer.bias.copy_(torch.from_numpy(bias))
  return network.to(_device())


def _draw(sizes):
  """Tasks of one step, each part BxNx1."""
  import torch

  batch, shots, device = sizes.meta_batch, sizes.shots, _device()
  amplitude = 0.1 + 4.9 * torch.rand(batch, 1, 1, device=device)
  phase = math.pi * torch.rand(batch, 1, 1, device=device)
  x = 10.0 * torch.rand(batch, 2 * shots, 1, device=device) - 5.0
  y = amplitude * torch.sin(x - phase)
  return x[:, :shots], y[:, :shots], x[:, shots:], y[:, shots:]


def _contender(sizes, prepare, backward) -> contenders.Contender:
  """A contender of PyTorch.

  Args:
    sizes: of the benchmark.
    prepare: maps the network to what the library trains it by.
    backward: `(that, tasks) -> mean query loss`; leaves the meta-gradient in
      the network's parameters.
  """
  import torch

  def begin(network, seed):
    torch.manual_seed(seed)
    adam = torch.optim.Adam(
      network.parameters(), lr=sizes.outer_rate, fused=True
    )
    return network, prepare(network), adam

  def advance(state, count):
    _, prepared, adam = state
    for _ in range(count):
      adam.zero_grad(set_to_none=True)
      backward(prepared, _draw(sizes))
      adam.step()
    if _device() == "cuda":
      torch.cuda.synchronize()
    return state

  def layers(network, read):
    linear = [(read(l.weight), read(l.bias)) for l in network[::2]]
    return [(w.detach().cpu().numpy().T, b.cpu().numpy()) for w, b in linear]

  def params(state):
    return layers(state[0], lambda p: p.detach().clone())

  def check():
    network = _network(sizes, 0)
    parts = meta_problem.tasks(sizes)
    tasks = [torch.from_numpy(a)[..., None].to(_device()) for a in parts]
    loss = backward(prepare(network), tasks)
    gradient = layers(network, lambda p: p.grad)
    return [loss.item(), *meta_problem.entries(gradient)]

  initial = functools.partial(_network, sizes)
  return contenders.Contender(check, begin, advance, params, initial)
