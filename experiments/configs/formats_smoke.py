"""The study of formats in small: every part runs, nothing is learned.

  python -m experiments.formats --config=experiments/configs/formats_smoke.py

50 seconds of CPU time on a busy machine, most of it compiling. Verdicts of a
run this short mean nothing.
"""

import ml_collections

from experiments.configs import formats


def get_config() -> ml_collections.ConfigDict:
  """The default config, shortened."""
  config = formats.get_config()
  config.seeds = config.seeds_at_once = 2
  config.sizes = {
    "plain": (40, 80),
    "reversed": (40, 80),
    "simplified": (20, 40),
    "detailed": (10, 20),
  }
  config.model.update({"layers": 1, "heads": 2, "width": 16})
  config.fit.update({"steps": 20, "warmup": 2, "batch": 2})
  # Equal windows share a compiled step.
  config.windows = dict.fromkeys(config.windows, 217)
  config.cut = {"plain": {"window": 217, "longer": 1}}
  config.longer = dict.fromkeys(config.longer, 1)
  config.measure.questions = 16
  return config
