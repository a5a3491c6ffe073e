"""What nanoGPT does, in PyTorch: its training step, its ways of sampling.

The model is `gpt_torch`. Imports PyTorch, so only processes of PyTorch may
import it.
"""

from __future__ import annotations

from collections.abc import Callable
import functools

import torch
from torch import func
from torch.nn import functional

from raml_jax.studies.benchmark import contenders
from raml_jax.studies.benchmark import gpt_problem
from raml_jax.studies.benchmark import gpt_torch
from raml_jax.studies.benchmark import problem

_BETAS = (0.9, 0.99)
_ADAM_EPSILON = 1e-8


def train(
  sizes: problem.Sizes, shape: gpt_problem.Shape, how: str
) -> contenders.Contender:
  """The training step.

  Args:
    sizes: of the benchmark.
    shape: of the model and its batch.
    how: one of `gpt_problem.TRAINING`: "eager"; "compiled", the loss by
      `torch.compile`, AdamW fused; "compiled whole", loss, gradient, clipping
      and AdamW as one compiled function.
  """
  loss = functools.partial(gpt_torch.loss, shape)
  update = _whole(loss, sizes) if how == "compiled whole" else None
  if how == "compiled":
    loss = torch.compile(loss)
  text_N = torch.from_numpy(gpt_problem.text()).long().to(gpt_torch.DEVICE)
  place_W = torch.arange(shape.context + 1, device=gpt_torch.DEVICE)

  def draw():
    last, size = len(text_N) - len(place_W), (shape.batch, 1)
    start_Bx1 = torch.randint(last + 1, size, device=gpt_torch.DEVICE)
    return text_N[start_Bx1 + place_W]

  def initial(seed):
    params = gpt_torch.theirs(shape, gpt_problem.weights(shape, seed))
    return {k: p.requires_grad_(update is None) for k, p in params.items()}

  def begin(params, seed):
    torch.manual_seed(seed)
    if update is not None:
      first, second = ({k: 0 * p for k, p in params.items()} for _ in range(2))
      return params, (first, second, torch.zeros((), device=gpt_torch.DEVICE))
    adamw = torch.optim.AdamW(
      params.values(),
      lr=sizes.gpt_learning_rate,
      betas=_BETAS,
      eps=_ADAM_EPSILON,
      weight_decay=sizes.weight_decay,
      fused=True,
    )
    return params, adamw

  def advance(state, steps):
    params, optimizer = state
    for _ in range(steps):
      if update is not None:
        update(params, *optimizer, draw())
        continue
      loss(params, draw()).backward()
      torch.nn.utils.clip_grad_norm_(params.values(), 1.0)
      optimizer.step()
      optimizer.zero_grad(set_to_none=True)
    _finish()
    return state

  def check():
    params = {k: p.requires_grad_() for k, p in initial(0).items()}
    tokens_BxW = torch.from_numpy(gpt_problem.tokens(shape)).long()
    with gpt_torch.exact():
      value = loss(params, tokens_BxW.to(gpt_torch.DEVICE))
      value.backward()
    grads = {k: p.grad for k, p in params.items()}
    return [value.item(), *gpt_problem.entries(gpt_torch.ours(shape, grads))]

  def params(state):
    return gpt_torch.ours(shape, state[0])

  return contenders.Contender(check, begin, advance, params, initial)


def _whole(loss, sizes):
  """One compiled function: a training step that changes its arguments."""
  b1, b2 = _BETAS
  rate = sizes.gpt_learning_rate

  @torch.compile
  def update(params, first, second, step, tokens_BxW):
    grads, _ = func.grad_and_value(loss)(params, tokens_BxW)
    norm = torch.sqrt(sum(g.square().sum() for g in grads.values()))
    scale = torch.clamp(1.0 / norm, max=1.0)
    step.add_(1.0)
    for name, param in params.items():
      grad = grads[name] * scale
      first[name].mul_(b1).add_(grad, alpha=1 - b1)
      second[name].mul_(b2).addcmul_(grad, grad, value=1 - b2)
      root = torch.sqrt(second[name] / (1 - b2**step)) + _ADAM_EPSILON
      move = first[name] / (1 - b1**step) / root
      param.mul_(1 - rate * sizes.weight_decay).sub_(rate * move)

  return update


def sample(
  sizes: problem.Sizes, new_tokens: int, how: str
) -> contenders.Contender:
  """Continues the common prompts, greedily; `check` returns the new tokens.

  Args:
    sizes: of the benchmark.
    new_tokens: N.
    how: one of `gpt_problem.SAMPLING`: "uncached" as nanoGPT's `generate`, all
      tokens again for each, cropped to the context, logits of the last alone;
      "cached", keys and values kept in arrays of their final size. The cached
      one is compiled with fixed shapes and a mask, as a compiler wants it.
  """
  shape = gpt_problem.sampled(sizes)
  way, _, compiled = how.partition(" ")
  make = {"uncached": _uncached, "cached": _cached}[way]
  generate = torch.inference_mode()(make(shape, bool(compiled)))
  prompt_BxT = torch.from_numpy(gpt_problem.prompts(sizes)).long()
  prompt_BxT = prompt_BxT.to(gpt_torch.DEVICE)

  def initial(seed):
    return gpt_torch.theirs(shape, gpt_problem.weights(shape, seed))

  def check():
    with gpt_torch.exact():
      found = generate(initial(0), prompt_BxT, new_tokens)
    return found.ravel().tolist()

  def advance(params, times):
    for _ in range(times):
      generate(params, prompt_BxT, new_tokens)
    _finish()
    return params

  return contenders.Contender(
    check, lambda params, seed: params, advance, lambda params: params, initial
  )


def _uncached(shape, compiled):
  def following(params, tokens_BxT):
    h = gpt_torch.decoded(shape, params, tokens_BxT, gpt_torch.causal)
    return gpt_torch.logits(params, h[:, -1:]).argmax(-1)

  if compiled:
    # The length grows: one program for all.
    following = torch.compile(following, dynamic=True)

  def generate(params, tokens_BxT, new_tokens):
    start = tokens_BxT.shape[1]
    for _ in range(new_tokens):
      seen = tokens_BxT[:, -shape.context :]
      tokens_BxT = torch.cat([tokens_BxT, following(params, seen)], dim=1)
    return tokens_BxT[:, start:]

  return generate


def _cached(shape, compiled):
  attention = functional.scaled_dot_product_attention
  blank = {"device": gpt_torch.DEVICE}

  def following(params, cache, tokens_BxT, begin):
    """Positions are Python's: what is not written yet is cut away."""
    end = begin + tokens_BxT.shape[1]

    def attend(layer, query, key, value):
      keys, values = cache[layer]
      keys[:, :, begin:end], values[:, :, begin:end] = key, value
      return attention(
        query, keys[:, :, :end], values[:, :, :end], is_causal=begin == 0
      )

    position_T = torch.arange(begin, end, **blank)
    h = gpt_torch.decoded(shape, params, tokens_BxT, attend, position_T)
    return gpt_torch.logits(params, h[:, -1:]).argmax(-1)

  @torch.compile
  def next_one(params, cache, token_Bx1, position_1):
    """Positions are an array: what is not written yet is masked."""

    def attend(layer, query, key, value):
      keys, values = cache[layer]
      keys.index_copy_(2, position_1, key)
      values.index_copy_(2, position_1, value)
      seen_1xL = (
        torch.arange(keys.shape[2], **blank)[None] <= position_1[:, None]
      )
      return attention(query, keys, values, attn_mask=seen_1xL)

    h = gpt_torch.decoded(shape, params, token_Bx1, attend, position_1)
    return gpt_torch.logits(params, h).argmax(-1)

  def generate(params, tokens_BxT, new_tokens):
    batch, length = tokens_BxT.shape
    slots = length + new_tokens - 1
    axes = (batch, shape.heads, slots, shape.width // shape.heads)
    # Zeros, because a mask does not hide what is not a number.
    new = torch.zeros if compiled else torch.empty
    cache = [
      (new(axes, **blank), new(axes, **blank)) for _ in range(shape.layers)
    ]
    found = [following(params, cache, tokens_BxT, 0)]
    for begin in range(length, slots):
      if compiled:
        at = torch.tensor([begin], **blank)
        found.append(next_one(params, cache, found[-1], at))
      else:
        found.append(following(params, cache, found[-1], begin))
    return torch.cat(found, dim=1)

  return generate


def table(
  sizes: problem.Sizes,
) -> dict[str, Callable[[], contenders.Contender]]:
  """Makers by name; see `gpt_study`."""
  found = {}
  for how in gpt_problem.TRAINING:
    for shape in gpt_problem.shapes(sizes):
      name = gpt_problem.training(shape, how)
      found[name] = functools.partial(train, sizes, shape, how)
  for how in gpt_problem.SAMPLING:
    for count in sizes.new_tokens:
      name = gpt_problem.sampling(count, how)
      found[name] = functools.partial(sample, sizes, count, how)
  return found


def _finish() -> None:
  if gpt_torch.DEVICE == "cuda":
    torch.cuda.synchronize()
