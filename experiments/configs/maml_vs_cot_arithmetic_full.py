"""MAML on trajectories in full, for one GPU: wider, longer, more questions.

  python -m experiments.maml_vs_cot --config=experiments/configs/NAME.py

with NAME = maml_vs_cot_arithmetic_full. Additions of up to 3 digits, measured
on those of 3, width 64. Same margins. Not run yet.
"""

import ml_collections

from experiments.configs import maml_vs_cot_arithmetic


def get_config() -> ml_collections.ConfigDict:
  """The default config, enlarged."""
  config = maml_vs_cot_arithmetic.get_config()
  config.task.options.digits = 3
  config.model.update({"width": 64, "heads": 4, "layers": 3})
  config.fit.update({"steps": 8000, "batch": 64, "warmup": 400})
  config.tune.update({"questions": 200, "points": 13, "repeats": (1, 2, 4, 8)})
  config.measure.update(
    {
      "options": {"weights": [0.0, 0.0, 1.0]},
      "questions": 1000,
      "control_questions": 500,
      "update_questions": 200,
    }
  )
  return config
