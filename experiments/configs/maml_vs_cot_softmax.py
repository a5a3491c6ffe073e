"""The main job asked of a real transformer: a causal softmax decoder.

  python -m experiments.maml_vs_cot --config=experiments/configs/NAME.py

with NAME = maml_vs_cot_softmax. Two pre-norm blocks of width 32 with 4 heads
and an MLP, without LayerNorm and positions, d = 5, K = 5, isotropic inputs.
Step budgets and where the loss ends, mean over seeds: imitation 4,000 steps,
3e-4 of whole-token loss, still falling; decoys and the straight path 2,500
steps, 5e-4 to 4e-3; outcome, k = 2, 2,500 steps, 6e-3. About 15 minutes and 2.3
GB on 2 CPU cores.

Expect: on the path it was taught the decoder descends (errors within 3 % of
gradient descent's up to K); under interventions it does not, and past K it
diverges. Trained on its answers, it goes almost straight to least squares.
--config.model.layer_norm=True and --config.model.positions=True are variants;
with positions the order of the examples matters, and is measured.
"""

import ml_collections

from experiments.configs import maml_vs_cot


def get_config() -> ml_collections.ConfigDict:
  """The default config, with another model."""
  config = maml_vs_cot.get_config()
  d = 5
  config.task.d = d
  del config.arms["anisotropic"]
  config.model.update(
    {
      "kind": "decoder",
      "layers": 2,
      "width": 32,
      "heads": 4,
      "mlp": 2,
    }
  )
  config.imitation.steps = 5
  config.imitation.train.update(
    {"steps": 4000, "batch": 64, "learning_rate": 0.01}
  )
  config.decoys.straight_steps = 5
  config.decoys.train.update(
    {"steps": 2500, "batch": 64, "learning_rate": 0.01}
  )
  config.outcome.steps = (2,)
  for train in (config.outcome.full, config.outcome.direct):
    train.update({"steps": 2500, "batch": 64, "learning_rate": 0.003})
  config.maml.update(
    {"shared_steps": (2, 5), "per_step_steps": (2, 5), "other_steps": (2,)}
  )
  config.measure.update({"tasks": 256, "error_tasks": 1024})
  config.measure.shifts = ml_collections.ConfigDict(
    {
      "inputs_halved": {"scale": 0.5},
      "inputs_larger": {"scale": 1.25},
      "uniform_inputs": {"law": "uniform"},
      "noisy_labels": {"noise": 0.5},
      "weights_doubled": {"prior_scale": 2.0},
      "n_10": {"n": 10},
      "n_40": {"n": 40},
    }
  )
  return config
