"""The main job in small: every part runs, nothing is trained to its end.

  python -m experiments.maml_vs_cot --config=experiments/configs/NAME.py

with NAME = maml_vs_cot_smoke. Under 90 seconds on 2 CPU cores. One covariance,
d = 6, still 5 seeds. Verdicts of a run this short mean nothing.
"""

import ml_collections

from experiments.configs import maml_vs_cot


def get_config() -> ml_collections.ConfigDict:
  """The default config, shortened."""
  config = maml_vs_cot.get_config()
  d = 6
  config.task.update({"d": d, "n": 12})
  del config.arms["anisotropic"]
  config.imitation.steps = 4
  config.decoys.update({"steps": 2, "straight_steps": 4})
  config.outcome.steps = (2,)
  config.maml.update(
    {"shared_steps": (1, 2), "per_step_steps": (2,), "other_steps": (2,)}
  )
  for train in (
    config.imitation.train,
    config.decoys.train,
    config.maml.shared,
    config.maml.per_step,
    config.maml.others,
    config.outcome.restricted,
    config.outcome.full,
    config.outcome.direct,
    config.von_oswald.train,
  ):
    train.update({"steps": 200, "batch": 128})
  config.measure.update({"tasks": 64, "error_tasks": 512, "spectra": 20_000})
  config.measure.shifts = ml_collections.ConfigDict(
    {"noisy_labels": {"noise": 0.5}, "n_24": {"n": 24}}
  )
  return config
