"""nanoGPT's model in PyTorch, as functions of its weights.

Pre-norm blocks, one product for queries, keys and values, fused attention, GELU
by tanh, learned positions. Biases, the epsilon of LayerNorm and the read-out
are those of `models.gpt`, so that equal weights give equal losses. Weights are
a flat dict, "0.qkv.w" and so on, matrices OxI as PyTorch has them.

Imports PyTorch, so only processes of PyTorch may import it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
import contextlib
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from raml_jax.studies.benchmark import gpt_problem

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
if DEVICE == "cuda":
  # As JAX does unasked: factors of float32 matrix products are TF32.
  torch.set_float32_matmul_precision("high")
Weights = dict[str, torch.Tensor]
Attend = Callable[..., torch.Tensor]


@contextlib.contextmanager
def exact() -> Iterator[None]:
  """Factors of matrix products are not rounded."""
  before = torch.get_float32_matmul_precision()
  torch.set_float32_matmul_precision("highest")
  try:
    yield
  finally:
    torch.set_float32_matmul_precision(before)


def loss(
  shape: gpt_problem.Shape, params: Weights, tokens_BxW: torch.Tensor
) -> torch.Tensor:
  """Cross-entropy of every token after the first, the mean over tokens."""
  hidden_BxTxC = decoded(shape, params, tokens_BxW[:, :-1], causal)
  logits_BxTxV = logits(params, hidden_BxTxC)
  return functional.cross_entropy(
    logits_BxTxV.flatten(0, 1), tokens_BxW[:, 1:].flatten()
  )


def causal(layer, query, key, value) -> torch.Tensor:
  """Attention to all tokens up to one's own."""
  del layer
  return functional.scaled_dot_product_attention(
    query, key, value, is_causal=True
  )


def decoded(
  shape: gpt_problem.Shape,
  params: Weights,
  tokens_BxT: torch.Tensor,
  attend: Attend,
  position_T: torch.Tensor | None = None,
) -> torch.Tensor:
  """The stream after the last block, BxTxC.

  Args:
    shape: of the model.
    params: of it.
    tokens_BxT: int64.
    attend: `(layer, query, key, value) -> mixed values`, each BxHxTxA.
    position_T: of the tokens; None for 0 to T - 1.
  """

  def linear(x, name):
    return functional.linear(x, params[f"{name}.w"], params[f"{name}.b"])

  batch, length = tokens_BxT.shape
  heads = (batch, length, shape.heads, shape.width // shape.heads)
  position = params["position.w"]
  position = position[:length] if position_T is None else position[position_T]
  h = functional.embedding(tokens_BxT, params["embed.w"]) + position
  for l in range(shape.layers):
    x = linear(_norm(params, h, f"{l}.norm_1"), f"{l}.qkv")
    query, key, value = (
      part.view(heads).transpose(1, 2) for part in x.split(shape.width, dim=2)
    )
    mixed = attend(l, query, key, value).transpose(1, 2).reshape(h.shape)
    h = h + linear(mixed, f"{l}.out")
    x = linear(_norm(params, h, f"{l}.norm_2"), f"{l}.up")
    h = h + linear(functional.gelu(x, approximate="tanh"), f"{l}.down")
  return h


def logits(params: Weights, h: torch.Tensor) -> torch.Tensor:
  """From the stream after the last block."""
  return functional.linear(_norm(params, h, "norm"), params["readout.w"])


def _norm(params, h, name):
  scale, bias = params[f"{name}.w"], params[f"{name}.b"]
  return functional.layer_norm(
    h, scale.shape, scale, bias, gpt_problem.LAYER_NORM_EPSILON
  )


def theirs(shape: gpt_problem.Shape, tree: Mapping[str, Any]) -> Weights:
  """Weights of this module from those of `gpt_problem.weights`."""
  c = shape.width
  flat = {
    "embed.w": tree["embed"]["embedding"],
    "position.w": tree["position"]["embedding"],
    "readout.w": tree["readout"]["kernel"].T,
    "norm.w": tree["final_norm"]["scale"],
    "norm.b": tree["final_norm"]["bias"],
  }
  for l in range(shape.layers):
    layer = tree[f"layer_{l}"]
    parts = [layer["attention"][k] for k in ("query", "key", "value")]
    kernels = [part["kernel"].reshape(c, c).T for part in parts]
    out = layer["attention"]["out"]
    flat |= {
      f"{l}.qkv.w": np.concatenate(kernels),
      f"{l}.qkv.b": np.concatenate([part["bias"].ravel() for part in parts]),
      f"{l}.out.w": out["kernel"].reshape(c, c).T,
      f"{l}.out.b": out["bias"],
    }
    for name in ("up", "down"):
      flat[f"{l}.{name}.w"] = layer[name]["kernel"].T
      flat[f"{l}.{name}.b"] = layer[name]["bias"]
    for number, name in ((1, "attention_norm"), (2, "mlp_norm")):
      flat[f"{l}.norm_{number}.w"] = layer[name]["scale"]
      flat[f"{l}.norm_{number}.b"] = layer[name]["bias"]
  return {
    name: torch.from_numpy(np.array(a, order="C")).to(DEVICE)
    for name, a in flat.items()
  }


def ours(shape: gpt_problem.Shape, params: Weights) -> dict[str, Any]:
  """The way back, also of a gradient."""
  flat = {name: p.detach().cpu().numpy().copy() for name, p in params.items()}
  c, heads = shape.width, (shape.heads, shape.width // shape.heads)

  def linear(name):
    return {"kernel": flat[f"{name}.w"].T, "bias": flat[f"{name}.b"]}

  def norm(name):
    return {"scale": flat[f"{name}.w"], "bias": flat[f"{name}.b"]}

  def layer(l):
    kernels = np.split(flat[f"{l}.qkv.w"], 3)
    biases = np.split(flat[f"{l}.qkv.b"], 3)
    attention = {
      name: {"kernel": k.T.reshape(c, *heads), "bias": b.reshape(heads)}
      for name, k, b in zip(("query", "key", "value"), kernels, biases)
    }
    out = linear(f"{l}.out")
    attention["out"] = {**out, "kernel": out["kernel"].reshape(*heads, c)}
    return {
      "attention_norm": norm(f"{l}.norm_1"),
      "attention": attention,
      "mlp_norm": norm(f"{l}.norm_2"),
      "up": linear(f"{l}.up"),
      "down": linear(f"{l}.down"),
    }

  return {
    "embed": {"embedding": flat["embed.w"]},
    "position": {"embedding": flat["position.w"]},
    **{f"layer_{l}": layer(l) for l in range(shape.layers)},
    "final_norm": norm("norm"),
    "readout": {"kernel": flat["readout.w"].T},
  }
