"""MAML on trajectories: how alike two modes change states and parameters.

`draw` of every figure takes `(results, config)`.
"""

from __future__ import annotations

import numpy as np

from raml_jax.config import maml_vs_cot_arithmetic as config_lib
from raml_jax.plotting import crossings
from raml_jax.plotting import figures
from raml_jax.plotting import modes
from raml_jax.plotting import style

_SPACES = ("$W_1$ reads", "$W_1$ writes", "$W_2$ reads", "$W_2$ writes")
_LINES = 3  # shown
_CHANGED = ("own", "other", "random")


def _dots(ax, values_by_row, look, shift, label):
  """One mark a row, with its interval; rows of NaN are left out."""
  for y, values_S in enumerate(values_by_row):
    mean, low, high = style.band(np.asarray(values_S)[:, None])[:, 0]
    if not np.isfinite(mean):
      continue
    ax.errorbar(
      mean,
      y + shift,
      xerr=[[mean - low], [high - mean]],
      color=look.color,
      marker=look.marker,
      mfc="none" if look.marker != "o" else None,
      ls="",
      capsize=1.5,
      lw=0.9,
      label=label,
    )


def _rows(ax, names, labels) -> None:
  ax.set_yticks(range(len(names)), labels)
  ax.set_ylim(len(names) - 0.5, -0.5)
  ax.axvline(0, color=style.GREY, lw=0.6, zorder=0)


def _present(results) -> list[str]:
  return [name for name in crossings.ARMS if f"numbers/{name}" in results]


def _by_kind(ax, read, names) -> None:
  """Every kind of trajectory, the question's own one filled."""
  for j, (kind, look) in enumerate(crossings.KINDS.items()):
    shift = 0.11 * (j - (len(crossings.KINDS) - 1) / 2)
    _dots(ax, [read(name, kind) for name in names], look, shift, look.label)


@style.styled
def states(results: modes.Results, config: config_lib.Arithmetic):
  """Raw cosines of changes of the stream, per block and line."""
  names = _present(results)
  _, lines, blocks = modes.similarity(results, names[0], "stream").shape
  shown = modes.some(lines, _LINES)
  fig = style.new(style.WIDE, 1.2 + 0.21 * len(names) * len(shown))
  axes = fig.subplots(
    len(shown), blocks, squeeze=False, sharex=True, sharey=True
  )
  for i, (row, block) in enumerate(np.ndindex(axes.shape)):
    ax, line = axes[row, block], shown[row]
    after = f"after {config.inner.unit} {line + 1}"
    style.letter(ax, i, f"{after}, block {block + 1}")

    def read(name, kind, line=line, block=block):
      form = "both" if kind == "own" else "apart"
      return modes.similarity(results, name, "stream", kind, form)[
        :, line, block
      ]

    _by_kind(ax, read, names)
    _rows(ax, names, [crossings.ARMS[name] for name in names])
  for ax in axes[-1]:
    ax.set_xlabel("cosine of change in context and change by inner steps")
  style.legend(fig, axes.ravel(), 3)
  return fig


@style.styled
def cka(results: modes.Results, config: config_lib.Arithmetic):
  """CKA of every mode with the chain of thought in context."""
  found = results["cka"]
  rows = [name for name in found["names_N"] if name != "cot/context"]
  blocks = found["cka_SxLxKxNxN"].shape[2]
  fig = style.new(style.WIDE, 0.9 + 0.19 * len(rows))
  axes = fig.subplots(1, blocks, squeeze=False, sharey=True)[0]
  seeds = modes.cka(results, "cot/context", "cot/context", "across")
  margin = config.claims.get("maml-cot-interchangeable")
  for k, ax in enumerate(axes):
    style.letter(ax, k, f"after all lines, block {k + 1}")
    for what, look, label in (
      ("cka", style.Look(style.BLUE, "o", "", ""), "same questions"),
      ("floor", style.Look(style.GREY, "x", "", ""), "paired at random"),
    ):
      values = [modes.cka(results, name, "cot/context", what) for name in rows]
      _dots(ax, [v[:, k] for v in values], look, 0.0, label)
    ax.axvline(
      seeds[:, k].mean(),
      color=style.GREEN,
      ls="--",
      lw=0.9,
      label="chain of thought in two seeds",
    )
    if margin is not None:
      least = margin.margins["cka"][0]
      ax.axvline(
        least, color=style.BLACK, ls=":", lw=0.9, label="margin of the claim"
      )
    labels = [_mode(name) for name in rows]
    _rows(ax, rows, labels)
    ax.set(
      xlabel="CKA with the chain of thought in context", xlim=(-0.03, 1.03)
    )
  style.legend(fig, axes, 4)
  return fig


def _mode(name: str) -> str:
  arm, _, mode = name.partition("/")
  words = {"context": "in context", "inner": "inner steps"}
  return f"{crossings.ARMS[arm]}, {words[mode]}"


@style.styled
def published(results: modes.Results, config: config_lib.Arithmetic):
  """SimAOU, SimAM and Rec2FTP of every arm, with every trajectory."""
  names = _present(results)
  fig = style.new(style.WIDE, 1.0 + 0.36 * len(names))
  axes = fig.subplots(1, 3, sharey=True)

  def similar(what):
    def read(name, kind):
      form = "both" if kind == "own" else "apart"
      return modes.published(results, name, what, kind, form)

    return read

  def recall(name, kind):
    return results[f"numbers/{name}"][f"{kind}/rec2ftp_S"]

  for i, (ax, read, title) in enumerate(
    zip(
      axes,
      (similar("attention"), similar("scores"), recall),
      ("SimAOU", "SimAM$_\\Delta$", "Rec2FTP"),
    )
  ):
    style.letter(ax, i, title)
    _by_kind(ax, read, names)
    _rows(ax, names, [crossings.ARMS[name] for name in names])
  style.legend(fig, axes, 3)
  return fig


@style.styled
def changes(results: modes.Results, config: config_lib.Arithmetic):
  """What context implies and what inner steps do to the parameters."""
  names = [name for name in crossings.ARMS if f"changes/{name}" in results]
  if not names:
    return None
  first = results[f"changes/{names[0]}"]["cosine_SxJxKxN"]
  blocks = first.shape[-1]
  fig = style.new(style.WIDE, 4.6)
  axes = fig.subplots(2, blocks, squeeze=False)
  for n in range(blocks):
    style.letter(axes[0, n], n, f"block {n + 1}: cosine of changes, all lines")
    for j, kind in enumerate(_CHANGED):
      rows = [
        results[f"changes/{name}"]["cosine_SxJxKxN"][:, j, -1, n]
        for name in names
      ]
      look = crossings.KINDS[kind]
      _dots(axes[0, n], rows, look, 0.2 * (j - 1), look.label)
    labels = [crossings.ARMS[name] for name in names]
    _rows(axes[0, n], names, labels if n == 0 else [""] * len(names))
    style.letter(
      axes[1, n], blocks + n, f"block {n + 1}: largest principal cosine"
    )
    _principal(axes[1, n], results, names, n)
    axes[1, n].set_yticklabels(axes[1, n].get_yticklabels() if n == 0 else [])
  style.legend(fig, axes.ravel(), 4)
  return fig


def _principal(ax, results, names, n) -> None:
  """The smallest angle of each pair of spaces, first two arms that differ."""
  shown = [name for name in ("cot", "second_order") if name in names]
  rows = [(name, space) for name in shown for space in range(len(_SPACES))]
  drawn = style.Look(style.GREY, "+", "", "spaces drawn at random")
  looks = [*(crossings.KINDS[kind] for kind in _CHANGED), drawn]
  for j, look in enumerate(looks):
    values = [
      results[f"changes/{name}"]["angles_SxIxKxNx4xR"][:, j, -1, n, space, 0]
      for name, space in rows
    ]
    _dots(ax, values, look, 0.17 * (j - 1.5), look.label)
  short = {"cot": "CoT", "second_order": "MAML"}
  labels = [f"{short[name]}, {_SPACES[space]}" for name, space in rows]
  _rows(ax, rows, labels)
  ax.set_xlim(-0.03, 1.03)


TABLE = (
  figures.Figure(
    "3_states",
    states,
    "Raw cosine, within one model and in its own basis, of two changes of the"
    " read-outs' stream: its question's own trajectory in context, and inner"
    " steps on some trajectory. Means over questions and read-outs, with 95 %"
    " t-intervals over seeds. Inner steps on the head alone change no state.",
  ),
  figures.Figure(
    "4_cka",
    cka,
    "CKA, which does not depend on the basis, of changes of the stream: every"
    " mode of every arm beside the chain of thought in context. Crosses: the"
    " questions of one side paired at random. Dashed: the chain of thought in"
    " two training seeds, which is as alike as any two models may be asked to"
    " be.",
  ),
  figures.Figure(
    "5_published_metrics",
    published,
    "Published measures in raw form, after all lines: the question's own"
    " trajectory in context beside inner steps on some trajectory (FT). The"
    " untrained decoder and wrong trajectories are the controls. Rec2FTP of a"
    " wrong trajectory has it in context too.",
  ),
  figures.Figure(
    "6_parameters",
    changes,
    "Above: cosine, over W_1 and W_2 together, of the change of parameters that"
    " the question's own trajectory in context implies with the change that"
    " inner steps make on some trajectory. Below: cosine of the smallest"
    " principal angle between what the implied change reads or writes and the"
    " directions, as many, along which the other is largest. Chance is not 0:"
    " see the spaces drawn at random.",
  ),
)
