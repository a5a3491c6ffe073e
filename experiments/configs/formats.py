"""Formats of 2-digit addition, in small, default.

  python -m experiments.formats

18:17 and 1.6 GB on 2 CPU cores; every run has 4500 updates of as many tokens,
the detailed scratchpad three times as many: with 4500 it was at 70 % [49, 90]
with 1000 examples, and a pilot of two seeds had shown that it wants more.
Found: the published order is refuted here. At their largest sizes plain,
reversed, the simplified and the detailed scratchpad are at 99, 98, 95 and 98 %,
plain and reversed need as many examples, and nothing else can be told apart, in
examples or in tokens: few seeds come to 99 %. plain-plateaus is refuted by the
simplified scratchpad. The sign in front raises plain by 3 points [-1, 7] where
windows begin anywhere, which is little learned from here (12 % right):
inconclusive; reversed stays as it is.

Learning rate and weight decay come from pilots of two seeds with
--config.seed=1234 (0.001 to 0.003; 0.1, 0.3 and 1; 2 and 4 heads; 217 and 434
tokens an update): with a decay of 0.1 and 0.003 plain was at 85 to 97 % with
4000 examples and reversed at 6 to 95 %. Those and three runs with other sizes
or updates were of seed 0 itself, and were looked at; in one of them the
artefact was supported, with 2000 examples. The margins of ratio and area
were raised from 0 after a smoke run, in which all are equal.
"""

import ml_collections


def _claim(statement, criterion, unit, controls, margins):
  return {
    "statement": statement,
    "criterion": criterion,
    "unit": unit,
    "controls": controls,
    "margins": margins,
    "by_construction": False,
  }


_CONTROLS = ("untrained", "shuffled answers")
_ORDER = "log2 of the ratio; /curves: exact match"


def _claims():
  """Margins, from the literature, written before any run of this config."""
  return {
    "format-order": _claim(
      "Reversed needs fewer examples than plain, the simplified scratchpad"
      " fewer than reversed, the detailed one fewer than the simplified.",
      "each needs at least 5 % (0.07 in log2) fewer distinct examples than the"
      " one before it to answer 99 % exactly; /curves: its exact match is at"
      " least 0.02 higher, on the average over the logarithm of their number",
      _ORDER,
      (*_CONTROLS, "same format, other seeds"),
      {"ratio": (0.07, None), "area": (0.02, None)},
    ),
    "plain-plateaus": _claim(
      "Plain does not come to 99 % with all its examples; the others do.",
      "exact match at the largest size: plain below 0.99, the others at least"
      " 0.99",
      "exact match",
      _CONTROLS,
      {"plain": (None, 0.99), "others": (0.99, None)},
    ),
    "newline-artefact": _claim(
      "Where windows begin anywhere, the sign that stands in front of every"
      " question of the stream, put in front of the prompt, raises plain; a"
      " format whose questions open with a sign of their own stays as it is"
      " (/others).",
      "exact match at the largest size: plain gains at least 0.02, the others"
      " gain or lose at most 0.02",
      "difference of exact match",
      _CONTROLS,
      {"gain": (0.02, None), "unmoved": (-0.02, 0.02)},
    ),
    "equal-tokens-order": _claim(
      "Counted in tokens the order of those that learn turns round: reversed"
      " needs the fewest, then the simplified scratchpad, then the detailed"
      " one; plain needs more than reversed.",
      "each needs at least 5 % (0.07 in log2) fewer tokens of distinct examples"
      " to answer 99 % exactly; /curves: its exact match is at least 0.02"
      " higher, on the average over the logarithm of their number",
      _ORDER,
      (*_CONTROLS, "same format, other seeds"),
      {"ratio": (0.07, None), "area": (0.02, None)},
    ),
  }


def get_config() -> ml_collections.ConfigDict:
  """The config; any field can be set by --config.field=value."""
  return ml_collections.ConfigDict(
    {
      "experiment": "formats",
      "seed": 0,
      "seeds": 5,
      "seeds_at_once": 1,
      "digits": 2,
      "sizes": {
        "plain": (1000, 4000),
        "reversed": (500, 1000, 4000),
        "simplified": (500, 1000, 2000),
        "detailed": (250, 1000),
      },
      "windows": {
        "plain": 10,
        "reversed": 12,
        "simplified": 51,
        "detailed": 217,
      },
      "longer": {"plain": 1, "reversed": 1, "simplified": 1, "detailed": 3},
      "begin": "examples",
      "cut": {
        "plain": {"window": 24, "longer": 1},
        "reversed": {"window": 24, "longer": 1},
      },
      "model": {
        "layers": 2,
        "heads": 2,
        "width": 64,
        "mlp": 4,
        "positions": "learned",
        "digits": 40,
        "attention": "softmax",
        "loops": 1,
        "dtype": "float32",
        "kernel": None,
        "context": 0,
      },
      "fit": {
        "steps": 4500,
        "batch": 1,
        "learning_rate": 1e-3,
        "warmup": 100,
        "weight_decay": 1.0,
        "b2": 0.99,
        "clip": 1.0,
        "weights": {
          "question": 0.0,
          "step": 1.0,
          "reflection": 1.0,
          "delimiter": 1.0,
          "answer": 1.0,
        },
        "microbatches": 1,
        "remat": False,
      },
      "measure": {"questions": 512, "threshold": 0.99},
      "claims": _claims(),
    }
  )
