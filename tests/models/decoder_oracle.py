"""The softmax decoder on weight tokens in NumPy, and what it is tested on."""

import jax
import jax.numpy as jnp
import numpy as np

from raml_jax import base
from raml_jax.models import tokens
from raml_jax.tasks import regression

D, N = 3, 7


def episode(seed=0, dtype=jnp.float32):
  rng = np.random.default_rng(seed)
  x_NxD, w_D = rng.normal(size=(N, D)), rng.normal(size=D)
  pairs = base.Pairs(
    jnp.asarray(x_NxD, dtype),
    jnp.asarray(x_NxD @ w_D + 0.1 * rng.normal(size=N), dtype),
  )
  return base.Episode(regression.support_of(pairs), None, jnp.asarray(w_D))


def random_params(model, seed=1, dtype=jnp.float32):
  """Every entry drawn, biases and gains too, so that no term is invisible."""
  rng = np.random.default_rng(seed)
  shapes = jax.eval_shape(model.init, jax.random.key(0))

  def draw(leaf):
    scale = leaf.shape[0] ** -0.5 if len(leaf.shape) > 1 else 0.3
    return jnp.asarray(scale * rng.normal(size=leaf.shape), dtype)

  return jax.tree.map(draw, shapes)


def oracle(params, pairs, z_TxF, heads, positions):
  """The whole sequence without a cache, in NumPy, one head at a time."""
  p = jax.tree.map(lambda a: np.asarray(a, np.float64), params)
  data_NxF = np.asarray(tokens.data_tokens(pairs), np.float64)
  z_TxF = np.asarray(z_TxF, np.float64)
  n, length = len(data_NxF), len(data_NxF) + len(z_TxF)
  visible = np.tril(np.ones((length, length), bool))
  visible[:n, :n] = True

  def norm(h, q):
    h = h - h.mean(-1, keepdims=True)
    h = h / np.sqrt((h**2).mean(-1, keepdims=True) + 1e-6)
    return h * q["scale"] + q["bias"]

  h = np.concatenate([data_NxF, z_TxF])
  h = h @ p["embed"]["kernel"] + p["embed"]["bias"]
  if positions:
    h = h + p["position"][:length]
  layer = 0
  while f"layer_{layer}" in p:
    q = p[f"layer_{layer}"]
    att = q["attention"]
    z = norm(h, q["attention_norm"]) if "attention_norm" in q else h
    a = h + att["out"]["bias"]
    for i in range(heads):
      query, key, value = (
        z @ att[m]["kernel"][:, i] + att[m]["bias"][i]
        for m in ("query", "key", "value")
      )
      scores = query @ key.T / np.sqrt(query.shape[-1])
      scores = np.exp(np.where(visible, scores, -np.inf))
      mix = scores / scores.sum(-1, keepdims=True)
      a = a + mix @ value @ att["out"]["kernel"][i]
    h = a
    if "up" in q:
      z = norm(a, q["mlp_norm"]) if "mlp_norm" in q else a
      u = z @ q["up"]["kernel"] + q["up"]["bias"]
      cubic = np.sqrt(2 / np.pi) * (u + 0.044715 * u**3)
      u = 0.5 * u * (1 + np.tanh(cubic))
      h = a + u @ q["down"]["kernel"] + q["down"]["bias"]
    layer += 1
  h = norm(h, p["final_norm"]) if "final_norm" in p else h
  out = h @ p["readout"]["kernel"] + p["readout"]["bias"]
  return z_TxF + out[n:]
