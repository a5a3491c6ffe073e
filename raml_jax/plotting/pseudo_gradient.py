"""Figures of the pseudo-gradient study."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from raml_jax.config import pseudo_gradient as config_lib
from raml_jax.config import pseudo_gradient_rows as rows_lib
from raml_jax.plotting import figures
from raml_jax.plotting import pseudo_gradient_curves as curves
from raml_jax.plotting import style

Results = Mapping[str, Mapping[str, np.ndarray]]


@style.styled
def heat_maps(results: Results, config: config_lib.PseudoGradient):
  """Figure 1: cosine by layer and token, under the tokens."""
  table, described = results["summary"], results["texts"]
  one = results[rows_lib.name("preserving", rows_lib.CORRECT, 0)]
  ways = ("full", "constrained")
  order = rows_lib.ways("preserving", rows_lib.CORRECT)
  pattern = curves.pattern(described)
  panels = [
    (
      "one question, first seed",
      None,
      curves.tokens(str(described["trajectory_B"][0])),
    )
  ]
  for row in ("correct", "other", "untrained"):
    words = f"{rows_lib.LABELS[row]}, mean"
    panels.append((words, row, pattern))
  fig = style.new(style.WIDE, 4.4)
  axes = fig.subplots(len(panels), len(ways), squeeze=False)
  for j, way in enumerate(ways):
    mean = {
      row: table[f"preserving/{row}/{way}/cosine_TxK"].mean(0).T
      for _, row, _ in panels
      if row is not None
    }
    most = max(np.abs(values).max() for values in mean.values())
    for i, (words, row, tokens) in enumerate(panels):
      ax = axes[i, j]
      if row is None:
        values_KxT = _cosine(one, order.index(way))[0].T
        limit = np.abs(values_KxT).max()
      else:
        values_KxT, limit = mean[row], most
      image = ax.imshow(
        values_KxT, cmap="RdBu", vmin=-limit, vmax=limit, aspect="auto"
      )
      fig.colorbar(image, ax=ax, pad=0.01, fraction=0.03)
      ax.set_xticks(range(len(tokens)), tokens, family="DejaVu Sans Mono")
      ax.set_yticks(range(len(values_KxT)), range(1, 1 + len(values_KxT)))
      ax.tick_params(length=0)
      ax.spines[:].set_visible(False)
      style.letter(ax, len(ways) * i + j, words)
      if j == 0:
        ax.set_ylabel("layer")
    axes[0, j].text(
      0.5,
      1.3,
      rows_lib.WAYS[way],
      transform=axes[0, j].transAxes,
      ha="center",
      weight="bold",
    )
  return fig


def _cosine(found, y: int) -> np.ndarray:
  """Of every block: cosine_BxTxK."""
  update, slope, both = (
    np.float64(values).sum(-1)
    for values in (
      found["update_BxTxKxW"],
      found["slope_YxBxTxKxW"][y],
      found["both_YxBxTxKxW"][y],
    )
  )
  return both / np.sqrt(np.maximum(update * slope, 1e-300))


_BY_PART = ("correct", "other", "other_trajectory", "wrong_digit", "filler")
_BY_PART += ("untrained", "direct", "random")


@style.styled
def parts(results: Results, config: config_lib.PseudoGradient):
  """Figure 3: shares by part of the scratchpad and by leak."""
  table = results["summary"]
  fig = style.new(style.WIDE, 4.6)
  axes = fig.subplots(2, 2, sharey="row", width_ratios=(5, 3))
  for i, way in enumerate(("full", "constrained")):
    for j, (axis, names) in enumerate(
      (("R", rows_lib.PARTS), ("F", rows_lib.PHASES))
    ):
      ax = axes[i, j]
      shown = None
      for k, row in enumerate(_BY_PART):
        values_SxR = table[f"preserving/{row}/{way}/share_{axis}"]
        shown = np.isfinite(values_SxR).all(0)
        mean, low, high = style.band(values_SxR[:, shown], log=True)
        at = np.arange(shown.sum()) + 0.09 * (k - len(_BY_PART) / 2)
        look = curves.LOOKS[row]
        ax.errorbar(
          at,
          mean,
          yerr=np.maximum(0, [mean - low, high - mean]),
          fmt=look.marker,
          color=look.color,
          elinewidth=0.8,
          label=look.label,
        )
      words = [name for name, some in zip(names, shown) if some]
      ax.set_xticks(
        range(len(words)), [w.replace(" the ", "\n") for w in words]
      )
      ax.set_yscale("log")
      what = "by part of the scratchpad" if axis == "R" else "by leak"
      style.letter(
        ax, 2 * i + j, f"{rows_lib.WAYS[way]}, {what}" if j == 0 else what
      )
    axes[i, 0].set_ylabel("mean cos²")
  style.legend(fig, axes.ravel(), 4)
  return fig


_KINDS = {
  ("preserving", "full"): style.Look(
    style.BLUE, "o", "", "whole answer, full gradient"
  ),
  ("preserving", "constrained"): style.Look(
    style.VERMILLION, "D", "", "whole answer, gradient that spares the question"
  ),
  ("rank_one", "full"): style.Look(
    style.GREEN, "^", "", "first token alone, full gradient"
  ),
}
_QUANTITIES = {
  "cosine": "mean cosine",
  "share": "mean cos²",
  "explained": "explained by one step size,\nheld out",
}


@style.styled
def controls(results: Results, config: config_lib.PseudoGradient):
  """Figure 4: everything that was measured, and all controls."""
  table = results["summary"]
  names = list(rows_lib.LABELS)
  fig = style.new(style.WIDE, 4.4)
  axes = fig.subplots(1, len(_QUANTITIES), sharey=True)
  for i, (ax, (quantity, words)) in enumerate(zip(axes, _QUANTITIES.items())):
    for k, ((form, way), look) in enumerate(_KINDS.items()):
      values_SxN = np.stack(
        [table[f"{form}/{name}/{way}/{quantity}"] for name in names], axis=1
      )
      mean, low, high = style.band(values_SxN, log=quantity == "share")
      ax.errorbar(
        mean,
        np.arange(len(names)) + 0.22 * (k - 1),
        xerr=np.maximum(0, [mean - low, high - mean]),
        fmt=look.marker,
        color=look.color,
        mfc="none",
        elinewidth=0.8,
        label=look.label,
      )
    if quantity == "share":
      ax.set_xscale("log")
    else:
      ax.axvline(0, color=style.BLACK, lw=0.6)
    if quantity == "explained":
      ax.set_xscale("symlog", linthresh=1e-5)
      ax.tick_params("x", rotation=60)
    for row in range(len(names) - 1):
      ax.axhline(row + 0.5, color="#D0D0D0", lw=0.4)
    style.letter(ax, i, words)
    ax.tick_params("y", length=0)
  spec = config.claims.get("tokens-are-gradient-steps")
  if spec is not None:
    for ax, quantity in zip(axes[1:], ("share", "explained")):
      ax.axvline(spec.margins[quantity][0], color=style.GREY, lw=0.8, ls="--")
  axes[0].set_yticks(range(len(names)), [rows_lib.LABELS[n] for n in names])
  axes[0].set_ylim(len(names) - 0.5, -0.5)
  style.legend(fig, axes, 3)
  return fig


TABLE = (
  figures.Figure(
    "1_heat_maps",
    heat_maps,
    "Cosine of every token's update with the descent direction, layer by layer,"
    " under the tokens themselves (n: a number of the question, d: a digit, c:"
    " a carry). Means are over questions and seeds; the three of a column share"
    " a scale.",
  ),
  figures.Figure(
    "2_losses",
    curves.losses,
    "Loss of the answer for the question alone. (a) With the parameters of the"
    " path, after so many tokens of what is read; by construction it is the"
    " loss with these tokens in context. (b) After as many steps of true"
    " gradient descent on the same matrices: its step tuned on other questions,"
    " or as long as the path's own updates. Mean over questions; bands: 95 %"
    " t-interval over seeds.",
  ),
  figures.Figure(
    "3_parts",
    parts,
    "Share of an update's energy along the descent direction, by the part that"
    " its token plays, and before and after the answer's digits are stated."
    " Geometric mean over seeds with 95 % t-interval.",
  ),
  figures.Figure(
    "4_controls",
    controls,
    "All that was measured beside the correct trajectory. Means over seeds with"
    " 95 % t-interval; of cos² geometric ones. Dashed: the margin by which the"
    " correct trajectory would have to be above its matched controls.",
  ),
  figures.Figure(
    "5_constructions",
    curves.constructions,
    "(a) What RaML's construction of one attention layer gives for one token,"
    " and its repairs; errors below 1e-9 are drawn there. (b) The parameter"
    " paths of the whole decoder, worst question; dashed: the bound of the"
    " claim.",
  ),
  figures.Figure(
    "6_optimizers",
    curves.optimizers,
    "What every update rule explains of the path's updates, with its own"
    " numbers fitted on half of the questions and scored on the other. Mean"
    " over seeds with 95 % t-interval; dots: seeds.",
  ),
)
