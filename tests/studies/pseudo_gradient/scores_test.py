"""Scores of made-up moments are what the vectors themselves give."""

import numpy as np
import pytest

from experiments.configs import pseudo_gradient
from raml_jax.config import pseudo_gradient as config_lib
from raml_jax.studies.pseudo_gradient import scores
from raml_jax.theory import alignment

B, T, K, W, N = 8, 5, 2, 2, 6


@pytest.fixture
def vectors():
  rng = np.random.default_rng(0)
  return rng.normal(size=(2, B, T, K, W, N))


def _moments(u, s):
  return alignment.Moments((u * u).sum(-1), (u * s).sum(-1), (s * s).sum(-1))


def test_blocks_and_matrices_together_are_one_vector(vectors):
  u, s = vectors
  joint = scores.joint(_moments(u, s))
  flat_u, flat_s = u.reshape(B, T, -1), s.reshape(B, T, -1)
  want = (flat_u * flat_s).sum(-1)
  want /= np.linalg.norm(flat_u, axis=-1) * np.linalg.norm(flat_s, axis=-1)
  np.testing.assert_allclose(alignment.cosine(joint), want, rtol=1e-12)


def test_the_step_is_fitted_on_half_and_scored_on_the_other(vectors):
  """Least squares over the even questions, residuals over the odd ones."""
  u, s = (x.reshape(B, T, -1) for x in vectors)
  u = u + 0.4 * s
  got, step = scores.explained(_moments(u, s))
  want = np.linalg.lstsq(s[::2].reshape(-1, 1), u[::2].ravel())[0][0]
  assert step == pytest.approx(want, rel=1e-12)
  rest = u[1::2] - want * s[1::2]
  assert got == pytest.approx(1 - (rest**2).sum() / (u[1::2] ** 2).sum())


def test_a_step_that_does_harm_scores_below_nothing(vectors):
  """Descent on the even questions, ascent on the odd ones."""
  _, s = (x.reshape(B, T, -1) for x in vectors)
  sign = np.where(np.arange(B) % 2, -1.0, 1.0)[:, None, None]
  got, _ = scores.explained(_moments(sign * s, s))
  assert got < -0.5


def test_labels_pick_out_their_tokens():
  values = np.arange(12.0).reshape(3, 4)
  values[0, 0] = np.nan
  got = scores.by_label(values, np.array([[0, 1, 1, 3]]), 4)
  np.testing.assert_allclose(got[[0, 1, 3]], [6.0, 5.5, 7.0])
  assert np.isnan(got[2])


def _seen(u, s, config):
  """As `curves.seen` gives it, from U and S of B questions, T tokens, N."""
  zero = np.zeros(u.shape[:2])
  quarters = u.reshape(4, -1, N), s.reshape(4, -1, N)
  out = {
    "update_T": (u * u).sum(-1),
    "cross_TxT": np.einsum("bin,bjn->bij", u, s),
    "slopes_TxT": np.einsum("bin,bjn->bij", s, s),
    "product_QxN": (quarters[0] * quarters[1]).sum(1),
    "square_QxN": (quarters[1] ** 2).sum(1),
    "adam/both": np.stack([zero] * len(config.adam), 1),
    "adam/square": np.ones((B, len(config.adam), T)),
  }
  for name in ("sign", "layer_local", "constrained"):
    out[f"{name}/both"], out[f"{name}/square"] = zero, zero + 1
  return out


@pytest.fixture(scope="module")
def config():
  return config_lib.parse(pseudo_gradient.get_config().to_dict()).rivals


def test_the_rule_that_took_the_steps_is_found_out(vectors, config):
  """Planted: momentum with one of the decays; steps of their own by axis."""
  _, s = (x[:, :, 0, 0] for x in vectors)
  u = np.zeros_like(s)
  for t in range(T):
    u[:, t] = 0.7 * u[:, t - 1] * (t > 0) + s[:, t]
  held_out, tuned = scores.rules(config, _seen(0.1 * u, s, config))
  assert held_out["momentum"] == pytest.approx(1.0, abs=1e-9)
  assert tuned["momentum"] == "decay 0.7"
  assert max(held_out, key=held_out.get) == "momentum"

  step_N = np.linspace(0.1, 2.0, N)
  held_out, _ = scores.rules(config, _seen(step_N * s, s, config))
  assert held_out["diagonal"] == pytest.approx(1.0, abs=1e-9)
  assert held_out["sgd"] < 0.95


def test_no_coordinate_goes_uphill(vectors, config):
  """A preconditioner with negative entries is none."""
  _, s = (x[:, :, 0, 0] for x in vectors)
  held_out, _ = scores.rules(config, _seen(-s, s, config))
  assert held_out["diagonal"] == pytest.approx(0.0, abs=1e-9)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
