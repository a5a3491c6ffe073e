"""What the sinusoid study measures is what it says."""

import dataclasses

import jax
import numpy as np
import pytest

from experiments.configs import sinusoid as default
from experiments.configs import sinusoid_smoke
from raml_jax.config import sinusoid as config_lib
from raml_jax.plotting import adaptation
from raml_jax.studies import claims
from raml_jax.studies.sinusoid import evaluate
from raml_jax.studies.sinusoid import finders
from raml_jax.studies.sinusoid import methods
from raml_jax.studies.sinusoid import paths
from raml_jax.tasks import sinusoid


@pytest.fixture(scope="module")
def config():
  config = sinusoid_smoke.get_config()
  config.network.update({"widths": (4,), "scale": 0.5})
  return config_lib.parse(config.to_dict())


@pytest.fixture(scope="module")
def start_S(config):
  init = methods.network(config, "maml").init
  return jax.vmap(init)(jax.random.split(jax.random.key(0), config.seeds))


def test_methods_without_a_query_set_see_the_same_labels():
  task, key = sinusoid.Sinusoid(3), jax.random.key(1)
  apart = methods.Tasks(task, 4).batch(key)
  together = methods.Tasks(task, 4, together=True).batch(key)
  both = np.concatenate([apart.support.y_N, apart.query.y_N], axis=1)
  np.testing.assert_array_equal(together.support.y_N, both)
  np.testing.assert_array_equal(together.query.y_N, both)


def test_the_oracle_is_told_amplitude_and_phase():
  key = jax.random.key(2)
  plain = methods.Tasks(sinusoid.Sinusoid(3), 4).batch(key)
  told = methods.Tasks(sinusoid.Sinusoid(3), 4, told=True).batch(key)
  x_BxNx3 = np.asarray(told.query.x_NxD)
  np.testing.assert_array_equal(x_BxNx3[..., :1], plain.query.x_NxD)
  amplitude_BxN, phase_BxN = x_BxNx3[..., 1], x_BxNx3[..., 2]
  y_BxN = amplitude_BxN * np.sin(x_BxNx3[..., 0] - phase_BxN)
  np.testing.assert_allclose(y_BxN, plain.query.y_N, atol=1e-5)


def test_every_method_is_what_it_is_called(config):
  of = {name: methods.learner(config, name) for name in config_lib.METHODS}
  assert of["pretrained"].steps == of["oracle"].steps == 0
  assert of["maml"].steps == config.inner.steps
  assert of["reptile"].steps == config.reptile.steps
  assert [name for name in of if of[name].moves] == ["anil"]
  assert [n for n in of if of[n].gradient.strength] == ["imaml"]
  learned = [n for n in of if jax.tree.leaves(_meta(config, of[n]))]
  assert learned == ["meta_sgd"]


def _meta(config, learner):
  if learner is methods.learner(config, "oracle"):
    return ()
  params = methods.network(config, "maml").init(jax.random.key(0))
  return learner.init(jax.random.key(0), params)["meta"]


def test_a_diverging_task_is_held_and_counted():
  query_SxBxT = np.array([[[1.0, 2.0], [3.0, np.nan], [2.0, 1e9]]], np.float32)
  found = evaluate.error(query_SxBxT)
  held = evaluate.DIVERGED
  np.testing.assert_allclose(found["error_SxT"], [[2.0, (2 + 2 * held) / 3]])
  np.testing.assert_allclose(found["diverged_SxT"], [[0.0, 2 / 3]])


def test_the_step_size_is_the_best_on_other_tasks_for_each_number_of_steps(
  config, start_S
):
  tuning = evaluate.episodes(config, 5, "tuning", 8)
  episodes = evaluate.episodes(config, 5, "measuring", 10)
  theta_S = {"start": start_S}
  found = evaluate.curves(config, "pretrained", theta_S, tuning, episodes)
  mean_GxT = found["tuning_SxGxT"].mean(axis=0)
  for t in range(1, config.measure.steps + 1):
    best = found["alpha_G"][mean_GxT[:, t].argmin()]
    assert found["alpha_T"][t] == best
    # MAML's curves are those of one step size.
    inner = dataclasses.replace(config.inner, alpha=float(best))
    same = dataclasses.replace(config, inner=inner)
    alone = evaluate.curves(same, "maml", theta_S, tuning, episodes)
    for name in ("query_SxBxT", "support_SxBxT"):
      np.testing.assert_array_equal(found[name][..., t], alone[name][..., t])


def test_floors_on_tasks_agree_with_their_expectations(config):
  episodes = evaluate.episodes(config, 5, "floors", 20_000)
  found = evaluate.floors(episodes)
  for name, expected in (("zero", 4.2517), ("agnostic", 3.0057)):
    assert found[name] == pytest.approx(expected, abs=1e-3)
    mean = found[f"{name}_SxB"].mean()
    assert mean == pytest.approx(expected, rel=0.02)


def test_fits_start_at_the_start_and_meet_the_support_points(config, start_S):
  episodes = evaluate.episodes(config, 5, "measuring", 10)
  far = dataclasses.replace(
    config, measure=dataclasses.replace(config.measure, steps=200)
  )
  theta_S = {"start": start_S}
  fit_PxTxG = evaluate.fits(far, "maml", theta_S, 0.02, episodes)
  shown = evaluate.shown(far, episodes)
  apply = methods.network(config, "maml").apply
  first = jax.tree.map(lambda p: p[0], start_S)
  before_G = apply(first, evaluate.GRID[:, None].astype(np.float32))
  np.testing.assert_allclose(fit_PxTxG[0, 0], before_G, atol=1e-5)

  def errors(t):
    at = [
      np.interp(x_K, shown["x_G"], fit_TxG[t])
      for x_K, fit_TxG in zip(shown["x_PxK"], fit_PxTxG)
    ]
    return ((np.array(at) - shown["y_PxK"]) ** 2).mean(axis=1)

  assert (errors(200) < errors(0)).all()


def test_the_implicit_meta_gradient_forgets_its_path(config, start_S):
  problem = config_lib.Problem(
    strength=100.0,
    unrolled=True,
    reference="far",
    ways={
      "fast": config_lib.Path("sgd", 0.002, 0.3, 30),
      "far": config_lib.Path("sgd", 0.002, 0.0, 60),
    },
  )
  solver = dataclasses.replace(config.paths, iterations=60)
  changed = dataclasses.replace(config, paths=solver)
  episodes = evaluate.episodes(config, 5, "tuning", 8)
  found = paths.compared(changed, problem, start_S, episodes)
  assert list(found["names_W"]) == ["far", "fast"]
  np.testing.assert_array_equal(found["implicit_WxS"][0], 0.0)
  assert found["settled_SxB"].any(axis=1).all()
  assert found["implicit_WxS"][1].max() < 1e-2
  assert found["proximal_WxS"][1].max() < 1e-2
  assert found["unrolled_WxS"][1].min() > 1e-2


@pytest.fixture(scope="module")
def results():
  """Numbers of a run that never was, at both K."""
  at_1 = {
    "maml": 1.0,
    "first_order": 1.1,
    "anil": 1.5,
    "meta_sgd": 0.8,
    "reptile": 2.0,
    "imaml": 2.0,
    "pretrained": 2.6,
    "oracle": 0.1,
    "untrained": 4.0,
  }
  noise_S = np.array([-0.01, 0.0, 0.01])
  out = {}
  for shots in (5, 10):
    for name, level in at_1.items():
      level_T = np.array([3.0057, level, *np.full(9, 0.5 * level)])
      level_T *= 0.99 ** np.arange(11)
      out[f"k{shots}/{name}"] = {
        "error_SxT": level_T * (1 + noise_S[:, None]),
        "diverged_SxT": np.zeros((3, 11)),
      }
    out[f"k{shots}/floors"] = {
      "zero": np.float64(4.25),
      "agnostic": np.float64(3.0057),
      "agnostic_SxB": np.full((3, 4), 3.0057),
    }
  levels = {"implicit": 0.001, "proximal": 0.02, "unrolled": 0.4}
  names = ["gradient descent", "momentum", "half the step", "Adam"]
  for name, of in (("strong", names), ("as_trained", names[:2])):
    ways = [0.0, *np.full(len(of) - 1, 1.0)]
    out[f"k5/paths_{name}"] = {
      "names_W": np.array([*of, paths.TRAINED][: len(of) + (of != names)]),
      "settled_SxB": np.array([[True, False]] * 3),
      **{
        f"{kind}{tasks}_WxS": np.array([*ways, 5.0][: len(of) + (of != names)])[
          :, None
        ]
        * (factor * level + 0.01 * level * noise_S)
        for kind, level in levels.items()
        for tasks, factor in (("", 1.0), ("_every", 100.0))
      },
    }
  return out


@pytest.fixture(scope="module")
def whole():
  return config_lib.parse(default.get_config().to_dict())


def test_claims_are_decided_by_the_margins_of_the_config(whole, results):
  rows = claims.decide(whole.claims, finders.TABLE, 600, whole, results)
  verdicts = {row["id"]: row["verdict"] for row in rows}
  assert verdicts.pop("anil-close") == "refuted"
  for suffix in ("/every-task", "/as-trained"):
    assert verdicts.pop(f"imaml-path-independent{suffix}") == "refuted"
  assert set(verdicts.values()) == {"supported"}
  assert len(verdicts) == len(finders.IDS) - 1
  found = {row["id"]: row for row in rows}
  part = found["first-order-close"]["parts"][0]
  assert part["estimate"] == pytest.approx(1.1)
  control = found["imaml-path-independent"]["controls"]
  assert control["inner loop of training"]["estimate"] == pytest.approx(0.5)


def test_a_method_no_better_than_the_floor_is_told_so(whole, results):
  worse = dict(results)
  error_SxT = results["k10/maml"]["error_SxT"].copy()
  error_SxT[:, 1] = [3.2, 3.3, 3.4]
  worse["k10/maml"] = {"error_SxT": error_SxT}
  rows = claims.decide(whole.claims, finders.TABLE, 600, whole, worse)
  found = {row["id"]: row for row in rows}["maml-beats-task-agnostic"]
  assert found["verdict"] == "refuted"
  assert found["deciding_part"] == "mse (K = 10)"


@pytest.mark.parametrize("draw", [adaptation.errors, adaptation.summary])
def test_every_method_and_floor_is_on_the_axes(whole, results, draw):
  fig = draw(results, whole)
  texts = {text.get_text() for text in fig.legends[0].get_texts()}
  for ax in fig.axes:
    texts |= {label.get_text() for label in ax.get_yticklabels()}
  assert {look.label for look in adaptation.LOOKS.values()} <= texts
  assert "best without the support set" in texts


def test_paths_are_drawn_beside_the_margin(whole, results):
  fig = adaptation.paths(results, whole)
  assert len(fig.axes) == 2
  texts = {text.get_text() for text in fig.legends[0].get_texts()}
  assert "margin of the claim" in texts


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
