"""Two-digit addition with a scratchpad, learned on a laptop.

  python -m experiments.train

77 s of training a seed on one CPU core, 6:48 for all 5, and 1.1 GB. Found: all
five seeds answer every held-out question exactly right, with every step on the
way: exact-match is supported.

Learning rate, batch, heads and the number of updates were chosen in pilots with
--config.seed=101, by their own validation and held-out questions. Tried: 0.003,
0.005 and 0.01; batches of 32 and 128; 2 and 4 heads; learned and rotary
positions and none. With 2 heads, or with rotary positions, one training seed of
two stayed at 95 %: it misread sums of a two-digit and a one-digit number. Seen
before: this config with 2000 updates, where two of the five seeds got 1 and 2 %
wrong in just that way. Margins were written before any run of this config.
"""

import ml_collections
from ml_collections import config_dict


def get_config() -> ml_collections.ConfigDict:
  """The config; any field can be set by --config.field=value."""
  return ml_collections.ConfigDict(
    {
      "experiment": "train",
      "seed": 0,
      "seeds": 5,
      # On a core each; under one vmap they are no faster on a CPU.
      "seeds_at_once": 1,
      "task": {
        "family": "pairs",
        "format": "simplified",
        "base": 10,
        "options": {"operator": "+", "digits": 2},
      },
      "data": {
        "dataset": config_dict.placeholder(str),
        "folder": "data",
        "variants": (),
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
        "kernel": config_dict.placeholder(str),
        "context": 0,
      },
      "fit": {
        "steps": 3000,
        "batch": 32,
        "learning_rate": 0.003,
        "warmup": 100,
        "weight_decay": 0.01,
        "b2": 0.99,
        "clip": 1.0,
        # The objective: all but the question. The answer alone is "answer": 1.
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
      "measure": {
        "questions": 400,
        "every": 250,
        "watched": 100,
        "tests": {},
        "samples": 4,
        "ks": (1, 2, 4),
        "temperature": 1.0,
      },
      "mesh": {"data": 1, "model": 1},
      "claims": {
        "exact-match": {
          "statement": "A decoder of two layers learns two-digit addition with"
          " a scratchpad.",
          "criterion": "exact match on held-out questions at least 99 %",
          "unit": "share of greedy answers that are exactly right",
          "controls": ("untrained", "other question's answer"),
          "margins": {"held_out": (0.99, None)},
          "by_construction": False,
        },
      },
    }
  )
