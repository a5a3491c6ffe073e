"""From a config to a `Model`."""

from __future__ import annotations

from raml_jax import base
from raml_jax.config import maml_vs_cot as config_lib
from raml_jax.models import attention
from raml_jax.models import decoder


def make(
  config: config_lib.Model,
  task: config_lib.Task,
  max_steps: int | None,
  longest: int,
) -> base.Model:
  """The model of a config.

  Args:
    config: which.
    task: for the shape of its prompt.
    max_steps: weight tokens that its cache has room for; None for all.
    longest: weight tokens of the longest path that the same params will ever
      be asked for; the table of positions is as long as that.
  """
  if config.kind == "linear_attention":
    return attention.linear_attention(
      task.d, config.layers, config.init_scale, max_steps
    )
  # Room for prompts of twice the trained length, out of distribution.
  positions = 2 * task.n + longest if config.positions else 0
  return decoder.decoder(
    task.d,
    max_steps or longest,
    layers=config.layers,
    heads=config.heads,
    width=config.width,
    mlp=config.mlp,
    layer_norm=config.layer_norm,
    positions=positions,
  )
