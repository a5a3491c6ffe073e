"""What the pseudo-gradient study asserts, with margins fixed before any run.

A margin is (low, high), None where that side is open. A claim is supported if
the 95 % interval over seeds of every quantity lies inside its margin, refuted
if one lies wholly outside, else inconclusive.
"""

_EXACT = {"float32": (None, 1e-5), "float64": (None, 1e-10)}
_HELD_OUT = (
  "explained: with one step size common to tokens and questions, fitted on half"
  " of the questions and scored on the other; share: mean cos^2"
)
_MATCHED = (
  "correct itself",
  "another question's update",
  "the same, stretched to the same drop",
  "one-token hint",
  "wordier trajectory",
)


def _claim(
  statement, criterion, unit, controls, margins, by_construction=False
):
  return {
    "statement": statement,
    "criterion": criterion,
    "unit": unit,
    "controls": controls,
    "margins": margins,
    "by_construction": by_construction,
  }


def get_claims():
  """Words and margins by id."""
  return {
    "instrument-calibrated": _claim(
      "Updates planted along the direction of descent, across it and against it"
      " are found to be so.",
      "largest error of the cosine at most 1e-6",
      "error of the cosine",
      (),
      {"planted": (None, 1e-6)},
    ),
    "path-is-exact": _claim(
      "With the parameters of the path and no trajectory the read-outs compute"
      " what they compute with the trajectory's first tokens in context.",
      "largest relative error of a logit, over all prefixes and questions, at"
      " most 1e-5 in float32 and 1e-10 in float64; caught, that is above"
      " 1e-3, on every question if the updates have the wrong sign or those of"
      " one layer are left out",
      "relative error",
      ("wrong sign", "one layer skipped"),
      {**_EXACT, "caught": (1.0, None)},
    ),
    "question-preserved": _claim(
      "The question-preserving form leaves what the model computes at the"
      " question's own tokens as it was.",
      "largest relative error of a logit at most 1e-5 in float32 and 1e-10 in"
      " float64",
      "relative error",
      ("rank-one form", "value form"),
      _EXACT,
    ),
    "tokens-descend": _claim(
      "Tokens of a correct trajectory move the parameters down the answer's"
      " loss. This restates that the loss falls as they are read, and says"
      " nothing about directions.",
      "first-order drop of all tokens of a question above 0",
      "nats",
      ("wrong_digit", "filler", "untrained"),
      {"first_order": (0.0, None)},
      True,
    ),
    "tokens-are-gradient-steps": _claim(
      "A token's update is a step of gradient descent: it lies along the"
      " descent direction by more than any matched control.",
      "at least 1 % of the update's energy above each: another question's"
      " update at the same token, as it is and stretched to the same"
      " first-order drop; a one-token hint of the answer; a wordier correct"
      " trajectory. " + _HELD_OUT,
      "share of the update's energy",
      _MATCHED,
      {"explained": (0.01, None), "share": (0.01, None)},
    ),
    "alignment-above-controls": _claim(
      "However small, the part of a token's update that lies along the descent"
      " direction is larger than that of every matched control.",
      "above 0 for each of the same controls. " + _HELD_OUT,
      "share of the update's energy",
      _MATCHED,
      {"explained": (0.0, None), "share": (0.0, None)},
    ),
    "false-trajectories-differ": _claim(
      "False, shuffled and empty trajectories move the parameters less along"
      " the descent direction than correct ones.",
      "mean cosine with the descent direction of the right answer's loss:"
      " correct minus each above 0",
      "cosine",
      ("another question's trajectory", "random tokens", "steps swapped"),
      {"cosine": (0.0, None)},
    ),
    "untrained-differ": _claim(
      "Updates of a trained model lie more along the descent direction than"
      " those of an untrained one, with or without trained embeddings.",
      "mean cos^2: trained minus each above 0",
      "share of the update's energy",
      ("direct model", "random direction"),
      {"share": (0.0, None)},
    ),
    "layer-causal-closer": _claim(
      "The layer-local gradient, which cannot know the layers above either,"
      " explains the updates better than the back-propagated one.",
      "layer-local minus full above 0. " + _HELD_OUT,
      "share of the update's energy",
      ("full itself", "through the read-outs", "another question's update"),
      {"explained": (0.0, None), "share": (0.0, None)},
    ),
    "best-optimizer-named": _claim(
      "One optimizer explains the path, and better than all others.",
      "of the best: at least half of the updates' energy, and at least 1 % more"
      " than the runner-up; each with its own numbers, fitted on half of the"
      " questions and scored on the other",
      "share of the update's energy",
      (),
      {"explained": (0.5, None), "gap": (0.01, None)},
    ),
  }
