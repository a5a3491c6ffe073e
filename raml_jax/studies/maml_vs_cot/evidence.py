"""What the claims about chains of thought stand on.

Each function is `(config, results) -> iterator of (suffix of the id, (parts,
controls))`; no parts where its regimes were not asked for.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from raml_jax import statistics

Part = statistics.Part


def arms_with(config, results, name) -> Iterator[tuple[str, dict]]:
  """(arm, arrays) of every arm that has the result `name`."""
  for arm in config.arms:
    if f"{arm}/{name}" in results:
      yield arm, results[f"{arm}/{name}"]


def isotropic_arms(config) -> list[str]:
  """Arms in which the closed forms hold."""
  return [k for k, c in config.arms.items() if c.kind == "isotropic"]


def _first(config, results, name, quantity):
  """A control: the quantity in the first arm that has it."""
  for _, arrays in arms_with(config, results, name):
    return {name: arrays[quantity]}
  return {}


def controls_of(config, results, quantity, *names):
  """One quantity of several contestants."""
  out = {}
  for name in names:
    out |= _first(config, results, name, quantity)
  return out


def construction_is_gd(config, results):
  """Identity in float64."""
  parts, controls = [], {}
  for arm, found in arms_with(config, results, "construction"):
    parts.append(Part("deviation", arm, found["construction_S"]))
    controls["rotated construction"] = found["decoy_S"]
  yield "", (parts, controls)


def direct_floor(config, results):
  """One step, beside d(d+1)/(n+d+1) at n/(n+d+1)."""
  parts, controls = [], {}
  n, d = config.task.n, config.task.d
  for arm in isotropic_arms(config):
    if f"{arm}/direct" not in results:
      continue
    direct = results[f"{arm}/direct"]
    floor_S = results[f"{arm}/yardsticks"]["floor_SxK"][:, 1]
    step = n / (n + d + 1)
    parts += [
      Part("error_ratio", arm, direct["error_SxK"][:, 1] / floor_S),
      Part("step_ratio", arm, direct["eta_SxK"][:, 0] / step),
    ]
    untrained_S = results[f"{arm}/untrained"]["error_SxK"][:, 1]
    controls["untrained"] = untrained_S / floor_S
  yield "", (parts, controls)


def direct_preconditioner(config, results):
  """Ahn et al. 2023, Thm 1: P = Gamma^-1 in the eigenbasis of Sigma."""
  parts, controls = [], {}
  for arm in config.arms:
    if arm in isotropic_arms(config) or f"{arm}/direct" not in results:
      continue
    target_DxD = results[f"{arm}/optimum"]["preconditioner_DxD"]
    size = np.linalg.norm(target_DxD)

    def gap(p_SxDxD, target_DxD=target_DxD, size=size):
      return np.linalg.norm(p_SxDxD - target_DxD, axis=(1, 2)) / size

    p_SxDxD = results[f"{arm}/direct"]["P_SxKxDxD"][:, 0]
    parts.append(Part("distance", arm, gap(p_SxDxD)))
    mean_S = np.trace(p_SxDxD, axis1=1, axis2=2) / target_DxD.shape[0]
    plain_SxDxD = mean_S[:, None, None] * np.eye(target_DxD.shape[0])
    controls["multiple of the identity"] = gap(plain_SxDxD)
    for iso in isotropic_arms(config):
      other_SxDxD = results[f"{iso}/direct"]["P_SxKxDxD"][:, 0]
      controls["trained in the isotropic arm"] = gap(other_SxDxD)
  yield "", (parts, controls)


def _is_gd(arm, found):
  """The interventional parts: coefficients, one step size, no memory."""
  return [
    Part("coefficients", arm, found["ratio_S"]),
    Part("unexplained", arm, found["unexplained_S"]),
    Part("history", arm, found["history_S"]),
    Part("swapped", arm, found["swapped_S"]),
  ]


def imitation_is_gd(config, results):
  """Errors, interventions, matrices and the rest."""
  parts = []
  eta = config.imitation.eta
  for arm, found in arms_with(config, results, "imitation"):
    error_SxK = found["error_SxK"]
    gd_SxK = results[f"{arm}/yardsticks"]["gradient_SxK"]
    last = error_SxK.shape[1] - 1
    for quantity, ks in (("error", (1, 2, 5, 10, 20)), ("error_far", (50,))):
      for k in ks:
        if k <= last:
          ratio_S = error_SxK[:, k] / gd_SxK[:, k]
          parts.append(Part(quantity, f"{arm}, k = {k}", ratio_S))
    parts += _is_gd(arm, found)
    weights = results.get(f"{arm}/weights", {})
    if "imitation/V" in weights and config.model.layers == 1:
      d = config.task.d
      w_rows = slice(d + 1, 2 * d + 1)
      v31_SxDxD = weights["imitation/V"][:, w_rows, :d]
      w13_SxDxD = weights["imitation/W"][:, :d, w_rows]
      gap_SxDxD = v31_SxDxD @ w13_SxDxD + eta * np.eye(d)
      size = eta * np.sqrt(d)
      gap_S = np.linalg.norm(gap_SxDxD, axis=(1, 2)) / size
      parts.append(Part("matrix", arm, gap_S))
  names = ("untrained", "rotated", "shrunk")
  yield "", (parts, controls_of(config, results, "unexplained_S", *names))


def straight_path_is_gd(config, results):
  """No token can hold w*: predicted step eta n/(n+d+1)."""
  parts = []
  n, d = config.task.n, config.task.d
  step = config.decoys.straight_eta * n / (n + d + 1)
  for arm in isotropic_arms(config):
    if f"{arm}/straight_path" in results:
      found = results[f"{arm}/straight_path"]
      parts += _is_gd(arm, found)
      parts.append(Part("step_ratio", arm, found["eta_S"] / step))
  names = ("untrained", "rotated", "imitation")
  yield "", (parts, controls_of(config, results, "unexplained_S", *names))


def decoys_are_named(config, results):
  """Negative controls, and the diagonal of all rivals."""
  parts, controls = [], {}
  for arm in config.arms:
    for name in ("rotated", "shrunk", "preconditioned"):
      if f"{arm}/{name}" in results:
        named_S = results[f"{arm}/{name}"]["named_S"]
        right_S = (named_S == name).astype(float)
        wrong_S = (named_S == "gradient").astype(float)
        parts.append(Part("named", f"{arm}, student of {name}", right_S))
        parts.append(Part("called_gd", f"{arm}, student of {name}", wrong_S))
    if f"{arm}/rules" in results and parts:
      rules = results[f"{arm}/rules"]
      names = [k.split("/")[0] for k in rules if k.endswith("/named_S")]
      right_SxR = [rules[f"{name}/named_S"] == name for name in names]
      share_S = np.mean(right_SxR, axis=0)
      parts.append(Part("diagonal", f"{arm}, rules themselves", share_S))
  for label, name, as_ in (
    ("imitation called gradient", "imitation", "gradient"),
    ("untrained called gradient", "untrained", "gradient"),
    ("heavy ball's student called momentum", "heavy_ball", "momentum"),
  ):
    for _, found in arms_with(config, results, name):
      controls.setdefault(label, (found["named_S"] == as_).astype(float))
  yield "", (parts, controls)


def untrained_is_not_gd(config, results):
  """The floor of every similarity."""
  parts = [
    Part("unexplained", arm, found["unexplained_S"])
    for arm, found in arms_with(config, results, "untrained")
  ]
  yield (
    "",
    (
      parts,
      controls_of(config, results, "unexplained_S", "imitation", "rotated"),
    ),
  )


def outcome_is_gd(config, results):
  """Answer-only training of every entry."""
  parts = []
  for k in config.outcome.steps:
    for arm, found in arms_with(config, results, f"outcome_full_k{k}"):
      parts += _is_gd(f"{arm}, k = {k}", found)
  names = ("imitation", "rotated", "untrained")
  yield "", (parts, controls_of(config, results, "unexplained_S", *names))


def order_invariant(config, results):
  """Reversed examples."""
  parts, controls = [], {}
  for arm, found in arms_with(config, results, "imitation"):
    parts.append(Part("change", arm, found["order_S"]))
    controls.setdefault("other examples", found["other_examples_S"])
  yield "", (parts, controls)


def tracks_gd_out_of_distribution(config, results):
  """Every shift of the config."""
  parts, controls = [], {}
  for arm, found in arms_with(config, results, "imitation"):
    for h, shift in enumerate(sorted(config.measure.shifts)):
      values_S = found["tracking_SxH"][:, h]
      parts.append(Part("tracking", f"{arm}, {shift}", values_S))
  for name in ("rotated", "untrained", "outcome_full_k2"):
    for _, found in arms_with(config, results, name):
      controls.setdefault(name, found["tracking_SxH"].max(axis=1))
  yield "", (parts, controls)


def longer_than_trained(config, results):
  """Two and `beyond` times the trained length."""
  parts, controls = [], {}
  for arm, found in arms_with(config, results, "imitation"):
    gd_SxK = results[f"{arm}/yardsticks"]["gradient_SxK"]
    last = gd_SxK.shape[1] - 1
    for k in (2 * config.imitation.steps, last):
      ratio_S = found["error_SxK"][:, k] / gd_SxK[:, k]
      parts.append(Part("error", f"{arm}, k = {k}", ratio_S))
  for name in ("outcome_full_k2", "rotated"):
    for arm, found in arms_with(config, results, name):
      k = found["error_SxK"].shape[1] - 1
      gd_S = results[f"{arm}/yardsticks"]["gradient_SxK"][:, k]
      controls.setdefault(name, found["error_SxK"][:, k] / gd_S)
  yield "", (parts, controls)


def von_oswald_one_layer(config, results):
  """The published setting."""
  parts, controls = [], {}
  if "von_oswald" in results:
    found = results["von_oswald"]
    path_SxP = found["path_loss_SxP"]
    ends_S = np.maximum(path_SxP[:, 0], path_SxP[:, -1])
    parts = [
      Part("loss", "trained", found["loss_S"]),
      Part("interpolation", "path", path_SxP.max(axis=1) / ends_S - 1.0),
      Part("sensitivity", "1 - cosine", 1.0 - found["cosine_S"]),
    ]
    controls["zero predictor"] = found["zero_loss_S"]
    controls["construction"] = found["construction_loss_S"]
  yield "", (parts, controls)
