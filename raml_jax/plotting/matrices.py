"""Matrices: learned weights, names given, shares left unexplained."""

from __future__ import annotations

import numpy as np

from raml_jax.config import maml_vs_cot as config_lib
from raml_jax.plotting import style
from raml_jax.plotting import updates

NOBODY = "none of them"
_WEIGHTS = ("imitation", "straight_path", "rotated")


def _diverging():
  from matplotlib import colors

  return colors.LinearSegmentedColormap.from_list(
    "blue to vermillion", [style.BLUE, "#FFFFFF", style.VERMILLION]
  )


@style.styled
def weights(results: updates.Results, config: config_lib.MamlVsCot, arm: str):
  """Figure 4: V and W beside those of the construction, first seed.

  V s and W / s make the same model: s is such that W_24 = -1, as there.
  """
  found = results.get(f"{arm}/weights", {})
  names = [
    *_WEIGHTS,
    *(f"outcome_restricted_k{k}" for k in config.outcome.steps),
    *(f"outcome_full_k{k}" for k in config.outcome.steps),
  ]
  names = [name for name in names if f"{name}/V" in found]
  if not names or config.model.layers != 1:
    return None
  d = config.task.d
  columns = [("construction", *_construction(d, config.imitation.eta))]
  for name in names:
    v_FxF, w_FxF = found[f"{name}/V"][0], found[f"{name}/W"][0]
    s = _scale(w_FxF[d, -1])
    title = style.label(name).replace("outcome, ", "outcome,\n")
    title = title.replace("student of ", "student of\n")
    columns.append((title, v_FxF * s, w_FxF / s))
  fig = style.new(style.WIDE, 2.3)
  axes = fig.subplots(2, len(columns), squeeze=False)
  for row, (matrix, limit) in enumerate((("V", 0.6), ("W", 1.0))):
    for column, entry in enumerate(columns):
      ax = axes[row, column]
      image = ax.imshow(
        entry[1 + row], cmap=_diverging(), vmin=-limit, vmax=limit
      )
      _blocks(ax, d)
      if row == 0:
        ax.set_title(entry[0])
      if column == 0:
        ax.set_ylabel(matrix)
    bar = fig.colorbar(image, ax=axes[row], extend="both", pad=0.01, aspect=14)
    bar.set_label(f"entry of {matrix}")
    bar.outline.set_linewidth(0.4)
  return fig


def _construction(d: int, eta: float):
  """V and W of gradient descent; see `models.attention.construction`."""
  w_rows = slice(d + 1, 2 * d + 1)
  v_FxF = np.zeros((2 * d + 2, 2 * d + 2))
  w_FxF = np.zeros_like(v_FxF)
  v_FxF[w_rows, :d] = -eta * np.eye(d)
  w_FxF[:d, w_rows] = np.eye(d)
  w_FxF[d, -1] = -1.0
  return v_FxF, w_FxF


def _scale(w_24: float) -> float:
  return -w_24 if abs(w_24) > 1e-3 else 1.0


def _blocks(ax, d: int) -> None:
  """Borders and names of the rows x | y | w | 1 of a token."""
  edges = np.array([0, d, d + 1, 2 * d + 1, 2 * d + 2]) - 0.5
  for edge in edges[1:-1]:
    ax.axhline(edge, color=style.BLACK, lw=0.3)
    ax.axvline(edge, color=style.BLACK, lw=0.3)
  centres = (edges[1:] + edges[:-1]) / 2
  for axis in (ax.xaxis, ax.yaxis):
    axis.set_ticks(centres, ["x", "y", "w", "1"])
    axis.set_tick_params(length=0, pad=1.5)
  for side in ax.spines.values():
    side.set_visible(True)


def _tables(results, arm) -> list[tuple[str, dict[str, dict]]]:
  """(title, rows): the rules run as reasoners, then everyone trained."""
  rules = {}
  for name, array in results.get(f"{arm}/rules", {}).items():
    rule, quantity = name.split("/")
    rules.setdefault(style.RULES.get(rule, rule), {})[quantity] = array
  trained = {
    style.label(name): found
    for name, found in updates.contestants(results, arm).items()
  }
  tables = [("rule, run as a reasoner", rules), ("trained", trained)]
  return [(title, rows) for title, rows in tables if rows]


@style.styled
def confusion(results: updates.Results, config: config_lib.MamlVsCot, arm: str):
  """Figure 5a: which rule everyone is taken for, share of seeds."""
  del config
  tables = _tables(results, arm)
  if not tables:
    return None
  longest = max(len(rows) for _, rows in tables)
  fig = style.new(style.WIDE, 0.135 * longest + 1.1)
  axes = fig.subplots(1, len(tables), squeeze=False)[0]
  columns = [*style.RULES, NOBODY]
  for i, (ax, (title, rows)) in enumerate(zip(axes, tables)):
    shares = np.array(
      [
        [np.mean(found["named_S"] == name) for name in columns]
        for found in rows.values()
      ]
    )
    ax.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.1, aspect="auto")
    for (y, x), share in np.ndenumerate(shares):
      if share:
        text = f"{share:.2g}".removeprefix("0")
        _cell(ax, x, y, text, "white" if share > 0.5 else "black")
    _grid(ax, rows, [*style.RULES.values(), "none"])
    style.letter(ax, i, title)
    ax.set_xlabel("named")
  return fig


@style.styled
def unexplained(
  results: updates.Results, config: config_lib.MamlVsCot, arm: str
):
  """Figure 5b: share of the update that each rival leaves unexplained."""
  del config
  tables = _tables(results, arm)
  if not tables:
    return None
  from matplotlib import colors

  heights = [len(rows) for _, rows in tables]
  fig = style.new(style.WIDE, 0.155 * sum(heights) + 0.6 + 0.5 * len(heights))
  axes = fig.subplots(
    len(tables), 1, squeeze=False, gridspec_kw={"height_ratios": heights}
  )[:, 0]
  norm = colors.LogNorm(1e-4, 1.0)
  for i, (ax, (title, rows)) in enumerate(zip(axes, tables)):
    shares = np.array(
      [np.median(found["rivals_SxR"], axis=0) for found in rows.values()]
    ).clip(1e-12)
    image = ax.imshow(shares, cmap="cividis", norm=norm, aspect="auto")
    for (y, x), share in np.ndenumerate(shares):
      text = style.number(share) if share < 1e3 else ">999"
      text = text if share > 1e-6 else "0"
      _cell(ax, x, y, text, "white" if share < 0.02 else "black")
    _grid(ax, rows, style.RULES.values())
    style.letter(ax, i, title)
  bar = fig.colorbar(image, ax=axes, extend="both", pad=0.01, aspect=40)
  bar.set_label("unexplained share of the update")
  return fig


def _cell(ax, x, y, text, color) -> None:
  # Kept out of the layout, which would measure hundreds of them.
  ax.text(
    x,
    y,
    text,
    ha="center",
    va="center_baseline",
    color=color,
    in_layout=False,
  )


def _grid(ax, rows, columns) -> None:
  ax.set_yticks(range(len(rows)), list(rows))
  ax.set_xticks(
    range(len(columns)),
    list(columns),
    rotation=40,
    ha="right",
    rotation_mode="anchor",
  )
  ax.set_xticks(np.arange(1, len(columns)) - 0.5, minor=True)
  ax.set_yticks(np.arange(1, len(rows)) - 0.5, minor=True)
  ax.grid(which="minor", color="#D0D0D0", lw=0.3)
  ax.tick_params(which="both", length=0, pad=2)
  for side in ax.spines.values():
    side.set_visible(True)
