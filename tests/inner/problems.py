"""Two learners that the tests of meta-gradients share, in float64."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from raml_jax.models import decoder
from raml_jax.models import tokens
from raml_jax.tasks import regression


def fast(function):
  """jit for what runs a few times: it compiles in half of the time."""
  return jax.jit(
    function, compiler_options={"xla_backend_optimization_level": 0}
  )


def double(tree):
  return jax.tree.map(lambda a: jnp.asarray(np.asarray(a), jnp.float64), tree)


def mlp(batch=3):
  """(loss, params, tasks): a network 1-5-4-1 with tanh, sinusoids."""
  keys = iter(jax.random.split(jax.random.key(0), 8))
  normal = lambda *shape: jax.random.normal(next(keys), shape, jnp.float64)
  params = {
    "body_0": {"kernel": normal(1, 5), "bias": normal(5)},
    "body_1": {"kernel": normal(5, 4), "bias": normal(4)},
    "head": {"kernel": normal(4, 1), "bias": normal(1)},
  }

  def loss(params, data):
    h, y = data
    for name in ("body_0", "body_1"):
      layer = params[name]
      h = jnp.tanh(h @ layer["kernel"] + layer["bias"][None])
    out = h @ params["head"]["kernel"] + params["head"]["bias"][None]
    return jnp.mean((out - y) ** 2)

  x = normal(batch, 12, 1)
  y = jnp.sin(x * (1.0 + jnp.arange(batch)[:, None, None]))
  return loss, params, ((x[:, :6], y[:, :6]), (x[:, 6:], y[:, 6:]))


def transformer(batch=2):
  """(loss, params, tasks): a softmax decoder that imitates descent."""
  model = decoder.decoder(
    2, 2, layers=1, heads=2, width=4, mlp=2, layer_norm=True
  )

  def loss(params, data):
    support, w_TxD = data
    tokens_TxF = tokens.weight_token(w_TxD)
    cache = model.prefill(params, support)
    out_TxF = model.apply(params, tokens_TxF[:-1], cache)[0]
    return jnp.mean((out_TxF - tokens_TxF[1:]) ** 2)

  def draw(seed):
    task = regression.LinearRegression(jnp.eye(2), d=2, n=4)
    support = double(task.sample(jax.random.key(seed), batch).support)
    w_BxD, path = jnp.zeros((batch, 2), jnp.float64), []
    for _ in range(3):
      path.append(w_BxD)
      w_BxD -= 0.3 * jax.vmap(regression.gradient)(w_BxD, support)
    return support, jnp.stack(path, axis=1)

  params = double(model.init(jax.random.key(1)))
  # Larger than at the start, so that curvature matters.
  return loss, jax.tree.map(lambda a: 1.5 * a, params), (draw(2), draw(3))


PROBLEMS = {
  "mlp": functools.cache(mlp),
  "transformer": functools.cache(transformer),
}
