"""Which numbers each claim of the study stands on.

Each function is `(config, results) -> iterator of (suffix of the id, (parts,
controls))`; no parts where its arms were not asked for.
"""

from __future__ import annotations

import numpy as np

from raml_jax import statistics
from raml_jax.config import maml_vs_cot_arithmetic as config_lib
from raml_jax.plotting import modes
from raml_jax.studies import claims

Results = modes.Results


def interchangeable(config: config_lib.Arithmetic, results: Results):
  """Each MAML by its inner steps, beside the chain of thought in context."""
  cot_SxP = modes.loss(results, "cot", "context")
  last = cot_SxP.shape[1] - 1
  where = f"all {last} lines"
  for name in modes.trained(config):
    loss_SxP = modes.loss(results, name, "inner")
    parts = [
      statistics.Part("loss", f"line {k}", loss_SxP[:, k] - cot_SxP[:, k])
      for k in range(1, last + 1)
    ]
    gap_S = (
      modes.right(results, name, "inner")
      - modes.right(results, "cot", "context")
    )[:, last]
    parts.append(statistics.Part("accuracy", where, gap_S))
    cka_SxK = modes.cka(results, f"{name}/inner", "cot/context")
    parts += [
      statistics.Part("cka", f"{where}, block {k}", cka_S)
      for k, cka_S in enumerate(cka_SxK.T, start=1)
    ]
    yield f"/{name}", (parts, _limits(results, name, cot_SxP[:, last]))


def _limits(results, name, cot_S) -> dict[str, np.ndarray]:
  """What no and what full interchangeability would look like."""
  out = {}
  for other in ("direct", "untrained"):
    if f"numbers/{other}" in results:
      loss_S = modes.loss(results, other, "context")[:, 0]
      out[f"loss, {other} without a trajectory"] = loss_S - cot_S
  own, other = f"{name}/inner", "cot/context"
  out["CKA, questions paired at random"] = modes.cka(
    results, own, other, "floor"
  ).mean(1)
  out["CKA, two seeds of the chain of thought"] = modes.cka(
    results, other, other, "across"
  ).mean(1)
  return out


def crossings(config: config_lib.Arithmetic, results: Results):
  """Each model in the mode that it was not trained in, beside its own."""
  for name in ("cot", *modes.trained(config)):
    own, other = ("context", "inner")[:: 1 if name == "cot" else -1]
    base_S = modes.loss(results, name, own)[:, -1]

    def excess(kind, name=name, other=other, base_S=base_S):
      return modes.loss(results, name, other, kind)[:, -1] - base_S

    words = {"context": "in context", "inner": "by inner steps"}
    part = statistics.Part("loss", f"{name} {words[other]}", excess("own"))
    controls = {
      "no trajectory": modes.loss(results, name, own)[:, 0] - base_S,
      "another question's": excess("other"),
      "random tokens": excess("random"),
    }
    yield f"/{name}", ([part], controls)


def simaou_above_controls(config: config_lib.Arithmetic, results: Results):
  """SimAOU of each trained model, less that of every control."""
  for name in ("cot", *modes.trained(config)):
    own_S = modes.published(results, name, "attention")
    # Inner steps on the head alone change no state.
    if not np.isfinite(own_S).all():
      continue
    controls = {
      "untrained": modes.published(results, "untrained", "attention"),
      "another question's trajectory": modes.published(
        results, name, "attention", "other", "apart"
      ),
      "random tokens": modes.published(
        results, name, "attention", "random", "apart"
      ),
    }
    parts = [
      statistics.Part("above", f"over {control}", own_S - value_S)
      for control, value_S in controls.items()
    ]
    controls["embeddings only"] = modes.published(
      results, "embeddings", "attention"
    )
    controls["SimAOU itself"] = own_S
    yield f"/{name}", (parts, controls)


TABLE: dict[str, claims.Finder] = {
  "maml-cot-interchangeable": interchangeable,
  "crossings": crossings,
  "simaou-above-controls": simaou_above_controls,
}
IDS = tuple(TABLE)
