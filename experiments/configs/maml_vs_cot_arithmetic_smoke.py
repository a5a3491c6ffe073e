"""MAML on trajectories in small: every part runs, nothing is trained.

  python -m experiments.maml_vs_cot --config=experiments/configs/NAME.py

with NAME = maml_vs_cot_arithmetic_smoke. Two minutes on 2 CPU cores, nearly all
of it compiling. Verdicts of a run this short mean nothing.
"""

import ml_collections

from experiments.configs import maml_vs_cot_arithmetic


def get_config() -> ml_collections.ConfigDict:
  """The default config, shortened."""
  config = maml_vs_cot_arithmetic.get_config()
  config.seeds = 2
  config.arms = ("cot", "second_order", "head", "direct")
  config.model.layers = 1
  config.fit.update({"steps": 20, "batch": 4, "warmup": 2})
  config.tune.update({"questions": 4, "points": 2, "repeats": (1,)})
  config.measure.update(
    {"questions": 12, "control_questions": 4, "update_questions": 3}
  )
  return config
