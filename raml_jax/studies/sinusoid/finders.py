"""Which numbers each claim of the study stands on.

Each function is `(config, results) -> iterator of (suffix of the id, (parts,
controls))`; no parts where its methods were not asked for.
"""

from __future__ import annotations

import numpy as np

from raml_jax import statistics
from raml_jax.config import sinusoid as config_lib
from raml_jax.studies import claims

Results = dict[str, dict[str, np.ndarray]]


def _errors(config, results, name) -> dict[int, np.ndarray]:
  """error_SxT of a method by K; empty where it was not run."""
  return {
    shots: results[f"k{shots}/{name}"]["error_SxT"]
    for shots in config.shots
    if f"k{shots}/{name}" in results
  }


def _floor(config, results) -> float:
  return float(results[f"k{config.shots[0]}/floors"]["agnostic"])


def _controls(config, results, names, value) -> dict[str, np.ndarray]:
  """`value(error_SxT, K)` of each method, at the least K."""
  shots = min(config.shots)
  found = {name: _errors(config, results, name) for name in names}
  return {name: value(e[shots], shots) for name, e in found.items() if e}


def maml_beats_task_agnostic(config: config_lib.Sinusoid, results: Results):
  """After one step, beside the closed form."""
  floor = _floor(config, results)
  parts = [
    statistics.Part("mse", f"K = {shots}", error_SxT[:, 1] / floor)
    for shots, error_SxT in _errors(config, results, "maml").items()
  ]
  names = ("pretrained", "untrained")
  controls = _controls(config, results, names, lambda e, _: e[:, 1] / floor)
  yield "", (parts, controls)


def keeps_falling_past_training(config: config_lib.Sinusoid, results: Results):
  """MAML, trained for few steps, followed for many."""
  first, last = config.inner.steps, config.measure.steps
  parts = []
  for shots, error_SxT in _errors(config, results, "maml").items():
    for quantity, before in (("trained", first), ("last_step", last - 1)):
      where = f"K = {shots}, step {last} over step {before}"
      ratio_S = error_SxT[:, last] / error_SxT[:, before]
      parts.append(statistics.Part(quantity, where, ratio_S))
  controls = _controls(
    config,
    results,
    ("pretrained", "untrained"),
    lambda e, _: e[:, last] / e[:, first],
  )
  yield "", (parts, controls)


def _beside_maml(method: str, names: tuple[str, ...]) -> claims.Finder:
  """A method's error after one step over MAML's; controls alike."""

  def find(config: config_lib.Sinusoid, results: Results):
    maml = _errors(config, results, "maml")
    parts, controls = [], {}
    if maml:

      def ratio(error_SxT, shots):
        return error_SxT[:, 1] / maml[shots][:, 1]

      parts = [
        statistics.Part("ratio", f"K = {shots}", ratio(error_SxT, shots))
        for shots, error_SxT in _errors(config, results, method).items()
      ]
      controls = _controls(config, results, names, ratio)
    yield "", (parts, controls)

  return find


def reptile(config: config_lib.Sinusoid, results: Results):
  """After all steps, beside the tuned baseline and the closed form."""
  floor, last = _floor(config, results), config.measure.steps
  pretrained = _errors(config, results, "pretrained")
  parts = []
  for shots, error_SxT in _errors(config, results, "reptile").items():
    end_S, where = error_SxT[:, last], f"K = {shots}, step {last}"
    parts.append(statistics.Part("over_floor", where, end_S / floor))
    if shots in pretrained:
      ratio_S = end_S / pretrained[shots][:, last]
      parts.append(statistics.Part("over_pretrained", where, ratio_S))
  names = ("maml", "untrained")
  controls = _controls(config, results, names, lambda e, _: e[:, last] / floor)
  yield "", (parts, controls)


def imaml_path_independent(config: config_lib.Sinusoid, results: Results):
  """The same meta-gradient at the end of every way, and not so when unrolled.

  The way that disagrees most decides. The claim is about the end of the inner
  loop; tasks that have not come to it, and the lambda of training, have rows of
  their own.
  """
  strong = results.get(f"k{config.shots[0]}/paths_strong")
  trained = results.get(f"k{config.shots[0]}/paths_as_trained")
  if strong is None or trained is None:
    yield "", ([], {})
    return
  ways = {"strong": config.paths.strong, "trained": config.paths.as_trained}

  def furthest(found, kind, problem):
    """Over the ways of the config."""
    return found[f"{kind}_WxS"][: len(ways[problem].ways)].max(axis=0)

  def part(quantity, found, kind, problem, tasks):
    where = f"lambda = {ways[problem].strength:g}, {tasks}, furthest way"
    values_S = furthest(found, kind, problem)
    return statistics.Part(quantity, where, values_S)

  share_S = strong["settled_SxB"].mean(axis=1)
  if (share_S > 0).all():
    tasks = f"{100 * share_S.mean():.0f} % of tasks settled"
    kinds = ("implicit", "unrolled")
    parts = [part(kind, strong, kind, "strong", tasks) for kind in kinds]
    yield "", (parts, _path_controls(strong, trained, ""))
  rows = {
    "/every-task": (strong, "strong"),
    "/as-trained": (trained, "trained"),
  }
  for suffix, (found, problem) in rows.items():
    parts = [part("implicit", found, "implicit_every", problem, "every task")]
    yield suffix, (parts, _path_controls(strong, trained, "_every"))


def _path_controls(strong, trained, tasks) -> dict[str, np.ndarray]:
  return {
    "unrolled through the same problem": strong[f"proximal{tasks}_WxS"].max(0),
    "unrolled through the support loss": strong[f"unrolled{tasks}_WxS"].max(0),
    # The last of the ways.
    "inner loop of training": trained["implicit_every_WxS"][-1],
  }


def pretrained_near_floor(config: config_lib.Sinusoid, results: Results):
  """Before adaptation, beside the best predictor that sees no support set."""
  floor = _floor(config, results)
  parts = []
  for shots, error_SxT in _errors(config, results, "pretrained").items():
    start_S, where = error_SxT[:, 0], f"K = {shots}"
    same_S = results[f"k{shots}/floors"]["agnostic_SxB"].mean(axis=1)
    parts.append(statistics.Part("mse", where, start_S / floor))
    parts.append(statistics.Part("same_tasks", where, start_S / same_S))
  names = ("untrained", "oracle")
  controls = _controls(config, results, names, lambda e, _: e[:, 0] / floor)
  yield "", (parts, controls)


TABLE: dict[str, claims.Finder] = {
  "maml-beats-task-agnostic": maml_beats_task_agnostic,
  "keeps-falling-past-training": keeps_falling_past_training,
  "first-order-close": _beside_maml("first_order", ("pretrained", "untrained")),
  "anil-close": _beside_maml("anil", ("pretrained", "untrained")),
  "meta-sgd-better": _beside_maml("meta_sgd", ("first_order", "pretrained")),
  "reptile": reptile,
  "imaml-path-independent": imaml_path_independent,
  "pretrained-near-floor": pretrained_near_floor,
}
IDS = tuple(TABLE)
