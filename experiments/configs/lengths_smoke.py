"""Length generalisation in small: all of it runs, nothing is learned.

  python -m experiments.lengths --config=experiments/configs/lengths_smoke.py

Half a minute on 2 CPU cores, most of it compilation. Verdicts of a run this
short mean nothing.
"""

import ml_collections

from experiments.configs import lengths


def get_config() -> ml_collections.ConfigDict:
  """The default config, shortened."""
  config = lengths.get_config()
  config.seeds = config.seeds_at_once = 2
  config.formats = {
    "simplified": {"digits": 1, "fit": lengths.fit(10, 8, 0.003)},
  }
  config.schemes = ("none", "abacus")
  config.network.update({"layers": 1, "heads": 2, "width": 16})
  config.questions = 8
  return config
