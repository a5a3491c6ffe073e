"""Length generalisation of sums with a scratchpad, by scheme of positions.

  python -m experiments.lengths \
      --config=experiments/configs/lengths_scratchpad.py

Trained to 2 digits, tested to 4. By estimate 12 minutes on 2 CPU cores. Expect,
from pilots of one or two other seeds without abacus positions: no longer sum is
right. Learned positions nearly solved 2 digits in 2000 updates; rotary and none
were still learning then, and may not reach 99 % in all seeds.
"""

import ml_collections

from experiments.configs import lengths


def get_config() -> ml_collections.ConfigDict:
  """The default config, with the scratchpad of Lee et al. (2023)."""
  config = lengths.get_config()
  # Chosen in pilots on other seeds: batches of 16 and 64, 0.002 to 0.005.
  config.formats = {
    "simplified": {"digits": 2, "fit": lengths.fit(4000, 16, 0.004)},
  }
  return config
