"""MAML on trajectories with an inner step on every token, not on every line.

  python -m experiments.maml_vs_cot --config=experiments/configs/NAME.py

with NAME = maml_vs_cot_arithmetic_tokens. The default study with second-order
MAML of all parameters alone, on additions of two digits: 24 inner steps where
the default takes 2. Same margins. Run in small alone; by estimate an hour on 2
CPU cores.
"""

import ml_collections

from experiments.configs import maml_vs_cot_arithmetic


def get_config() -> ml_collections.ConfigDict:
  """The default config, with finer steps."""
  config = maml_vs_cot_arithmetic.get_config()
  config.arms = ("cot", "second_order", "direct")
  config.task.options.weights = [0.0, 1.0]
  config.inner.unit = "token"
  return config
