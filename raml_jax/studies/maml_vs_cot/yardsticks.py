"""What trained models are held against: descent, optima, identities.

Each function takes the config and an `evaluate.Arm` and returns named arrays.
"""

from __future__ import annotations

import jax
import numpy as np

from raml_jax.studies import running
from raml_jax.studies.maml_vs_cot import evaluate
from raml_jax.theory import anchors
from raml_jax.theory import measure
from raml_jax.theory import optimum
from raml_jax.theory import rules
from raml_jax.training import loop
from raml_jax.training import teachers


def rules_as_reasoners(config, arm):
  """Every rival run as a reasoner: what it is called, and why."""
  found = evaluate.rule_reasoners(config, arm)
  return {
    f"{name}/{quantity}": arrays[quantity]
    for name, arrays in found.items()
    for quantity in ("named_S", "rivals_SxR", "free_running_SxR")
  }


def errors(config, arm):
  """Errors of gradient descent, conjugate gradients and the one-step floor."""
  steps = config.measure.beyond * config.imitation.steps
  n, d = arm.task.n, arm.task.d
  thetas = {
    "gradient": ("gradient", {"eta": config.imitation.eta}),
    "floor": ("gradient", {"eta": n / (n + d + 1)}),
    "conjugate": ("conjugate", {}),
  }
  out = {}
  for label, (rule, theta) in thetas.items():
    params_S = running.stacked(jax.tree.map(np.float32, theta), config.seeds)
    found = measure.errors(
      rules.reasoner(rules.TABLE[rule]), params_S, arm.error_episodes, steps
    )
    out[f"{label}_SxK"] = found["error_SxK"]
  return out


def optima(config, arm):
  """The best fixed coefficients, and how near trained MAML comes to them."""
  key = loop.evaluation_key(jax.random.key(config.seed), f"{arm.name}/spectra")
  root_DxD = arm.task.scale * arm.task.root_DxD
  values = optimum.spectra(key, root_DxD, arm.task.n, config.measure.spectra)
  longest = max(
    *config.maml.shared_steps,
    *config.maml.per_step_steps,
    *config.outcome.steps,
  )
  m = optimum.moments(values, 2 * longest)
  out = {
    "moments_J": m,
    "preconditioner_DxD": optimum.one_step_preconditioner(
      np.asarray(root_DxD @ root_DxD.T, np.float64), arm.task.n
    ),
  }
  for k in range(1, longest + 1):
    out[f"shared_k{k}"] = np.array(optimum.best_shared(m, k))
    out[f"shrunk_k{k}"] = np.array(optimum.best_shrunk(m, k))
    alpha_K, error = optimum.best_per_step(m, k)
    out[f"per_step_k{k}"] = np.append(alpha_K, error)
  for name, params in arm.params.items():
    for variant in ("shared", "per_step"):
      if name.startswith(f"maml_{variant}_k"):
        k = arm.runs[name].steps
        alpha_SxK = np.asarray(params["meta"]["alpha"], np.float64)
        alpha_SxK = alpha_SxK.reshape(config.seeds, -1)
        alpha_SxK = np.sort(alpha_SxK, axis=1)
        out[f"{name}/alpha_SxK"] = alpha_SxK
        out[f"{name}/error_S"] = np.array(
          [
            optimum.error(optimum.per_step_residual(np.resize(alpha_K, k)), m)
            for alpha_K in alpha_SxK
          ]
        )
  # The best shrunk form on the very tasks that chains are judged on.
  for k in config.outcome.steps:
    for variant, rule, names in (
      ("shrunk", "shrunk", ("alpha", "beta")),
      ("shared", "gradient", ("eta",)),
    ):
      best = out[f"{variant}_k{k}"][: len(names)]
      theta = dict(zip(names, best.astype(np.float32), strict=True))
      found = measure.errors(
        rules.reasoner(rules.TABLE[rule]),
        running.stacked(theta, config.seeds),
        arm.error_episodes,
        k,
      )
      out[f"{variant}_k{k}/error_S"] = found["error_SxK"][:, -1]
  return out


def construction(config, arm):
  """How exactly the hand-set model is gradient descent."""
  turn_DxD = teachers.block_rotation(
    config.task.d, config.decoys.rotated_degrees
  )
  key = loop.evaluation_key(jax.random.key(config.seed), "construction")
  return anchors.construction_deviation(
    arm.task,
    key,
    config.seeds,
    config.imitation.steps,
    config.imitation.eta,
    np.asarray(config.imitation.eta * turn_DxD),
  )


def weights(arm):
  """V and W of every chain with one layer, for the figures and claims."""
  return {
    f"{name}/{matrix}": np.asarray(params["layer_0"][matrix])
    for name, params in arm.params.items()
    if "layer_0" in params
    for matrix in ("V", "W")
  }
