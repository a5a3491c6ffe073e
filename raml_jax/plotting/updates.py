"""Updates as points: against MAML's, and against the true gradient's."""

from __future__ import annotations

import numpy as np

from raml_jax.config import maml_vs_cot as config_lib
from raml_jax.plotting import style

Results = dict[str, dict[str, np.ndarray]]
CONTROLS = ("untrained", "rotated", "preconditioned", "shrunk", "heavy_ball")
_COLUMNS = 6


def contestants(results: Results, arm: str) -> dict[str, dict]:
  """Everyone measured in the arm, by name, as they are listed in `style`."""
  found = {
    name.removeprefix(f"{arm}/"): {k: _finite(v) for k, v in arrays.items()}
    for name, arrays in results.items()
    if name.startswith(f"{arm}/") and "update_PxTxD" in arrays
  }
  return {name: found[name] for name in sorted(found, key=style.rank)}


def _finite(array: np.ndarray) -> np.ndarray:
  """What diverged to infinity or NaN becomes huge, to be drawn clipped."""
  if array.dtype.kind != "f":
    return array
  return np.nan_to_num(np.float64(array), nan=1e30, posinf=1e30, neginf=-1e30)


def _places(found, config) -> list[tuple[str, int]]:
  """(title, place): own steps, and the intervention nearest to scale 1.

  Of many steps as many as fit beside it, the first and the last included.
  """
  k = found["eta_SxK"].shape[1]
  own = np.linspace(0, k - 1, min(k, _COLUMNS - 1)).round().astype(int)
  distance = np.abs(np.log(config.measure.scales))
  fresh = int(distance.argmin())
  return [
    *((f"step {t + 1}", int(t)) for t in own),
    (r"same $w'$", fresh - 2 * len(config.measure.scales)),
  ]


def _groups(config, who) -> list[tuple[str, int, list[str]]]:
  """(MAML, K, chains): the comparisons of the headline."""
  out = []
  for k in config.outcome.steps:
    for variant in ("shared", "per_step"):
      maml = f"maml_{variant}_k{k}"
      chains = [f"outcome_restricted_k{k}", f"outcome_full_k{k}"]
      if variant == "shared" and k == config.decoys.steps:
        chains.append("imitation_maml")
      chains = [name for name in chains if name in who]
      if maml in who and chains:
        out.append((maml, k, chains))
  return out


@style.styled
def headline(results: Results, config: config_lib.MamlVsCot, arm: str):
  """Figure 0: components of MAML's updates against those of each chain."""
  who = contestants(results, arm)
  groups = _groups(config, who)
  if not groups:
    return None
  cells, row, column = [], 0, 0
  for maml, k, chains in groups:
    places = _places(who[maml], config)
    if column and column + len(places) > _COLUMNS:
      row, column = row + 1, 0
    for title, place in places:
      title = f"{_variant(maml)}, k = {k},\n{title}"
      cells.append((row, column, title, maml, place, chains))
      column += 1
  rows = row + 1
  fig = style.new(style.WIDE, 1.45 * rows + 0.65)
  grid = fig.add_gridspec(rows, _COLUMNS)
  axes = []
  for row, column, title, maml, place, chains in cells:
    ax = fig.add_subplot(grid[row, column])
    _panel(ax, maml, place, chains, who, _margin(config))
    ax.set_title(title)
    if column == 0:
      ax.set_ylabel("CoT's update")
    if row == rows - 1:
      ax.set_xlabel("MAML's update")
    axes.append(ax)
  style.legend(fig, axes, 4)
  return fig


def _variant(maml: str) -> str:
  return style.look(maml).label.removeprefix("MAML, ")


def _margin(config) -> float | None:
  spec = config.claims.get("maml-equals-imitation-cot")
  return spec and spec.margins["iterates"][1]


def _panel(ax, maml, place, chains, who, margin):
  x = who[maml]["update_PxTxD"][:, place].ravel()
  y = {
    name: who[name]["update_PxTxD"][:, place].ravel()
    for name in (*CONTROLS, *chains)
    if name in who and place < who[name]["eta_SxK"].shape[1]
  }
  main = np.concatenate([y[name] for name in chains])
  widest = max(np.abs(x).max(), 1e-6)
  usual = np.quantile(np.abs(main), 0.98)
  limit = 1.15 * np.clip(usual, widest, 1.5 * widest)
  if margin is not None:
    half = np.sqrt(margin * np.mean(x**2))
    line = np.array([-limit, limit])
    ax.fill_between(
      line,
      line - half,
      line + half,
      color=style.BLACK,
      alpha=0.3,
      zorder=3,
      label=f"margin: {100 * margin:g} % of the squared length",
    )
  ax.axline(
    (0, 0),
    slope=1,
    color=style.BLACK,
    lw=0.5,
    zorder=3,
    label="identity: the same update",
  )
  for name, y_ in y.items():
    look, control = style.look(name), name in CONTROLS
    ax.plot(
      x,
      y_.clip(-limit, limit),
      look.marker,
      color=look.color,
      ms=2.2 if control else 2.6,
      mew=0.5,
      mfc="none",
      alpha=0.55 if control else 0.9,
      label=look.label,
      clip_on=False,
      in_layout=False,
    )
  for i, name in enumerate(chains):
    ax.text(
      0.03,
      0.99 - 0.14 * i,
      style.number(np.sum((y[name] - x) ** 2) / np.sum(x**2)),
      color=style.look(name).color,
      transform=ax.transAxes,
      in_layout=False,
      va="top",
      bbox={"facecolor": "white", "alpha": 0.75, "pad": 0.6},
    )
  ax.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
  tick = _round_number(0.75 * limit)
  labels = [f"{t:g}" for t in (-tick, 0, tick)]
  ax.set_xticks([-tick, 0, tick], labels)
  ax.set_yticks([-tick, 0, tick], labels)


def _round_number(most: float) -> float:
  """The largest 1, 2 or 5 times a power of ten that is at most `most`."""
  power = 10.0 ** np.floor(np.log10(most))
  return max(m * power for m in (1, 2, 5) if m * power <= 1.0001 * most)


_SCALES = (style.GREEN, style.BLUE, style.VERMILLION, style.ORANGE, style.SKY)


@style.styled
def interventions(results: Results, config: config_lib.MamlVsCot, arm: str):
  """Figure 3: updates at tokens set by hand, against one gradient step."""
  who = contestants(results, arm)
  names = [
    "imitation",
    "straight_path",
    *(f"outcome_restricted_k{k}" for k in config.outcome.steps),
    *(f"outcome_full_k{k}" for k in config.outcome.steps),
    *CONTROLS,
    "gradient_descent",
  ]
  names = [name for name in names if name in who]
  if not names:
    return None
  columns = 4
  rows = -(-len(names) // columns)
  fig = style.new(style.WIDE, 1.75 * rows + 0.4)
  axes = fig.subplots(rows, columns, squeeze=False).ravel()
  for ax in axes[len(names) :]:
    ax.set_visible(False)
  for i, (ax, name) in enumerate(zip(axes, names)):
    _intervened(ax, who[name], config.measure.scales)
    ax.set_title(style.label(name))
    if i % columns == 0:
      ax.set_ylabel("update")
    if i >= len(names) - columns:
      ax.set_xlabel(r"$-\eta\,\nabla L(w')$, fitted $\eta$")
  style.legend(fig, axes[: len(names)], 4)
  return fig


def _intervened(ax, found, scales):
  steps = found["eta_SxK"].shape[1]
  count = len(scales)
  x_PxTxD = float(found["eta_S"][0]) * found["descent_PxTxD"]
  y_PxTxD = found["update_PxTxD"]
  shown = slice(steps, None)
  widest = max(
    np.abs(x_PxTxD[:, shown]).max(),
    0.1 * np.abs(found["descent_PxTxD"][:, shown]).max(),
  )
  usual = np.quantile(np.abs(y_PxTxD[:, shown]), 0.99)
  limit = 1.1 * np.clip(usual, widest, 3 * widest)
  for h, (history, filled) in enumerate((("fresh", False), ("real", True))):
    for i in reversed(range(count)):
      place = steps + h * count + i
      color = _SCALES[i % len(_SCALES)]
      ax.plot(
        x_PxTxD[:, place].ravel(),
        y_PxTxD[:, place].ravel().clip(-limit, limit),
        "." if filled else "o",
        color=color,
        ms=2.0 if filled else 3.0,
        mfc=color if filled else "none",
        mew=0.4,
        alpha=0.8,
        label=f"scale {scales[i]:g}, {history} history",
        clip_on=False,
        in_layout=False,
      )
  ax.axline(
    (0, 0),
    slope=1,
    color=style.BLACK,
    lw=0.7,
    ls="--",
    label=r"fit, one $\eta$",
  )
  a, b = found["a_S"].mean(), found["b_S"].mean()
  share = max(0.0, found["unexplained_S"].mean())
  ax.text(
    0.03,
    1.0,
    f"a = {a:.3f}, b = {b:.3f}\nunexplained {style.number(100 * share)} %",
    transform=ax.transAxes,
    in_layout=False,
    va="top",
    bbox={"facecolor": "white", "alpha": 0.75, "pad": 0.8},
  )
  ax.set(xlim=(-limit, limit), ylim=(-limit, 1.5 * limit))
  ax.locator_params(nbins=5)
