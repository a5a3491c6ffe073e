"""From moments to numbers: cosines, shares, and what one step explains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from raml_jax.config import pseudo_gradient as config_lib
from raml_jax.config import pseudo_gradient_rows as rows_lib
from raml_jax.theory import alignment
from raml_jax.theory.implicit import rivals

Found = Mapping[str, np.ndarray]


def moments(
  found: Found, ways: Sequence[str], way: str, stand_in: str = ""
) -> alignment.Moments:
  """Leaves BxTxKxW, of the updates or of a stand-in for them.

  Args:
    found: of `conditions.measured`.
    ways: its yardsticks, in order.
    way: one of them.
    stand_in: of `rows_lib.STAND_INS`.
  """
  prefix = f"{stand_in}/" if stand_in else ""
  y = list(ways).index(way)
  slope = found["slope_YxBxTxKxW"]
  return alignment.Moments(
    np.float64(found[f"{prefix}update_BxTxKxW"]),
    np.float64(found[f"{prefix}both_YxBxTxKxW"][y]),
    np.float64(found.get(f"{prefix}slope_YxBxTxKxW", slope)[y]),
  )


def joint(m: alignment.Moments) -> alignment.Moments:
  """Of all blocks and matrices as one vector: leaves BxT."""
  return alignment.Moments(*(leaf.sum((-2, -1)) for leaf in m))


def of_blocks(m: alignment.Moments) -> alignment.Moments:
  """Of every block, its matrices as one vector: leaves BxTxK."""
  return alignment.Moments(*(leaf.sum(-1) for leaf in m))


def explained(m: alignment.Moments) -> tuple[float, float]:
  """(what one step size explains, that step size), held out.

  It is fitted on the even questions and scored on the odd ones.
  """
  fit = alignment.Moments(*(leaf[0::2] for leaf in m))
  score = alignment.Moments(*(leaf[1::2] for leaf in m))
  step = alignment.common_step(fit, _counts(fit))
  return alignment.explained(score, step, _counts(score)), step


def _counts(m):
  return np.isfinite(m.update) & np.isfinite(m.both) & (m.update > 0)


def numbers(m: alignment.Moments) -> dict[str, float]:
  """Of a sample with axes B and T."""
  held_out, step = explained(m)
  return {
    "cosine": float(np.nanmean(alignment.cosine(m))),
    "share": float(np.nanmean(alignment.share(m))),
    "explained": held_out,
    "step": step,
    # Tokens of one question add up.
    "descent": float(np.nansum(m.both, axis=1).mean()),
    "descending": float((m.both > 0).mean()),
  }


def by_label(values_BxT: np.ndarray, label_BxT: np.ndarray, count: int):
  """The mean of the values of every label: mean_R, NaN where there is none."""
  label_BxT = np.broadcast_to(label_BxT, values_BxT.shape)
  out = np.full(count, np.nan)
  for r in range(count):
    some = values_BxT[(label_BxT == r) & np.isfinite(values_BxT)]
    if some.size:
      out[r] = some.mean()
  return out


def rules(
  config: config_lib.Rivals, found: Found
) -> tuple[dict[str, float], dict[str, str]]:
  """What every rule explains of the updates, held out; how it was tuned.

  All numbers of a rule are fitted on the first half of the questions; the
  shrinkage of the preconditioner on the second quarter, the rest on the first.

  Args:
    config: what is tuned over.
    found: of `curves.seen`.
  """
  update_BxT = np.float64(found["update_T"])
  half = len(update_BxT) // 2
  cross, slopes = (
    np.float64(found[name]) for name in ("cross_TxT", "slopes_TxT")
  )

  def tried(both_BxT, square_BxT):
    """(explained of the half it is fitted on, of the other)."""
    m = alignment.Moments(update_BxT, *map(np.float64, (both_BxT, square_BxT)))
    fit = alignment.Moments(*(leaf[:half] for leaf in m))
    score = alignment.Moments(*(leaf[half:] for leaf in m))
    step = alignment.common_step(fit)
    return alignment.explained(fit, step), alignment.explained(score, step)

  def best(candidates):
    """The candidate that explains most of the half it is fitted on."""
    scored = [(*tried(*pair), text) for text, pair in candidates.items()]
    _, held_out, text = max(scored)
    return held_out, text

  out = {
    "sgd": best({"": rivals.momentum(cross, slopes, 0.0)}),
    "momentum": best(
      {
        f"decay {decay:g}": rivals.momentum(cross, slopes, decay)
        for decay in config.momentum
      }
    ),
    "adam": best(
      {
        f"b1 {b1:g}, b2 {b2:g}": (
          found["adam/both"][:, a],
          found["adam/square"][:, a],
        )
        for a, (b1, b2) in enumerate(config.adam)
      }
    ),
    **{
      name: best({"": (found[f"{name}/both"], found[f"{name}/square"])})
      for name in ("sign", "layer_local", "constrained")
    },
    "diagonal": _diagonal(config.shrinkage, found, update_BxT),
  }
  return (
    {name: out[name][0] for name in rows_lib.RULES},
    {name: out[name][1] for name in rows_lib.RULES},
  )


def _diagonal(shrinkages, found, update_BxT):
  """(explained, tuned): one step size for every coordinate, none negative."""
  product_QxN = np.float64(found["product_QxN"])
  square_QxN = np.float64(found["square_QxN"])
  energy_Q = update_BxT.reshape(4, -1).sum(1)

  def fitted(product_N, square_N, shrinkage):
    weight = shrinkage * square_N.mean()
    common = product_N.sum() / square_N.sum()
    below = square_N + weight
    step_N = (product_N + weight * common) / np.where(below > 0, below, 1.0)
    return np.maximum(step_N, 0.0)

  def scored(step_N, parts):
    product_N, square_N = product_QxN[parts].sum(0), square_QxN[parts].sum(0)
    gain = 2 * step_N @ product_N - step_N**2 @ square_N
    return gain / energy_Q[parts].sum()

  best = max(
    shrinkages,
    key=lambda s: scored(fitted(product_QxN[0], square_QxN[0], s), [1]),
  )
  step_N = fitted(product_QxN[:2].sum(0), square_QxN[:2].sum(0), best)
  return float(scored(step_N, [2, 3])), f"shrinkage {best:g}"
