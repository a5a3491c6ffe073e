"""The pseudo-gradient study with a larger decoder, for one GPU.

  python -m experiments.pseudo_gradient --config=experiments/configs/NAME.py

with NAME = pseudo_gradient_full: 4 layers of width 128, additions of three
digits, 10 seeds, every control on all 500 questions. Not run yet.
"""

import ml_collections

from experiments.configs import pseudo_gradient


def get_config() -> ml_collections.ConfigDict:
  """The default config, at full size."""
  config = pseudo_gradient.get_config()
  config.seeds = 10
  config.task.options.update({"digits": 3, "weights": (0.0, 0.0, 1.0)})
  config.model.update({"layers": 4, "heads": 4, "width": 128})
  config.table.update({"questions": 40_000, "wordy": 10_000})
  config.cot.update({"steps": 4000, "batch": 128, "warmup": 400})
  config.direct.update({"steps": 4000, "batch": 256, "warmup": 400})
  config.measure.update(
    {
      "questions": 512,
      "controls": 512,
      "probes": 16,
      "rivals": 256,
      "tuning": 64,
      "batch": 8,
    }
  )
  return config
