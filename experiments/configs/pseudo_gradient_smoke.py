"""The pseudo-gradient study in small: every part runs, nothing is trained.

  python -m experiments.pseudo_gradient --config=experiments/configs/NAME.py

with NAME = pseudo_gradient_smoke. About 3 minutes on 2 CPU cores, nearly all of
them spent in compiling. Verdicts of a run this short mean nothing.
"""

import ml_collections

from experiments.configs import pseudo_gradient


def get_config() -> ml_collections.ConfigDict:
  """The default config, shortened."""
  config = pseudo_gradient.get_config()
  config.seeds = 2
  config.model.update({"layers": 2, "heads": 2, "width": 32, "mlp": 2})
  config.table.update({"questions": 40, "wordy": 16})
  for fit in (config.cot, config.direct):
    fit.update({"steps": 10, "batch": 16, "warmup": 2})
  config.measure.update(
    {
      "questions": 8,
      "controls": 8,
      "probes": 2,
      "rivals": 8,
      "tuning": 2,
      "batch": 2,
      "exam": 4,
    }
  )
  config.descent.points = 3
  config.rivals.update(
    {"momentum": (0.5,), "adam": ((0.9, 0.99),), "shrinkage": (0.0, 1.0)}
  )
  return config
