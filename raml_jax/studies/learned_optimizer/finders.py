"""Which numbers each claim of the study stands on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from raml_jax import statistics
from raml_jax.config import learned_optimizer as config_lib
from raml_jax.studies import claims
from raml_jax.studies.learned_optimizer import summaries

Results = dict[str, dict[str, np.ndarray]]
# The problem that a claim's plain id is about, and the one with a suffix.
_PROBLEMS = {"quadratics": "", "regression": "-on-regression"}


# Losses below this many times the first are rounding, as are distances below.
_ROUNDING = 1e-12


def learned_beats_tuned(config: config_lib.LearnedOptimizer, results: Results):
  """Area and final loss inside the training length, over every rival's."""
  length = config.length
  of = {
    "area": lambda loss_SxT: summaries.area(loss_SxT, length),
    "final": lambda loss_SxT: loss_SxT[:, length],
  }
  for problem, suffix in _PROBLEMS.items():
    curves = results[f"{problem}/curves"]

    def against(who, rival, criterion, curves=curves):
      rival_SxT = summaries.loss(curves, f"{rival}/{criterion}")
      value = of[criterion]
      return _over(
        value(summaries.loss(curves, who)), value(rival_SxT), rival_SxT
      )

    parts = [
      statistics.Part(
        criterion,
        f"{problem}, against {rival}",
        against("learned", rival, criterion),
      )
      for criterion in of
      for rival in config_lib.RIVALS
    ]
    best = summaries.best_rival(curves, "area", length)
    controls = {
      "untrained rule": against("untrained", best, "area"),
      "trained on the other problem": against("other_problem", best, "area"),
    }
    yield suffix, (parts, controls)


def generalises_past_unroll(
  config: config_lib.LearnedOptimizer, results: Results
):
  """Beyond the training length: still falling, still below the best rival."""
  length, last = config.length, config.measure.beyond * config.length
  for problem, suffix in _PROBLEMS.items():
    curves = results[f"{problem}/curves"]
    learned_SxT = summaries.loss(curves, "learned")
    best = summaries.best_rival(curves, "final", length)
    best_SxT = summaries.loss(curves, f"{best}/final")

    def fallen(loss_SxT, t):
      return _over(loss_SxT[:, t], loss_SxT[:, length], loss_SxT)

    parts = []
    for t in sorted({2 * length, last}):
      where = f"{problem}, step {t}"
      ahead_S = _over(learned_SxT[:, t], best_SxT[:, t], best_SxT)
      parts += [
        statistics.Part("still_falling", where, fallen(learned_SxT, t)),
        statistics.Part("still_ahead", f"{where}, against {best}", ahead_S),
      ]
    controls = {
      "best rival itself": fallen(best_SxT, last),
      "untrained rule": fallen(summaries.loss(curves, "untrained"), last),
      "trained on the other problem": fallen(
        summaries.loss(curves, "other_problem"), last
      ),
    }
    yield suffix, (parts, controls)


def _over(one_S, other_S, loss_SxT):
  floor = _ROUNDING * float(loss_SxT[:, 0].mean())
  return summaries.log_ratio(one_S, other_S, floor)


def nearer(found: Mapping[str, np.ndarray], quantity: str) -> np.ndarray:
  """log10 of the distance from the learned rule over that from descent."""
  names = list(found["names_R"])
  values_SxR = found[f"{quantity}_SxR"]
  return summaries.log_ratio(
    values_SxR[:, names.index("learned")],
    values_SxR[:, names.index("sgd")],
    _ROUNDING,
  )


def cot_update_nearest_rule(
  config: config_lib.LearnedOptimizer, results: Results
):
  """Of chains trained on their answers: which of the two is nearer."""
  parts, controls = [], {}
  for k in config.chains.job.outcome.steps:
    found = results[f"chains/outcome_full_k{k}"]
    parts += [
      statistics.Part(quantity, f"k = {k}", nearer(found, name))
      for quantity, name in (
        ("path", "path"),
        ("interventions", "interventions"),
        ("free_running", "free"),
      )
    ]
    controls["other question"] = nearer(found, "other")
    controls["shuffled steps"] = nearer(found, "shuffled")
  for name in ("imitation", "untrained"):
    controls[name] = nearer(results[f"chains/{name}"], "path")
  yield "", (parts, controls)


TABLE: dict[str, claims.Finder] = {
  "learned-beats-tuned": learned_beats_tuned,
  "generalises-past-unroll": generalises_past_unroll,
  "cot-update-nearest-rule": cot_update_nearest_rule,
}
IDS = tuple(TABLE)
