"""What the main job asserts, with margins fixed before any run.

A margin is (low, high), None where that side is open. A claim is supported if
the 95 % interval over seeds of every quantity lies inside its margin, refuted
if one lies wholly outside, else inconclusive.
"""

import ml_collections

_GD = {
  "coefficients": (-0.03, 0.03),
  "unexplained": (None, 0.01),
  "history": (None, 0.01),
  "swapped": (None, 0.01),
}
_SAME = {
  "iterates": (None, 0.01),
  "interventions": (None, 0.01),
  "prediction": (None, 0.01),
  "sensitivity": (None, 0.01),
}
_GD_WORDS = (
  "by interventions: a/b - 1 within 3 %, under 1 % of the update unexplained"
  " with one step size over tasks, steps and scales, under 1 % due to history,"
  " under 1 % unexplained under swapped labels"
)


def _claim(statement, criterion, unit, controls, margins, by_construction):
  return ml_collections.ConfigDict(
    {
      "statement": statement,
      "criterion": criterion,
      "unit": unit,
      "controls": controls,
      "margins": margins,
      "by_construction": by_construction,
    }
  )


def get_claims() -> ml_collections.ConfigDict:
  """All claims of the main job, by id."""
  rows = {
    "construction-is-gd": (
      "The hand-set linear attention takes exactly the steps of gradient"
      " descent.",
      "largest deviation of any iterate below 1e-12 in float64",
      "absolute deviation",
      ("rotated construction",),
      {"deviation": (None, 1e-12)},
      True,
    ),
    "direct-floor": (
      "Without a trajectory, one gradient step is the best that is learned.",
      "error within 2 % of the floor's on the same tasks, step size within 2 %"
      " of n/(n+d+1)",
      "ratio to theory",
      ("untrained",),
      {"error_ratio": (0.98, 1.02), "step_ratio": (0.98, 1.02)},
      False,
    ),
    "direct-preconditioner": (
      "Under an anisotropic covariance the direct answer is one step"
      " preconditioned by Gamma^-1.",
      "Frobenius distance below 5 % of Gamma^-1",
      "relative distance",
      ("multiple of the identity", "trained in the isotropic arm"),
      {"distance": (None, 0.05)},
      False,
    ),
    "imitation-is-gd": (
      "A chain of thought taught on gradient descent does gradient descent.",
      "error within 3 % of gradient descent's on the same tasks at k = 1, 2, 5,"
      " 10, 20 and 10 % at k = 50; V_31 W_13 within 1 % of -eta I; "
      + _GD_WORDS,
      "as named",
      ("untrained", "rotated", "shrunk"),
      {
        **_GD,
        "error": (0.97, 1.03),
        "error_far": (0.9, 1.1),
        "matrix": (None, 0.01),
      },
      False,
    ),
    "straight-path-is-gd": (
      "A chain of thought taught the straight path to w* does gradient descent"
      " with the step eta n/(n+d+1).",
      "step size within 3 % of the prediction; " + _GD_WORDS,
      "as named",
      ("untrained", "rotated", "imitation"),
      {**_GD, "step_ratio": (0.97, 1.03)},
      False,
    ),
    "decoys-are-named": (
      "Every rule, and every student of a decoy, is named for what it is and"
      " none is called gradient descent.",
      "all seeds and all rules named rightly",
      "share named",
      (
        "imitation called gradient",
        "untrained called gradient",
        "heavy ball's student called momentum",
      ),
      {
        "named": (0.999, None),
        "called_gd": (None, 0.001),
        "diagonal": (0.999, None),
      },
      False,
    ),
    "untrained-is-not-gd": (
      "An untrained model does not do gradient descent.",
      "more than half of its intervened updates unexplained by one step size",
      "share of the update",
      ("imitation", "rotated"),
      {"unexplained": (0.5, None)},
      False,
    ),
    "outcome-is-gd": (
      "Trained on the answer alone, a chain of thought does gradient descent.",
      _GD_WORDS,
      "as named",
      ("imitation", "rotated", "untrained"),
      dict(_GD),
      False,
    ),
    "outcome-restricted-optimum": (
      "Outcome training of V_31 and W_13 alone finds the best shrunk form"
      " w - alpha S (beta w - w*), beta < 1.",
      "error at most 2 % above the recomputed optimum on the same tasks (below"
      " is possible: the matrices need not be multiples of I); at k = 2 alpha"
      " and beta within 3 %",
      "ratio to the optimum",
      ("best gradient descent", "untrained"),
      {"error": (0.9, 1.02), "alpha": (0.97, 1.03), "beta": (0.97, 1.03)},
      False,
    ),
    "maml-reaches-optimum": (
      "MAML finds the best step sizes.",
      "shared: step size and error within 1 % of the optimum recomputed from"
      " sampled spectra; per step: error within 2 %",
      "ratio to the optimum",
      (),
      {
        "shared_error": (0.99, 1.01),
        "shared_alpha": (0.99, 1.01),
        "per_step_error": (0.98, 1.02),
      },
      False,
    ),
    "maml-equals-imitation-cot": (
      "A chain of thought that imitates descent with MAML's step size is MAML.",
      "every iterate, intervention, prediction and sensitivity within 1 %",
      "relative squared distance",
      ("rotated against MAML", "untrained against MAML"),
      dict(_SAME),
      False,
    ),
    "maml-equals-outcome-cot": (
      "A chain of thought trained on the answer alone takes MAML's steps.",
      "every iterate within 1 %; the closest variant decides, each variant has"
      " its own row",
      "relative squared distance",
      ("untrained against MAML",),
      {"iterates": (None, 0.01)},
      False,
    ),
    "end-points-do-not-decide": (
      "At k = 2, per-step MAML and the restricted chain of thought reach the"
      " same w_2 by different w_1.",
      "w_2 within 1 %, w_1 apart by more than 5 %",
      "relative squared distance",
      ("shrunk MAML, w_1",),
      {"end_point": (None, 0.01), "first_step": (0.05, None)},
      False,
    ),
    "order-invariant": (
      "The trajectory does not depend on the order of the examples.",
      "relative squared change below 1e-6 when the examples are reversed",
      "relative squared change",
      ("other examples",),
      {"change": (None, 1e-6)},
      True,
    ),
    "tracks-gd-out-of-distribution": (
      "The imitating chain follows gradient descent out of distribution.",
      "relative squared distance to descent with its own step size below 1 %"
      " under every shift, over the tasks on which that descent is stable",
      "relative squared distance",
      ("rotated", "untrained"),
      {"tracking": (None, 0.01)},
      False,
    ),
    "longer-than-trained": (
      "The imitating chain goes on descending past its trained length.",
      "error within 10 % of gradient descent's at 2 and at 5 times the length",
      "ratio to gradient descent",
      ("rotated",),
      {"error": (0.9, 1.1)},
      False,
    ),
    "von-oswald-one-layer": (
      "One linear layer on the query-token prompt is one gradient step (von"
      " Oswald et al. 2023, Prop. 1).",
      "loss within 2 % of 0.206; interpolating trained and constructed weights"
      " raises the loss by less than 1 %; cosine of sensitivities above 0.99",
      "as named",
      ("zero predictor", "construction"),
      {
        "loss": (0.206 * 0.98, 0.206 * 1.02),
        "interpolation": (None, 0.01),
        "sensitivity": (None, 0.01),
      },
      False,
    ),
  }
  claims = ml_collections.ConfigDict()
  for id_, row in rows.items():
    claims[id_] = _claim(*row)
  return claims
