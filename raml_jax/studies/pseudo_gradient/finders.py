"""Which numbers each claim of the study stands on.

Each function is `(config, results) -> iterator of (suffix of the id, (parts,
controls))`. The claims on directions are asked of the whole answer and the full
gradient; suffixes ask again of the gradient that spares the question
("/constrained") and of the first token alone ("/first-token").
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from raml_jax import statistics
from raml_jax.config import pseudo_gradient as config_lib
from raml_jax.config import pseudo_gradient_rows as rows_lib
from raml_jax.studies import claims

Results = Mapping[str, Mapping[str, np.ndarray]]
Part = statistics.Part

# Suffix of the id -> (form, yardstick).
ASKED = {
  "": ("preserving", "full"),
  "/constrained": ("preserving", "constrained"),
  "/first-token": ("rank_one", "full"),
}
# The matched controls, and what they are called.
MATCHED = {
  "other": "another question's update",
  rows_lib.SAME_DROP: "the same, stretched to the same drop",
  "hint": "one-token hint",
  "wordy": "wordier trajectory",
}
FALSE = ("wrong_digit", "wrong_carry", "shuffled", "filler")
UNTRAINED = ("untrained", "embeddings")
WHO = ("trained", "untrained")
DTYPES = ("float32", "float64")
# Paths that are wrong by intent, and the relative error that gives them away.
_WRONG = {"wrong sign": "wrong_sign_B", "one layer skipped": "skipped_BxK"}
_CAUGHT = 1e-3


def _each_seed(config, results, form, condition) -> list[Mapping]:
  return [
    results[rows_lib.name(form, condition, s)] for s in range(config.seeds)
  ]


def path_is_exact(config: config_lib.PseudoGradient, results: Results):
  """The worst read-out of any question and prefix; and wrong paths."""
  parts, wrong = [], {words: [] for words in _WRONG}
  for form in ("preserving", "rank_one", "value"):
    for who in WHO:
      for dtype in DTYPES:
        found = _each_seed(config, results, "exact", f"{who}/{dtype}")
        where = f"{form}, {who}"
        worst_S = [one[f"{form}/logits_BxP"].max() for one in found]
        parts.append(Part(dtype, where, worst_S))
      for words, key in _WRONG.items():
        error_SxN = np.stack([one[f"{form}/{key}"].ravel() for one in found])
        wrong[words].append(error_SxN.min(1))
        caught_S = (error_SxN > _CAUGHT).mean(1)
        parts.append(Part("caught", f"{form}, {who}, {words}", caught_S))
  controls = {name: np.min(rows, 0) for name, rows in wrong.items()}
  yield "", (parts, controls)


def question_preserved(config: config_lib.PseudoGradient, results: Results):
  """The worst of the question's own read-outs."""
  parts = []
  for who in WHO:
    for dtype in DTYPES:
      found = _each_seed(config, results, "exact", f"{who}/{dtype}")
      worst_S = [one["preserving/question_BxP"].max() for one in found]
      parts.append(Part(dtype, who, worst_S))
  trained = _each_seed(config, results, "exact", "trained/float32")
  controls = {
    "rank-one form": [one["rank_one/question_BxP"].max() for one in trained],
    "value form": [one["value/question_BxP"].max() for one in trained],
  }
  yield "", (parts, controls)


def instrument_calibrated(config: config_lib.PseudoGradient, results: Results):
  """Planted cosines, through the analysis that measures the path."""
  found = _each_seed(config, results, "probes", "planted")
  parts = []
  for c, wanted in enumerate(found[0]["wanted_C"]):
    off_S = [np.abs(one["cosine_CxBxT"][c] - wanted).max() for one in found]
    parts.append(Part("planted", f"cosine {wanted:+g}", off_S))
  yield "", (parts, {})


def tokens_descend(config: config_lib.PseudoGradient, results: Results):
  """The first-order drop of all tokens, which restates the drop of the loss."""
  table = results["summary"]
  for suffix, (form, way) in ASKED.items():
    if suffix == "/constrained":
      continue
    drop_S = table[f"{form}/correct/{way}/descent"]
    yield (
      suffix,
      (
        [Part("first_order", f"{form}, {way} gradient", drop_S)],
        {
          name: table[f"{form}/{name}/{way}/descent"]
          for name in (*FALSE, *UNTRAINED)
        },
      ),
    )


def _above_matched(results):
  """Correct minus every matched control: explained, and mean cos^2."""
  table = results["summary"]
  for suffix, (form, way) in ASKED.items():
    parts = []
    for name, words in MATCHED.items():
      for quantity in ("explained", "share"):
        if name == rows_lib.SAME_DROP and quantity == "share":
          continue  # Stretching does not turn: it is that of "other".
        mine, theirs = (
          table[f"{form}/{row}/{way}/{quantity}"] for row in ("correct", name)
        )
        parts.append(Part(quantity, f"above {words}", mine - theirs))
    controls = {
      "correct itself": table[f"{form}/correct/{way}/explained"],
      **{
        words: table[f"{form}/{name}/{way}/explained"]
        for name, words in MATCHED.items()
      },
    }
    yield suffix, (parts, controls)


def tokens_are_gradient_steps(
  config: config_lib.PseudoGradient, results: Results
):
  """By a margin that a share of the update's energy would be worth."""
  yield from _above_matched(results)


def alignment_above_controls(
  config: config_lib.PseudoGradient, results: Results
):
  """Whether there is an effect at all."""
  yield from _above_matched(results)


def _differ(names, quantity, more):
  def find(config: config_lib.PseudoGradient, results: Results):
    table = results["summary"]
    for suffix, (form, way) in ASKED.items():
      mine = table[f"{form}/correct/{way}/{quantity}"]
      parts = []
      for name in names:
        theirs = table[f"{form}/{name}/{way}/{quantity}"]
        label = rows_lib.CONDITIONS[name].label
        parts.append(Part(quantity, f"above {label}", mine - theirs))
      rows = {"correct itself": "correct", **more}
      controls = {
        words: table[f"{form}/{row}/{way}/{quantity}"]
        for words, row in rows.items()
      }
      yield suffix, (parts, controls)

  return find


def layer_causal_closer(config: config_lib.PseudoGradient, results: Results):
  """Layer-local minus full."""
  table = results["summary"]
  for suffix in ("", "/first-token"):
    form, _ = ASKED[suffix]

    def of(way, quantity, form=form):
      return table[f"{form}/correct/{way}/{quantity}"]

    parts = [
      Part(
        quantity,
        "layer-local minus full",
        of("layer_local", quantity) - of("full", quantity),
      )
      for quantity in ("explained", "share")
    ]
    controls = {
      "full itself": of("full", "explained"),
      "through the read-outs": of("at_reads", "explained"),
      "another question's update": table[f"{form}/other/layer_local/explained"],
    }
    yield suffix, (parts, controls)


def best_optimizer_named(config: config_lib.PseudoGradient, results: Results):
  """The best on average, and how far the next one is behind."""
  held_out = {
    name: results["summary"][f"rules/{name}/explained"]
    for name in rows_lib.RULES
  }
  ranked = sorted(held_out, key=lambda name: -held_out[name].mean())
  best, second = ranked[:2]
  words = rows_lib.RULES[best]
  parts = [
    Part(
      "gap",
      f"{words} before {rows_lib.RULES[second]}",
      held_out[best] - held_out[second],
    ),
    Part("explained", words, held_out[best]),
  ]
  controls = {rows_lib.RULES[name]: held_out[name] for name in ranked}
  yield "", (parts, controls)


TABLE: dict[str, claims.Finder] = {
  "instrument-calibrated": instrument_calibrated,
  "path-is-exact": path_is_exact,
  "question-preserved": question_preserved,
  "tokens-descend": tokens_descend,
  "tokens-are-gradient-steps": tokens_are_gradient_steps,
  "alignment-above-controls": alignment_above_controls,
  "false-trajectories-differ": _differ(
    FALSE,
    "cosine",
    {
      "another question's trajectory": "other_trajectory",
      "random tokens": "random_tokens",
      "steps swapped": "steps_swapped",
    },
  ),
  "untrained-differ": _differ(
    UNTRAINED,
    "share",
    {"direct model": "direct", "random direction": "random"},
  ),
  "layer-causal-closer": layer_causal_closer,
  "best-optimizer-named": best_optimizer_named,
}
IDS = tuple(TABLE)
