"""Figures of the calibration study."""

from __future__ import annotations

import numpy as np

from raml_jax.config import calibration as config_lib
from raml_jax.plotting import calibration_decoders
from raml_jax.plotting import contestants
from raml_jax.plotting import figures
from raml_jax.plotting import style

Results = dict[str, dict[str, np.ndarray]]


@style.styled
def steps(results: Results, config: config_lib.Calibration):
  """Linear attention: cosine along the chain, exact, learned and controls."""
  if "linear" not in config.parts:
    return None
  fig = style.new(style.WIDE, 3.6)
  axes = fig.subplots(1, 2, sharey=True)
  found = results["linear/rules"]
  for i, (ax, loss) in enumerate(zip(axes, contestants.LOSSES)):
    style.letter(ax, i, f"against the {contestants.LOSSES[loss]}")
    for name in ("straight_path", "gradient", "shrunk", "rotated"):
      values_SxP = found[f"{name}/line/{loss}/cosine_SxP"]
      _line(
        ax, values_SxP, contestants.LOOKS[name]._replace(marker=""), "rule: "
      )
    for name in ("gradient", "straight_path", "rotated", "outcome"):
      values_SxP = results[f"linear/{name}"][f"weights/{loss}/cosine_SxP"]
      _line(
        ax, values_SxP, contestants.LOOKS[name]._replace(line=""), "student: "
      )
    for name in ("untrained", *contestants.CONTROLS):
      source, key = found, f"{name}/{loss}/cosine_SxP"
      if name == "untrained":
        source, key = results["linear/untrained"], f"weights/{loss}/cosine_SxP"
      _line(ax, source[key], contestants.LOOKS[name], "control: ")
    if loss == "answer":
      _expected(ax, config)
    ax.axhline(0.0, color=style.GREY, lw=0.5, zorder=0)
    ax.set(xlabel="token of the chain", ylim=(-0.45, 1.08))
    ax.xaxis.get_major_locator().set_params(integer=True)
  axes[0].set_ylabel("cosine of update and descent")
  style.legend(fig, axes, 3)
  return fig


def _line(ax, values_SxP, look, kind) -> None:
  mean, low, high = style.band(values_SxP)
  i = np.arange(1, len(mean) + 1)
  ax.plot(
    i,
    mean,
    color=look.color,
    marker=look.marker,
    ls=look.line,
    mfc="none",
    label=kind + look.label,
  )
  ax.fill_between(i, low, high, color=look.color, alpha=0.2)


def _expected(ax, config) -> None:
  """The band in which theory puts descent, over the chain's own steps."""
  claim = config.claims.get("instrument-calibrated")
  if claim is not None:
    low, high = claim.margins["answer_descent"]
    ax.fill_between(
      (1, config.linear.steps - 1),
      low,
      high,
      color=style.BLACK,
      alpha=0.15,
      label="predicted for descent",
    )


@style.styled
def explained(results: Results, config: config_lib.Calibration):
  """Linear attention: what one step size explains, in both spaces."""
  if "linear" not in config.parts:
    return None
  rows = _linear_rows(results)
  fig = style.new(style.WIDE, 3.8)
  axes = fig.subplots(1, 2, sharey=True, sharex=True)
  for i, (ax, loss) in enumerate(zip(axes, contestants.LOSSES)):
    style.letter(ax, i, f"one step along the {contestants.LOSSES[loss]}")
    for y, (_, name, weights, parameters) in enumerate(rows):
      look = contestants.LOOKS[name]
      contestants.dot(ax, weights(loss), y - 0.15, look)
      if parameters is not None:
        contestants.dot(ax, parameters(loss), y + 0.15, look, filled=False)
    ax.axvline(1.0, color=style.GREY, lw=0.6, ls="--", zorder=0)
    ax.axvline(0.0, color=style.GREY, lw=0.5, zorder=0)
    ax.set_xlabel("share explained by one step size")
    ax.set_yticks(range(len(rows)), [label for label, *_ in rows])
    ax.set_xlim(-0.15, 1.08)
  axes[0].invert_yaxis()
  contestants.legend(fig, axes[0], (("space of w", True), ("V_31", False)))
  return fig


def _linear_rows(results):
  """(label, name of its look, explained of a loss in w, in V_31 or None)."""
  rules = results["linear/rules"]

  def rule(name, space=""):
    return lambda loss: rules[f"{name}/{space}{loss}/explained_S"]

  def student(name, space):
    found = results[f"linear/{name}"]
    return lambda loss: found[f"{space}/{loss}/explained_S"]

  rows = [
    (f"rule: {contestants.LOOKS[n].label}", n, rule(n), rule(n, "parameters/"))
    for n in ("gradient", "straight_path", "shrunk", "rotated")
  ]
  rows += [
    (
      f"{'control' if n == 'untrained' else 'student'}:"
      f" {contestants.LOOKS[n].label}",
      n,
      student(n, "weights"),
      student(n, "parameters"),
    )
    for n in (
      "gradient",
      "straight_path",
      "shrunk",
      "rotated",
      "outcome",
      "untrained",
    )
  ]
  rows += [
    (f"control: {contestants.LOOKS[n].label}", n, rule(n), None)
    for n in contestants.CONTROLS
  ]
  return rows


TABLE = (
  figures.Figure(
    "1_linear_attention",
    steps,
    "Update of the token i of a chain against the direction of descent, in the"
    " space of w, which is also that of V_31. Lines: exact rules; open marks:"
    " what trained models write themselves; dotted: controls. Mean over tasks,"
    " then over seeds, with the 95 % t-interval. On the loss of the answer the"
    " straight path scores 1 and true descent does not; on the support loss it"
    " is the other way round.",
  ),
  figures.Figure(
    "2_one_step_size",
    explained,
    "What one step size, fitted on one half of the tasks, explains of all"
    " updates of the other half. In V_31 even exact descent is not explained:"
    " the smallest update of a matrix is scaled by 1 / |g|^2, another number"
    " for every question. Controls are updates of another origin against the"
    " slopes along exact descent. Values below the frame are not drawn.",
  ),
  figures.Figure(
    "3_decoder_cosine",
    calibration_decoders.of_decoders("cosine", "cosine"),
    "The softmax decoder through the functions that measure arithmetic: cosine"
    " of dM_i and -grad L at theta'_(i-1); first column: of the vectors in its"
    " chain. Rows of each panel: what the decoder was taught, and controls; the"
    " last two replace the updates of the decoder taught descent. 95 %"
    " t-intervals over seeds; what lies outside of the frame is not drawn.",
  ),
  figures.Figure(
    "4_decoder_explained",
    calibration_decoders.of_decoders("explained", "share explained"),
    "As Figure 3: what one step size explains of the updates of other tasks.",
  ),
  figures.Figure(
    "5_inner_steps_and_tokens",
    calibration_decoders.adaptation,
    "The same decoder, adapted by true inner steps on the support pairs, and"
    " writing a chain. Left: mean squared error on the same query pairs,"
    " geometric mean over seeds with its 95 % t-interval. Right: cosine of the"
    " change that an inner step makes to all predictions of a task with that of"
    " the chain's token, for the same task (solid) and for another (dotted).",
  ),
)
