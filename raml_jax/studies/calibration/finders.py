"""Which numbers each claim of the study stands on.

Each function is `(results) -> iterator of (suffix of the id, (parts,
controls))`.
"""

from __future__ import annotations

import numpy as np

from raml_jax import statistics
from raml_jax.studies import claims

Results = dict[str, dict[str, np.ndarray]]
Part = statistics.Part
# The form of the path, and the yardstick that suits it: the gradient with the
# same right factor; the steepest way down that spares the question.
PAIRS = {"rank_one": "at_reads", "preserving": "constrained"}
YARDSTICKS = {form: (first, "full") for form, first in PAIRS.items()}
TAUGHT = ("gradient", "straight_path", "rotated")
CONTROLS = ("other_question", "shuffled_steps", "random_direction")
_OTHERS = ("straight_path", "rotated", "shrunk")


def instrument_calibrated(results: Results):
  """Exact rules and students of linear attention, in the space of w."""
  rules = results["linear/rules"]

  def rule(name, loss, what="cosine_S"):
    return rules[f"{name}/{loss}/{what}"]

  def student(name, loss, what="cosine_S"):
    return results[f"linear/{name}"][f"weights/{loss}/{what}"]

  straight_S = student("straight_path", "answer")
  parts = [
    *(
      Part("gap", f"rule of {name}", rules[f"{name}/gap_S"])
      for name in ("gradient", *_OTHERS)
    ),
    Part("answer_straight", "the path itself", rule("straight_path", "answer")),
    Part(
      "answer_straight_student",
      "student of the straight path",
      straight_S - rule("gradient_of_straight", "answer"),
    ),
    Part("answer_untrained", "untrained", student("untrained", "answer")),
  ]
  for where, find in (("rule", rule), ("student", student)):
    descent_S = find("gradient", "answer")
    parts += [
      Part("answer_descent", where, descent_S),
      Part("answer_rotated", where, find("rotated", "answer")),
      Part("support_rotated", where, find("rotated", "support")),
      *_descends(where, find, "gradient"),
      *(
        Part(
          "support_explained_less",
          f"{where} of {name}",
          find(name, "support", "explained_S"),
        )
        for name in _OTHERS
        # No student can walk the straight path.
        if (where, name) != ("student", "straight_path")
      ),
    ]
  parts += _descends("student of the straight path", student, "straight_path")
  controls = {name: rule(name, "answer") for name in CONTROLS}
  controls["untrained"] = student("untrained", "answer")
  yield "", (parts, controls)


def _descends(where, find, name) -> list[statistics.Part]:
  return [
    Part("support_cosine", where, find(name, "support")),
    Part("support_explained", where, find(name, "support", "explained_S")),
  ]


def decoder_path_exact(results: Results):
  """Every decoder, every prefix, in the precision of training."""
  parts = []
  for name in (*TAUGHT, "untrained"):
    found = results[f"decoder/{name}"]
    for form in PAIRS:
      parts.append(Part("exact", f"{name}, {form}", found[f"{form}/exact_S"]))
    parts.append(Part("moved", name, found["preserving/moved_S"]))
  moved_S = results["decoder/gradient"]["rank_one/moved_S"]
  yield "", (parts, {"question moved by rank_one": moved_S})


def _of_decoder(results, name, form, loss, what) -> np.ndarray:
  """Of all that moves; a stand-in is one for the decoder taught descent."""
  key = f"{form}/{PAIRS[form]}/{loss}/{what}_SxG"
  if name in ("other_question", "random_direction"):
    return results["decoder/gradient"][f"{name}/{key}"][:, -1]
  return results[f"decoder/{name}"][key][:, -1]


def decoder_descent_explained(results: Results):
  """Of the decoder taught gradient descent, along the support loss."""

  def share(name, form):
    return _of_decoder(results, name, form, "support", "explained")

  parts = [Part("explained", form, share("gradient", form)) for form in PAIRS]
  controls = {n: share(n, "preserving") for n in (*CONTROLS, "untrained")}
  chain = results["decoder/gradient"]["weights/support/explained_S"]
  controls["its chain in the space of w"] = chain
  yield "", (parts, controls)


def _ordered(loss: str, above: tuple[tuple[str, str], ...]) -> claims.Finder:
  """Mean cosines of all that moves, in both forms."""

  def find(results: Results):
    def cosine(name, form):
      return _of_decoder(results, name, form, loss, "cosine")

    parts = []
    for form in PAIRS:
      for high, low in above:
        difference_S = cosine(high, form) - cosine(low, form)
        where = f"{high} over {low}, {form}"
        parts.append(Part("difference", where, difference_S))
      parts.append(Part("untrained", form, cosine("untrained", form)))
    controls = {n: cosine(n, "preserving") for n in (*CONTROLS, "untrained")}
    yield "", (parts, controls)

  return find


def decoder_maml_descends(results: Results):
  """Errors on query pairs along the inner steps of training."""
  steps = _steps(results)
  zero_S = results["curves/descent"]["error_SxT"][:, 0]
  parts = []
  for order in ("second_order", "first_order"):
    error_SxT = results[f"maml/{order}"]["error_SxT"]
    for k in range(1, steps + 1):
      ratio_S = error_SxT[:, k] / error_SxT[:, k - 1]
      parts.append(Part("step", f"{order}, step {k}", ratio_S))
    parts.append(Part("last", order, error_SxT[:, steps] / zero_S))
  controls = {
    "untrained": results["maml/untrained"]["error_SxT"][:, steps] / zero_S,
    "chain taught descent": _chain(results)[:, steps] / zero_S,
  }
  yield "", (parts, controls)


def decoder_maml_equals_chain(results: Results):
  """Both at every step, on the same queries."""
  chain_SxT = _chain(results)
  steps = _steps(results)
  error_SxT = results["maml/second_order"]["error_SxT"]
  parts = [
    Part("ratio", f"step {k}", error_SxT[:, k] / chain_SxT[:, k])
    for k in range(1, steps + 1)
  ]
  last = {
    "untrained": results["maml/untrained"]["error_SxT"],
    "descent itself": results["curves/descent"]["error_SxT"],
  }
  controls = {
    name: values[:, steps] / chain_SxT[:, steps]
    for name, values in last.items()
  }
  yield "", (parts, controls)


def decoder_first_order_close(results: Results):
  """After the last step of training."""
  steps = _steps(results)
  second_S = results["maml/second_order"]["error_SxT"][:, steps]
  first_S = results["maml/first_order"]["error_SxT"][:, steps]
  controls = {
    "untrained": results["maml/untrained"]["error_SxT"][:, steps] / second_S,
    "chain taught descent": _chain(results)[:, steps] / second_S,
  }
  part = Part("ratio", f"step {steps}", first_S / second_S)
  yield "", ([part], controls)


def _chain(results) -> np.ndarray:
  return results["curves/gradient"]["error_SxT"]


def _steps(results) -> int:
  """As many as the chain has."""
  return _chain(results).shape[1] - 1


def _where(name: str, find: claims.Finder) -> claims.Finder:
  """The finder where there is a result of that name; else no parts."""

  def found(results: Results):
    yield from find(results) if name in results else [("", ([], {}))]

  return found


TABLE: dict[str, claims.Finder] = {
  "instrument-calibrated": _where("linear/rules", instrument_calibrated),
  "decoder-path-exact": _where("decoder/gradient", decoder_path_exact),
  "decoder-ordered-answer": _where(
    "decoder/gradient",
    _ordered(
      "answer", (("straight_path", "gradient"), ("gradient", "rotated"))
    ),
  ),
  "decoder-ordered-support": _where(
    "decoder/gradient",
    _ordered(
      "support", (("gradient", "straight_path"), ("gradient", "rotated"))
    ),
  ),
  "decoder-descent-explained": _where(
    "decoder/gradient", decoder_descent_explained
  ),
  "decoder-maml-descends": _where("curves/descent", decoder_maml_descends),
  "decoder-maml-equals-chain": _where(
    "curves/descent", decoder_maml_equals_chain
  ),
  "decoder-first-order-close": _where(
    "curves/descent", decoder_first_order_close
  ),
}
