"""What one update costs every arm, and how many numbers it learns."""

from __future__ import annotations

import jax
import numpy as np

from raml_jax.config import maml_vs_cot_arithmetic as config_lib
from raml_jax.studies.maml_vs_cot_arithmetic import arms


def per_update(config: config_lib.Arithmetic) -> dict[str, np.ndarray]:
  """By arm: flops of one update's gradient, and how many numbers are learned.

  Operations are those of the program as written, before any compiler has
  simplified it.
  """
  out = {}
  without, _ = _counted(config, "direct")
  for name in config.arms:
    flops, numbers = _counted(config, name)
    if name in config_lib.MAML:
      # The body of a loop is counted once, whatever its length.
      flops = without + arms.layout(config).lines * (flops - without)
    out[f"{name}/flops"], out[f"{name}/numbers"] = flops, numbers
  return out


def _counted(config, name):
  phase = arms.phase(config, name)
  key = jax.random.key(0)
  params = jax.eval_shape(phase.init, key)
  batch = jax.eval_shape(phase.source.batch, key)

  def gradient(params, batch):
    return phase.objective.grads(params, (), batch, key)[0]

  analysis = jax.jit(gradient).lower(params, batch).cost_analysis()
  # Without inner steps their sizes are there and mean nothing.
  learned = params["start"] if name == "direct" else params
  numbers = sum(leaf.size for leaf in jax.tree.leaves(learned))
  return np.float64(analysis["flops"]), np.int64(numbers)
