"""Training a decoder in small: every part runs, nothing is learned.

  python -m experiments.train --config=experiments/configs/train_smoke.py

Half a minute and 1 GB on 2 CPU cores. Verdicts of a run this short mean
nothing.
"""

import ml_collections

from experiments.configs import addition_2


def get_config() -> ml_collections.ConfigDict:
  """Two seeds of a tiny decoder, a few updates, a further test."""
  config = addition_2.get_config()
  config.seeds = 2
  config.model.update({"layers": 1, "heads": 2, "width": 16})
  config.fit.update({"steps": 6, "batch": 16, "warmup": 2})
  config.measure.update({"questions": 16, "every": 2, "watched": 8})
  config.measure.update({"samples": 2, "ks": (1, 2)})
  config.measure.tests = {"longer": {"digits": 3}}
  return config
