"""The main job, default: every regime, both covariances, 5 seeds.

  python -m experiments.maml_vs_cot

About 7 minutes and 2 GB on 2 CPU cores. Expect: imitation is gradient descent,
outcome training is not, MAML equals the chain that imitates it and no variant
equals the chain trained on its answers.
"""

import ml_collections

from experiments.configs import claims


def _training(steps, batch, learning_rate, clip=1.0):
  return {
    "steps": steps,
    "batch": batch,
    "learning_rate": learning_rate,
    "clip": clip,
  }


def _covariance(kind, *spectrum):
  return {"kind": kind, "spectrum": spectrum}


def get_config() -> ml_collections.ConfigDict:
  """The config; any field can be set by --config.field=value."""
  d = 10
  mild = [0.5 + i / (d - 1) for i in range(d)]
  strong = [0.2 + 1.6 * i / (d - 1) for i in range(d)]
  # Below 1, so that eta = 0.4 is as stable as in the isotropic arm.
  arm = [0.1 + 0.9 * i / (d - 1) for i in range(d)]
  return ml_collections.ConfigDict(
    {
      "experiment": "maml_vs_cot",
      "seed": 0,
      "seeds": 5,
      "regimes": (
        "imitation",
        "decoys",
        "straight_path",
        "outcome_full",
        "outcome_restricted",
        "direct",
        "maml",
        "von_oswald",
      ),
      "task": {
        "d": d,
        "n": 20,
        "law": "normal",
        "scale": 1.0,
        "noise": 0.0,
        "prior": "normal",
        "prior_scale": 1.0,
      },
      "arms": {
        "isotropic": _covariance("isotropic"),
        "anisotropic": _covariance("eigenvalues", *arm),
      },
      "model": {
        "kind": "linear_attention",
        "layers": 1,
        "init_scale": 0.1,
        "width": 64,
        "heads": 4,
        "mlp": 4,
        "layer_norm": False,
        "positions": False,
      },
      "imitation": {
        "steps": 20,
        "eta": 0.4,
        "train": _training(2500, 256, 0.02),
      },
      "decoys": {
        "steps": 5,
        "rotated_eta": 0.3,
        "rotated_degrees": 60.0,
        "shrunk_alpha": 0.8,
        "shrunk_beta": 0.775,
        "preconditioned_eigenvalues": (0.1, 0.6),
        "heavy_ball_eta": 0.3,
        "heavy_ball_mu": 0.5,
        "straight_steps": 20,
        "straight_eta": 0.4,
        "train": _training(2000, 256, 0.01),
      },
      "outcome": {
        "steps": (2, 5),
        "cap": 100.0,
        "restricted": _training(1000, 256, 0.01),
        "full": _training(4000, 256, 0.01),
        "direct": _training(600, 512, 0.01),
      },
      "maml": {
        "alpha": 0.3,
        "shared_steps": (1, 2, 3, 5),
        "per_step_steps": (2, 3, 5),
        "other_steps": (2, 5),
        "shared": _training(500, 2048, 0.04, clip=10.0),
        "per_step": _training(800, 2048, 0.1, clip=10.0),
        "others": _training(400, 512, 0.05, clip=10.0),
      },
      "von_oswald": {
        "d": 10,
        "n": 10,
        "half_width": 0.5,
        "init_scale": 0.3,
        "train": _training(800, 256, 0.03, clip=10.0),
      },
      "measure": {
        "tasks": 512,
        "error_tasks": 8192,
        "scales": (0.3, 1.0, 3.0),
        "beyond": 5,
        "spectra": 1_000_000,
        "shifts": {
          "mild_covariance": {"covariance": _covariance("eigenvalues", *mild)},
          "strong_covariance": {
            "covariance": _covariance("eigenvalues", *strong)
          },
          "power_law": {"covariance": _covariance("power", 1.0)},
          "inputs_halved": {"scale": 0.5},
          "inputs_larger": {"scale": 1.25},
          "uniform_inputs": {"law": "uniform"},
          "noisy_labels": {"noise": 0.5},
          "weights_doubled": {"prior_scale": 2.0},
          "n_10": {"n": 10},
          "n_40": {"n": 40},
        },
      },
      "claims": claims.get_claims(),
    }
  )
