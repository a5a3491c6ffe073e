"""The report on the instrument, and on what it rests on."""

from __future__ import annotations

import numpy as np

from raml_jax.config import pseudo_gradient_rows as rows_lib
from raml_jax.studies import tables


def stacked(config, results, group, what, key, of) -> np.ndarray:
  """`of` each seed's array."""
  return np.array(
    [
      of(results[rows_lib.name(group, what, s)][key])
      for s in range(config.seeds)
    ]
  )


def calibration(claims) -> list[str]:
  """What planted updates and models known to descend say of the numbers."""
  verdicts = {claim["id"]: claim["verdict"] for claim in claims}
  planted = verdicts.get("instrument-calibrated", "not decided")
  return [
    f"Updates planted along, across and against descent: {planted},"
    " numbers under the claims. Models that are known to descend are measured"
    " by the same functions in `python -m experiments.calibration`; two of its"
    " findings bound what a small number here can mean. Exact descent in"
    " weight space is not fully explained by one step size, because an update"
    " of minimum norm is divided by what it reads. And a softmax decoder whose"
    " chain is descent in the space of its task has a small cosine, and hardly"
    " anything explained, in its own matrices. So a share below the margin"
    " says that tokens are no steps of descent on these matrices; it does not"
    " say that the model computes nothing of the kind in other coordinates.",
    "",
  ]


def exactness(config, results) -> list[str]:
  """How far the paths are from doing what they should."""
  rows = []
  for form in ("preserving", "rank_one", "value"):
    for who in ("trained", "untrained"):
      for dtype in ("float32", "float64"):

        def worst(key, form=form, who=who, dtype=dtype):
          values_S = stacked(
            config, results, "exact", f"{who}/{dtype}", f"{form}/{key}", np.max
          )
          return tables.number(values_S.max())

        rows.append(
          [
            form,
            who,
            dtype,
            worst("logits_BxP"),
            worst("streams_BxPxK"),
            worst("question_BxP"),
          ]
        )
  return tables.table(
    (
      "form",
      "model",
      "computed in",
      "read-outs, worst",
      "streams after any layer, worst",
      "the question's own tokens, worst",
    ),
    rows,
  )


def identity(config, results) -> list[str]:
  """Where the first form is parallel to a gradient, and where not."""

  def values(key, of):
    return stacked(config, results, "probes", "identity", key, of)

  plain_SxK = values("plain_BxTxK", lambda a: np.nanmean(np.abs(a), (0, 1)))
  worst_SxK = values("plain_BxTxK", lambda a: np.nanmax(np.abs(a), (0, 1)))
  hybrid_SxK = values("hybrid_BxTxK", lambda a: np.nanmax(np.abs(a), (0, 1)))
  cosine_SxK = values("cosine_BxTxK", lambda a: np.nanmean(np.abs(a), (0, 1)))
  rebuilt_SxK = values("rebuilt_BxK", lambda a: a.mean(0))
  return [
    "",
    "The identity cos(dW_1, -grad W_1) = cos(W_1 dz, -delta), rank-one form,"
    " first token of the answer, gradient through the read-out alone. It must"
    " hold in the first layer, and above it only at the hybrid point, where"
    " the layers below are those of theta'_i and the layer itself is that of"
    " theta. Last column: how far the path that is built from each"
    " theta'_(i-1), instead of from theta, ends from this one.",
    *tables.table(
      (
        "layer",
        "difference, mean",
        "difference, worst",
        "the cosine itself, mean size",
        "difference at the hybrid point, worst",
        "the other path, relative distance",
      ),
      [
        [
          str(k + 1),
          *(
            tables.cell(values_SxK[:, k])
            for values_SxK in (
              plain_SxK,
              worst_SxK,
              cosine_SxK,
              hybrid_SxK,
              rebuilt_SxK,
            )
          ),
        ]
        for k in range(plain_SxK.shape[1])
      ],
    ),
  ]


_BINS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1)


def proposition(config, results) -> list[str]:
  """The published construction, by |l| / d."""
  found = [
    results[rows_lib.name("probes", "published", s)]
    for s in range(config.seeds)
  ]
  ratio = np.stack([f["length_BxTxK"] for f in found]) / config.model.width
  names = ("residual", "unchanged", "literal", "repaired", "exact")
  values = {n: np.stack([f[f"{n}_BxTxK"] for f in found]) for n in names}
  rows = []
  for low, high in zip(_BINS, _BINS[1:]):
    inside = (ratio >= low) & (ratio < high)
    if inside.any():
      medians = (np.nanmedian(values[name][inside]) for name in names)
      rows.append([f"{low:g} to {high:g}", *map(tables.number, medians)])
  return [
    "",
    "RaML's proposition 2.1 for one token t after |l| others, layers and seeds"
    " together: median relative error of what attention gives. Its repair is"
    " exact only where t lies in the span of the tokens before it.",
    *tables.table(
      (
        "|l| / d".replace("|", "\\|"),
        "t outside the span",
        "nothing done",
        "as published",
        "repaired",
        "exact rank-one value form",
      ),
      rows,
    ),
  ]
