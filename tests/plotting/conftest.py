"""Results of a small run that never was, to draw and to tabulate."""

import dataclasses

import numpy as np
import pytest

from experiments.configs import maml_vs_cot
from raml_jax.config import maml_vs_cot as config_lib
from raml_jax.plotting import style
from raml_jax.studies.maml_vs_cot import finders

_D, _TASKS, _SEEDS = 4, 8, 3
_MAML = ("shared", "per_step", "per_coordinate", "preconditioner", "shrunk")


@pytest.fixture(scope="session")
def config() -> config_lib.MamlVsCot:
  """The default config, smaller."""
  config = maml_vs_cot.get_config()
  config.seeds = _SEEDS
  config.task.update({"d": _D, "n": 8})
  for arm in config.arms.values():
    arm.spectrum = (0.5, 0.8, 1.2, 1.5) if arm.spectrum else ()
  for shift in config.measure.shifts.values():
    if "covariance" in shift and shift.covariance.kind == "eigenvalues":
      shift.covariance.spectrum = (0.5, 0.8, 1.2, 1.5)
  return config_lib.parse(config.to_dict())


@pytest.fixture(scope="session")
def results(config) -> dict[str, dict[str, np.ndarray]]:
  """Plausible numbers for everything that a whole run measures."""
  rng = np.random.default_rng(0)
  out = {}
  for arm in config.arms:
    for name, steps in _contestants(config).items():
      out[f"{arm}/{name}"] = _measured(rng, config, name, steps)
    for one, two, steps in _pairs(config):
      out[f"{arm}/{one}_versus_{two}"] = {
        "distance_SxK": rng.uniform(0.001, 1, (_SEEDS, steps)),
        "interventions_SxT": rng.uniform(0.001, 1, (_SEEDS, 3)),
        "prediction_S": rng.uniform(0, 1, _SEEDS),
        "sensitivity_S": rng.uniform(0, 1, _SEEDS),
      }
    for k in config.outcome.steps:
      out[f"{arm}/outcome_full_k{k}_ablations"] = {
        f"{label}_SxK": rng.uniform(1, 2, (_SEEDS, k + 1))
        for label in ("whole", "clean", "forget", "both")
      }
    out[f"{arm}/yardsticks"] = {
      "gradient_SxK": _errors(rng, 101, 0.9),
      "floor_SxK": _errors(rng, 101, 0.8),
      "conjugate_SxK": _errors(rng, 101, 0.3),
    }
    out[f"{arm}/optimum"] = _optimum(rng, config)
    out[f"{arm}/weights"] = {
      f"{name}/{matrix}": rng.normal(size=(_SEEDS, 2 * _D + 2, 2 * _D + 2))
      for name in _contestants(config)
      if not name.startswith(("maml", "gradient"))
      for matrix in ("V", "W")
    }
  first = next(iter(config.arms))
  out[f"{first}/rules"] = {
    f"{rule}/{quantity}": value
    for rule in style.RULES
    for quantity, value in (
      ("named_S", np.array([rule] * _SEEDS)),
      ("rivals_SxR", rng.uniform(1e-8, 2, (_SEEDS, len(style.RULES)))),
    )
  }
  out[f"{first}/construction"] = {
    "construction_S": rng.uniform(0, 1e-13, _SEEDS),
    "decoy_S": rng.uniform(1, 2, _SEEDS),
  }
  out["von_oswald"] = {
    "loss_S": rng.uniform(0.2, 0.21, _SEEDS),
    "construction_loss_S": rng.uniform(0.2, 0.21, _SEEDS),
    "zero_loss_S": rng.uniform(0.4, 0.42, _SEEDS),
    "path_loss_SxP": rng.uniform(0.2, 0.21, (_SEEDS, 11)),
    "cosine_S": rng.uniform(0.99, 1, _SEEDS),
  }
  return out


@pytest.fixture(scope="session")
def claims(config, results) -> list[dict]:
  """The verdicts on those numbers."""
  return finders.decide(config, results)


@pytest.fixture
def without(config):
  """Drops regimes as the user can, from the config and from the results."""

  def drop(results, *regimes):
    prefixes = {
      "decoys": ("rotated", "preconditioned", "shrunk", "heavy_ball"),
      "outcome_full": ("outcome_full",),
      "outcome_restricted": ("outcome_restricted",),
    }
    gone = tuple(p for r in regimes for p in prefixes.get(r, (r,)))

    def is_left(name):
      return not any(
        part.startswith(gone)
        for part in name.partition("/")[2].split("_versus_")
      )

    kept = tuple(r for r in config.regimes if r not in regimes)
    left = {name: found for name, found in results.items() if is_left(name)}
    return dataclasses.replace(config, regimes=kept), left

  return drop


def _contestants(config) -> dict[str, int]:
  k = config.decoys.steps
  return {
    "imitation": config.imitation.steps,
    "imitation_maml": k,
    "straight_path": config.decoys.straight_steps,
    "rotated": k,
    "preconditioned": k,
    "shrunk": k,
    "heavy_ball": k,
    "untrained": k,
    "direct": 1,
    "gradient_descent": config.imitation.steps,
    **{
      f"outcome_{kind}_k{k}": k
      for kind in ("full", "restricted")
      for k in config.outcome.steps
    },
    **{f"maml_{v}_k{k}": k for v in _MAML for k in config.outcome.steps},
  }


def _pairs(config):
  for k in config.outcome.steps:
    for variant in _MAML:
      for kind in ("full", "restricted"):
        yield f"outcome_{kind}_k{k}", f"maml_{variant}_k{k}", k
  k = config.decoys.steps
  for name in ("imitation_maml", "rotated", "untrained"):
    yield name, f"maml_shared_k{k}", k


def _errors(rng, length, rate):
  start_S = rng.uniform(0.99 * _D, 1.01 * _D, _SEEDS)
  return start_S[:, None] * rate ** np.arange(length)


def _measured(rng, config, name, steps) -> dict[str, np.ndarray]:
  places = steps + 2 * len(config.measure.scales)
  rivals, shifts = len(style.RULES), len(config.measure.shifts)
  descent_PxTxD = rng.normal(size=(_TASKS, places, _D))
  noise_PxTxD = rng.normal(size=(_TASKS, places, _D))
  error_SxK = _errors(rng, 5 * steps + 1, 0.9)
  out = {
    "update_PxTxD": 0.4 * descent_PxTxD + 0.1 * noise_PxTxD,
    "descent_PxTxD": descent_PxTxD,
    "w_PxTxD": rng.normal(size=(_TASKS, places, _D)),
    "error_SxK": error_SxK,
    "median_SxK": 0.9 * error_SxK,
    "diverged_at_S": np.full(_SEEDS, -1),
    "named_S": np.array(["gradient"] * _SEEDS),
    "eta_SxK": rng.uniform(0.3, 0.5, (_SEEDS, steps)),
    "P_SxKxDxD": rng.normal(size=(_SEEDS, steps, _D, _D)),
    "rivals_SxR": rng.uniform(1e-8, 2, (_SEEDS, rivals)),
    "tracking_SxH": rng.uniform(1e-9, 1, (_SEEDS, shifts)),
  }
  for key in ("cosine", "oracle", "random", "shuffled", "other_question"):
    out[f"{key}_SxK"] = rng.uniform(-0.1, 1, (_SEEDS, steps))
  for key in ("a", "b", "ratio", "eta", "unexplained", "history", "swapped"):
    out[f"{key}_S"] = rng.uniform(0.1, 0.5, _SEEDS)
  if name == "imitation":
    out["order_S"] = rng.uniform(0, 1e-12, _SEEDS)
    out["other_examples_S"] = rng.uniform(0.1, 0.2, _SEEDS)
  return out


def _optimum(rng, config) -> dict[str, np.ndarray]:
  out = {"preconditioner_DxD": np.eye(_D)}
  for k in range(1, 6):
    out[f"shared_k{k}"] = np.array([0.5, 1.0 / k])
    out[f"shrunk_k{k}"] = np.array([0.7, 0.8, 0.9 / k])
    steps_K = np.sort(rng.uniform(0.2, 2, k))
    out[f"per_step_k{k}"] = np.append(steps_K, 0.8 / k)
    for variant, size, trained in (
      ("shared", 1, config.maml.shared_steps),
      ("per_step", k, config.maml.per_step_steps),
    ):
      if k in trained:
        run = f"maml_{variant}_k{k}"
        alpha_SxK = rng.uniform(0.4, 0.6, (_SEEDS, size))
        out[f"{run}/alpha_SxK"] = np.sort(alpha_SxK, axis=1)
        out[f"{run}/error_S"] = rng.uniform(1, 2, _SEEDS)
  for k in config.outcome.steps:
    for variant in ("shrunk", "shared"):
      out[f"{variant}_k{k}/error_S"] = rng.uniform(1, 2, _SEEDS)
  return out
