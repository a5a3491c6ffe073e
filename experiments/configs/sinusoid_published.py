"""Meta-learning on sinusoids with the published settings.

  python -m experiments.sinusoid --config=experiments/configs/NAME.py

with NAME = sinusoid_published: 70,000 updates of 25 tasks, Adam with a constant
0.001, one inner step of 0.01 (Finn, Abbeel, Levine 2017, section 5.1). Reptile
and iMAML, whose own settings are for other problems, have the same outer loop.
About 40 minutes on 2 CPU cores, reckoned from the default's time per update.
"""

import ml_collections

from experiments.configs import sinusoid


def get_config() -> ml_collections.ConfigDict:
  """The default config with the published lengths and outer loop."""
  config = sinusoid.get_config()
  config.iterations = 70_000
  for outer in config.outer.values():
    outer.update({"learning_rate": 0.001, "schedule": "constant"})
  return config
