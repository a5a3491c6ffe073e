"""Formats of 3-digit addition at the published size, for a GPU.

  python -m experiments.formats --config=experiments/configs/formats_full.py

Task, model, windows, schedule and tokens per run of Lee et al. (2023), without
their dropout. Not run so far. 85 runs of 328 million tokens each are about 2e18
floating-point operations: some hours on one H100, seeds side by side, 20 GB.
"""

import ml_collections

from experiments.configs import formats


def get_config() -> ml_collections.ConfigDict:
  """The default config with the published task, model and schedule."""
  config = formats.get_config()
  config.digits = 3
  config.seeds_at_once = 5
  config.sizes = {
    "plain": (1000, 2500, 5000, 10_000),
    "reversed": (1000, 2000, 4000, 10_000),
    "simplified": (500, 1000, 2000, 4000),
    "detailed": (250, 500, 1000, 2000),
  }
  config.windows = {
    "plain": 256,
    "reversed": 256,
    "simplified": 1024,
    "detailed": 1024,
  }
  config.longer = dict.fromkeys(config.longer, 1)
  config.begin = "anywhere"
  config.cut = {}
  config.model.update(
    {
      "layers": 6,
      "heads": 6,
      "width": 384,
      "positions": "learned",
      "dtype": "bfloat16",
      "kernel": "cudnn",
    }
  )
  config.fit.update(
    {
      "steps": 20_000,
      "batch": 16,
      "learning_rate": 1e-3,
      "warmup": 100,
      "weight_decay": 0.1,
    }
  )
  # Every token counts there.
  config.fit.weights.question = 1.0
  config.measure.questions = 1000
  return config
