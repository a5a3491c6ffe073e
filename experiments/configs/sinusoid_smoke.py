"""The sinusoid study in small: every part runs, nothing is trained to its end.

  python -m experiments.sinusoid --config=experiments/configs/NAME.py

with NAME = sinusoid_smoke. Under a minute on 2 CPU cores. Verdicts of a run
this short mean nothing.
"""

import ml_collections

from experiments.configs import sinusoid


def get_config() -> ml_collections.ConfigDict:
  """The default config, shortened."""
  config = sinusoid.get_config()
  config.seeds = 2
  config.shots = (5,)
  config.iterations = 20
  config.batch = 5
  config.network.widths = (8, 8)
  config.imaml.update({"steps": 3, "iterations": 2})
  config.tune.update({"tasks": 8, "points": 3})
  config.measure.update({"tasks": 10, "queries": 6, "steps": 3, "shown": 2})
  config.paths.update({"tasks": 3, "iterations": 5})
  for problem in (config.paths.strong, config.paths.as_trained):
    for name, way in list(problem.ways.items()):
      way.steps = 5
      if name not in ("gradient descent", "momentum"):
        del problem.ways[name]
  return config
