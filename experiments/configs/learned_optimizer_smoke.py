"""The learned-optimizer study in small: every part runs, nothing is trained.

  python -m experiments.learned_optimizer --config=experiments/configs/NAME.py

with NAME = learned_optimizer_smoke. Under a minute on 2 CPU cores. Verdicts of
a run this short mean nothing.
"""

import ml_collections

from experiments.configs import learned_optimizer


def get_config() -> ml_collections.ConfigDict:
  """The default config, shortened."""
  config = learned_optimizer.get_config()
  config.seeds = 3
  config.unroll = 5
  config.length = 10
  config.train.update({"steps": 40, "batch": 8})
  config.answers.update({"steps": 40, "batch": 8})
  config.quadratics.d = 5
  config.tune.update(
    {
      "tasks": 32,
      "points": 6,
      "mu": (0.5, 0.9),
      "decay": (0.9,),
      "b1": (0.9,),
      "b2": (0.99,),
    }
  )
  config.measure.update({"tasks": 32, "beyond": 2, "chain_tasks": 32})
  job = config.chains.job
  job.task.update({"d": 4, "n": 8})
  job.imitation.steps = 3
  job.outcome.steps = (2,)
  for train in (job.imitation.train, job.outcome.full):
    train.update({"steps": 40, "batch": 32})
  return config
