"""The calibration study in small: every part runs, nothing learns to its end.

  python -m experiments.calibration --config=experiments/configs/NAME.py

with NAME = calibration_smoke. Under 3 minutes on 2 CPU cores, nearly all of
it to compile. Verdicts of a run this short mean nothing.
"""

import ml_collections

from experiments.configs import calibration


def get_config() -> ml_collections.ConfigDict:
  """The default config, shortened."""
  config = calibration.get_config()
  config.seeds = 2
  config.linear.update({"task": {"d": 4, "n": 8}, "steps": 3, "line": 5})
  config.decoder.update(
    {"task": {"d": 2, "n": 4}, "steps": 3, "layers": 1, "width": 8, "heads": 2}
  )
  config.adaptation.update({"beyond": 4, "queries": 3, "points": 2})
  for train in (
    config.linear.taught,
    config.linear.outcome,
    config.decoder.train,
    config.adaptation.train,
  ):
    train.update({"steps": 20, "batch": 8})
  config.measure.update({"tasks": 8, "at_once": 4})
  return config
