"""What one trajectory token does to a decoder's parameters, default.

  python -m experiments.pseudo_gradient

2 layers of width 64 on additions of two digits with a scratchpad, 5 seeds, 504
held-out questions. 10:18 and 3.2 GB on 2 CPU cores, figures and report
included. The models answer 99.9 % [99.6, 100.1] of the questions with a
scratchpad of their own and all with a given one.

Found: the paths are exact (worst error 1.7e-6 in float32, 3e-15 in float64) and
the preserving form leaves the question alone, where the others change it beyond
recognition. tokens-descend is supported, tokens-are-gradient-steps refuted in
all three forms: the mean share of an update along descent is 2.0e-4 (whole
answer) and 9.0e-3 (its first token), one step size explains 1.4e-5, and none of
it can be told from what a one-token hint or a wordier trajectory have. What
there is, is there for a reason: the mean cosine of .0027 is above that of
false, shuffled and filler texts, and the share above that of untrained models
(both supported for the whole answer). Of the update rules a fitted diagonal
preconditioner explains most, .0002: best-optimizer-named is refuted, and so is
layer-causal-closer. True descent from the same parameters is down at once,
where the path takes all of the trajectory.

Margins were written before any run; pilots were run on other seeds. Seen
before: this config with 1200 updates of the chain of thought, whose verdicts
were the same, but for layer-causal-closer, which was inconclusive there. Read
it beside `experiments.calibration`: a softmax decoder known to descend has
cosines of .06 to .11 in its own matrices, and less than a hundredth of its
updates explained. A share below the margin does not by itself refute descent.
"""

import ml_collections

from experiments.configs import pseudo_gradient_claims

_SPOKEN = {"step": 1, "reflection": 1, "delimiter": 1, "answer": 1}


def _fit(steps, batch, weights):
  return {
    "steps": steps,
    "batch": batch,
    "learning_rate": 0.003,
    "warmup": steps // 10,
    "weight_decay": 0.01,
    "b2": 0.99,
    "clip": 1.0,
    "weights": weights,
    "microbatches": 1,
    "remat": False,
  }


def get_config() -> ml_collections.ConfigDict:
  """The config; any field can be set by --config.field=value."""
  return ml_collections.ConfigDict(
    {
      "experiment": "pseudo_gradient",
      "seed": 0,
      "seeds": 5,
      "checkpoints": "",
      "task": {
        "family": "pairs",
        "format": "simplified",
        "base": 10,
        "options": {"operator": "+", "digits": 2, "weights": (0.0, 1.0)},
      },
      "model": {
        "layers": 2,
        "heads": 4,
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
      "table": {"questions": 6000, "wordy": 2000},
      # Chosen in pilots on other seeds, for exact match: 2000 updates brought
      # four of four seeds to 100 %.
      "cot": _fit(1500, 32, _SPOKEN),
      "direct": _fit(500, 64, {"answer": 1}),
      "measure": {
        "questions": 504,
        "controls": 40,
        "probes": 4,
        "rivals": 64,
        "tuning": 16,
        "batch": 4,
        "exam": 300,
      },
      "descent": {"low": 0.01, "high": 30.0, "points": 8},
      "rivals": {
        "momentum": (0.1, 0.3, 0.5, 0.7, 0.9, 0.97),
        "adam": ((0.0, 0.9), (0.5, 0.9), (0.9, 0.99), (0.9, 0.999)),
        "shrinkage": (0.0, 0.1, 1.0, 10.0, 100.0),
      },
      "claims": pseudo_gradient_claims.get_claims(),
    }
  )
