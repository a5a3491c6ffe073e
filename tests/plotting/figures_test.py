"""Every figure shows what it promises, with all its controls."""

import dataclasses

from matplotlib import text
import numpy as np
import pytest

from raml_jax.plotting import curves
from raml_jax.plotting import maml_vs_cot as figures
from raml_jax.plotting import matrices
from raml_jax.plotting import style
from raml_jax.plotting import updates
from raml_jax.theory import fitting
from raml_jax.theory import measure
from raml_jax.theory import rules

ARM = "isotropic"
DRAW = {figure.name: figure.draw for figure in figures.TABLE}
CONTROLS = {
  "untrained",
  "student of rotated",
  "student of precond.",
  "student of shrunk",
  "student of heavy ball",
}


def drawn(name, results, config):
  return DRAW[name](results, config, ARM)


@pytest.fixture(scope="module")
def figs(results, config):
  """Every figure, drawn once."""
  return {name: drawn(name, results, config) for name in DRAW}


def panels(fig):
  return [ax for ax in fig.axes if ax.get_visible() and ax.lines]


def labels(ax) -> set[str]:
  return set(ax.get_legend_handles_labels()[1])


def test_names_and_limits_are_those_of_the_measurements():
  # Written twice, because drawing must not import JAX.
  assert list(style.RULES) == list(rules.TABLE)
  assert matrices.NOBODY == fitting.NOBODY
  assert curves.DIVERGED == measure.DIVERGED


LABELS = {
  "0_headline": ("MAML's update", "CoT's update"),
  "1_errors": ("reasoning step k", "mean of", "median of"),
  "2_cosines": ("reasoning step t", "cosine of update"),
  "3_interventions": ("fitted", "update"),
  "4_weights": ("V", "W", "x", "y", "w", "1"),
  "5_confusion": ("named",),
  "5_unexplained": ("unexplained share of the update",),
  "6_out_of_distribution": ("relative squared distance to gradient descent",),
  "7_steps": ("step size", "trained length k", "distance of iterates"),
}


@pytest.mark.parametrize("name", LABELS)
def test_figures_are_labelled_and_readable_at_column_width(figs, name):
  found = figs[name].findobj(text.Text)
  words = " ".join(entry.get_text() for entry in found)
  assert all(label in words for label in LABELS[name])
  assert min(entry.get_fontsize() for entry in found) >= 7
  assert figs[name].get_size_inches()[0] <= style.WIDE


def test_headline_has_a_panel_per_step_with_line_margin_and_controls(figs):
  fig = figs["0_headline"]
  axes = panels(fig)
  # Two variants of MAML, K = 2 and 5 steps, and one intervention each.
  assert len(axes) == 2 * (2 + 1) + 2 * (5 + 1)
  steps = [ax for ax in axes if "step" in ax.get_title().splitlines()[1]]
  for ax in axes:
    assert any(label.startswith("identity") for label in labels(ax))
    assert any(label.startswith("margin") for label in labels(ax))
  for ax in steps:
    assert CONTROLS <= labels(ax)
    assert "outcome, full" in labels(ax)
  shared = [ax for ax in steps if ax.get_title().startswith("shared, k = 5")]
  assert all("imitation of MAML" in labels(ax) for ax in shared)


def test_headline_points_are_the_updates_and_the_number_their_distance(
  figs, results
):
  fig = figs["0_headline"]
  ax = next(a for a in panels(fig) if a.get_title() == "shared, k = 2,\nstep 2")
  x = results[f"{ARM}/maml_shared_k2"]["update_PxTxD"][:, 1].ravel()
  y = results[f"{ARM}/outcome_full_k2"]["update_PxTxD"][:, 1].ravel()
  line = next(li for li in ax.lines if li.get_label() == "outcome, full")
  np.testing.assert_allclose(line.get_xdata(), x)
  limit = ax.get_ylim()[1]
  np.testing.assert_allclose(line.get_ydata(), y.clip(-limit, limit))
  distance = np.sum((y - x) ** 2) / np.sum(x**2)
  assert style.number(distance) in [note.get_text() for note in ax.texts]


def test_margin_band_is_the_margin_of_relative_squared_distance(figs, results):
  ax = panels(figs["0_headline"])[0]
  x = results[f"{ARM}/maml_shared_k2"]["update_PxTxD"][:, 0].ravel()
  band = ax.collections[0].get_paths()[0].vertices
  half = np.ptp(band[np.isclose(band[:, 0], band[:, 0].max()), 1]) / 2
  # Every component at the edge of the band: 1 % of the squared length.
  assert x.size * half**2 / np.sum(x**2) == pytest.approx(0.01)


def test_errors_stand_beside_descent_floor_and_conjugate_gradients(
  figs, results
):
  fig = figs["1_errors"]
  upper = panels(fig)[:3]
  for ax in upper:
    assert ax.get_yscale() == "log"
    assert {"gradient descent", "conjugate gradients", "one-step floor"} <= (
      labels(ax)
    )
  found = set().union(*map(labels, upper))
  everyone = {style.look(n).label for n in updates.contestants(results, ARM)}
  assert everyone <= found


def test_divergence_is_drawn_clipped_with_a_cross(figs, results, config):
  name = f"{ARM}/outcome_full_k2"
  error_SxK = results[name]["error_SxK"].copy()
  limit = curves.DIVERGED * error_SxK[:, 0].min()
  error_SxK[1, 4:] = limit
  changed = results | {name: results[name] | {"error_SxK": error_SxK}}
  fig = drawn("1_errors", changed, config)
  crosses = [
    (line.get_xdata()[0], line.get_ydata()[0])
    for line in panels(fig)[1].lines
    if line.get_marker() == "X"
  ]
  assert crosses == [(4, pytest.approx(limit))]
  assert not [
    line
    for line in panels(figs["1_errors"])[1].lines
    if line.get_marker() == "X"
  ]


def test_cosines_stand_beside_the_oracle_and_all_controls(figs):
  for ax in panels(figs["2_cosines"]):
    assert {
      r"oracle $w^* - w_t$",
      "shuffled steps",
      "another question",
      "random direction",
    } <= labels(ax)


def test_interventions_print_the_fit(figs, results, config):
  fig = figs["3_interventions"]
  ax = next(a for a in panels(fig) if a.get_title() == "imitation")
  found = results[f"{ARM}/imitation"]
  assert f"a = {found['a_S'].mean():.3f}" in ax.texts[0].get_text()
  assert {ax.get_title() for ax in panels(fig)} >= CONTROLS
  for scale in config.measure.scales:
    assert f"scale {scale:g}, fresh history" in labels(ax)


def test_weights_stand_beside_the_construction_at_its_scale(
  figs, results, config
):
  fig = figs["4_weights"]
  images = [ax.images[0].get_array() for ax in fig.axes if ax.images]
  d, columns = config.task.d, len(images) // 2
  eta = config.imitation.eta
  np.testing.assert_allclose(images[0][d + 1 : 2 * d + 1, :d], -eta * np.eye(d))
  for w_FxF in images[columns:]:
    assert w_FxF[d, -1] == pytest.approx(-1.0)
  v_FxF, w_FxF = images[1], images[columns + 1]
  weights = results[f"{ARM}/weights"]
  np.testing.assert_allclose(
    v_FxF @ w_FxF, weights["imitation/V"][0] @ weights["imitation/W"][0]
  )


def test_confusion_matrix_shows_shares_of_seeds(figs):
  fig = figs["5_confusion"]
  diagonal, _ = (ax.images[0].get_array() for ax in fig.axes)
  np.testing.assert_array_equal(
    diagonal, np.eye(len(style.RULES), len(style.RULES) + 1)
  )


def test_unexplained_shares_have_a_row_each_and_a_column_per_rival(
  figs, results
):
  fig = figs["5_unexplained"]
  of_rules, of_trained = (
    ax.images[0].get_array() for ax in fig.axes if ax.images
  )
  n = len(style.RULES)
  assert of_rules.shape == (n, n)
  assert of_trained.shape == (len(updates.contestants(results, ARM)), n)
  ax = fig.axes[1]
  names = [tick.get_text() for tick in ax.get_yticklabels()]
  row = of_trained[names.index("imitation")]
  rivals_SxR = results[f"{ARM}/imitation"]["rivals_SxR"]
  np.testing.assert_allclose(row, np.median(rivals_SxR, axis=0))


def test_tracking_shows_every_shift_the_margin_and_the_controls(figs, config):
  fig = figs["6_out_of_distribution"]
  assert len(fig.axes[-1].get_xticklabels()) == len(config.measure.shifts)
  for ax in fig.axes:
    assert {"margin of the claim", "untrained", "student of rotated"} <= (
      labels(ax)
    )


def test_step_sizes_stand_beside_their_optimum(figs, config):
  shared = panels(figs["7_steps"])[0]
  optimum = next(li for li in shared.lines if li.get_label() == "optimum")
  np.testing.assert_allclose(optimum.get_xdata(), config.maml.shared_steps)
  np.testing.assert_allclose(optimum.get_ydata(), 0.5)


@pytest.mark.parametrize(
  "regimes",
  [
    ("imitation", "decoys", "straight_path"),
    ("outcome_full", "outcome_restricted", "direct"),
    ("maml", "decoys"),
  ],
)
def test_missing_regimes_leave_the_rest(results, without, regimes):
  changed, left = without(results, *regimes)
  for name in DRAW:
    fig = drawn(name, left, changed)
    assert (fig is None) == (name == "0_headline" and "maml" in regimes)


def test_nothing_measured_draws_nothing(config):
  assert [n for n in DRAW if drawn(n, {}, config) is not None] == []


def test_decoder_has_no_weights_to_draw(results, config):
  left = {n: found for n, found in results.items() if "weights" not in n}
  assert drawn("4_weights", left, config) is None


def test_updates_that_diverged_to_infinity_are_drawn_clipped(results, config):
  name = f"{ARM}/outcome_full_k2"
  update_PxTxD = results[name]["update_PxTxD"].copy()
  update_PxTxD[0, 1:], update_PxTxD[1, 1:] = np.inf, np.nan
  changed = results | {name: results[name] | {"update_PxTxD": update_PxTxD}}
  for figure in ("0_headline", "3_interventions"):
    fig = drawn(figure, changed, config)
    fig.draw_without_rendering()
    assert all(np.isfinite(ax.get_ylim()).all() for ax in panels(fig))


def test_equal_results_give_equal_bytes(results, config):
  first, second = (
    style.rendered(drawn("7_steps", results, config)) for _ in range(2)
  )
  assert first == second
  assert first["png"].startswith(b"\x89PNG")
  assert first["pdf"].startswith(b"%PDF")


def test_band_is_the_t_interval_over_seeds():
  values_SxK = np.array([[1.0], [2.0], [4.0]])
  mean, low, high = style.band(values_SxK)[:, 0]
  half = 4.302653 * np.std([1, 2, 4], ddof=1) / np.sqrt(3)
  np.testing.assert_allclose(
    [mean, low, high], [7 / 3, 7 / 3 - half, 7 / 3 + half], rtol=1e-6
  )
  middle = style.band(values_SxK, log=True)[0, 0]
  assert middle == pytest.approx(2.0)  # The geometric mean.
  assert np.isnan(style.band(np.array([[1.0], [np.inf]]))).all()


def test_lines_tell_lengths_apart():
  assert style.look("maml_shared_k2").line != style.look("maml_shared_k5").line
  names = ["maml_shared_k2", "outcome_full_k5", "direct"]
  assert style.lengths(names) == "k = 2 dashed, 5 solid"
  assert style.lengths(["outcome_full_k5"]) == ""


def test_claim_dropped_from_the_config_costs_its_margin_only(results, config):
  changed = dataclasses.replace(config, claims={})
  ax = panels(drawn("0_headline", results, changed))[0]
  assert not any(label.startswith("margin") for label in labels(ax))
  assert drawn("6_out_of_distribution", results, changed) is not None


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
