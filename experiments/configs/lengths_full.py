"""Length generalisation with the decoder of Lee et al. (2023), for one GPU.

  python -m experiments.lengths --config=experiments/configs/lengths_full.py

6 layers, width 384, trained to 10 digits, tested to 20, in all three formats.
Its numbers of updates are guesses: it was never run. --config.seeds_at_once=5
trains all seeds side by side where memory allows.
"""

import ml_collections

from experiments.configs import lengths


def get_config() -> ml_collections.ConfigDict:
  """The default config, at full size."""
  config = lengths.get_config()
  config.seeds_at_once = 1
  config.formats = {
    "simplified": {"digits": 10, "fit": lengths.fit(5000, 256, 0.001)},
    "reversed": {"digits": 10, "fit": lengths.fit(20_000, 512, 0.001)},
    "mirrored": {"digits": 10, "fit": lengths.fit(20_000, 512, 0.001)},
  }
  config.network.update({"layers": 6, "heads": 6, "width": 384})
  return config
