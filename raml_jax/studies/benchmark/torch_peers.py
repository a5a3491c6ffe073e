"""The teacher-forced step in PyTorch, as one who knows PyTorch would write it.

Only tokens that write are queries, products are batched, the teacher's path is
made without gradient, Adam is fused. Two forms: explicit tokens, the form of
the formula, and the Gram matrix in place of the data tokens, as in this
project. The compiled forms compile everything but the random numbers, which
the compiler would make slower.
"""

from __future__ import annotations

import numpy as np

from raml_jax.studies.benchmark import contenders
from raml_jax.studies.benchmark import problem


def chain_of_thought(
  sizes: problem.Sizes, form: str, compiled: bool
) -> contenders.Contender:
  """The step in one `form`, "explicit" or "gram"."""
  import torch

  d, n, steps, batch = sizes.d, sizes.n, sizes.steps, sizes.batch
  e = d + 1
  causal = torch.tril(torch.ones(steps, steps)) / n
  mask = torch.cat([torch.full((steps, n), 1.0 / n), causal], dim=1)
  blank = torch.zeros(batch, steps + 1, e)
  ones = torch.ones(batch, steps + 1, 1)

  def path(xy):
    """(data's second moments, every token the teacher writes)."""
    with torch.no_grad():
      gram = xy.mT @ xy / n
      s, b = gram[:, :d, :d], gram[:, :d, d:]
      w = torch.zeros(batch, d, 1)
      iterates = [w]
      for _ in range(steps):
        w = w - sizes.eta * (s @ w - b)
        iterates.append(w)
      tokens = torch.cat([blank, torch.cat(iterates, dim=2).mT, ones], dim=2)
    return gram, tokens

  def explicit(v, w, x, latent):
    xy = torch.cat([x, x @ latent[..., None]], dim=2)
    _, tokens = path(xy)
    now, following = tokens[:, :-1], tokens[:, 1:]
    data = torch.nn.functional.pad(xy, (0, e))
    prompt = torch.cat([data, now], dim=1)
    scores = (now @ w.T) @ prompt.mT * mask
    error = now + (scores @ prompt) @ v.T - following
    return error.square().sum(dim=2).mean()

  def gram(v, w, x, latent):
    xy = torch.cat([x, x @ latent[..., None]], dim=2)
    moments, tokens = path(xy)
    now, following = tokens[:, :-1], tokens[:, 1:]
    query = now @ w.T
    data = torch.nn.functional.pad(query[..., :e] @ moments, (0, e))
    read = data + (query @ now.mT * causal) @ now
    error = now + read @ v.T - following
    return error.square().sum(dim=2).mean()

  loss = {"explicit": explicit, "gram": gram}[form]
  if compiled:
    loss = torch.compile(loss)

  def initial(seed):
    return [
      torch.from_numpy(a).clone().requires_grad_()
      for a in problem.weights(sizes, seed)
    ]

  def begin(params, seed):
    torch.manual_seed(seed)
    adam = torch.optim.Adam(params, lr=sizes.learning_rate, fused=True)
    return params, adam

  def advance(state, count):
    (v, w), adam = state
    for _ in range(count):
      adam.zero_grad(set_to_none=True)
      x, latent = torch.randn(batch, n, d), torch.randn(batch, d)
      loss(v, w, x, latent).backward()
      adam.step()
    return state

  def params(state):
    v, w = (p.detach().numpy().copy() for p in state[0])
    return {"layer_0": {"V": v, "W": w}}

  def check():
    v, w = initial(0)
    value = loss(v, w, *map(torch.from_numpy, problem.tasks(sizes)))
    value.backward()
    entries = np.concatenate([np.ravel(p.grad.numpy()) for p in (v, w)])
    return [value.item(), *entries.tolist()]

  return contenders.Contender(check, begin, advance, params, initial)
