"""A GPT in NumPy, one sequence, one head and one query at a time, no cache."""

import jax
import jax.numpy as jnp
import numpy as np

from raml_jax.models import gpt
from raml_jax.tasks import vocab

SMALL = {"layers": 2, "heads": 2, "width": 8, "mlp": 2, "context": 16}


def make(**options):
  return gpt.gpt(gpt.Options(**{**SMALL, **options}))


def random_params(model, seed=1, dtype=jnp.float32):
  """Every entry drawn, biases and gains too, so that no term is invisible."""
  rng = np.random.default_rng(seed)
  shapes = jax.eval_shape(model.init, jax.random.key(0))

  def draw(leaf):
    fan = np.prod(leaf.shape[:-1]) if len(leaf.shape) > 1 else 1
    scale = 0.4 if len(leaf.shape) == 1 else 1.5 * min(fan, 8) ** -0.5
    return jnp.asarray(scale * rng.normal(size=leaf.shape), dtype)

  return jax.tree.map(draw, shapes)


def random_tokens(batch=2, length=7, seed=2):
  """Texts with several numbers in them."""
  rng = np.random.default_rng(seed)
  characters = rng.choice(list("0123456789+= a"), size=(batch, length))
  return jnp.asarray([vocab.encode("".join(row)) for row in characters])


def quick(function):
  """Compiled without the optimiser: run once."""
  options = {"xla_backend_optimization_level": 0}
  return jax.jit(function, compiler_options=options)


def logits(model, params, tokens, **options):
  return quick(lambda p, x: model.apply(p, x, **options)[0])(params, tokens)


def norm(h, p):
  h = h - h.mean(-1, keepdims=True)
  h = h / np.sqrt((h**2).mean(-1, keepdims=True) + 1e-6)
  return h * p["scale"] + p["bias"]


def gelu(u):
  return 0.5 * u * (1 + np.tanh(np.sqrt(2 / np.pi) * (u + 0.044715 * u**3)))


def places(tokens):
  """1, 2, ... within every number, 0 outside."""
  out, run = [], 0
  for token in tokens:
    run = run + 1 if vocab.decode([token]).isdecimal() else 0
    out.append(run)
  return np.array(out)


def turn(x_A, position):
  """Entry i and i + A / 2 as a complex number, times exp(i angle)."""
  half = len(x_A) // 2
  angle = position / 10000 ** (np.arange(half) / half)
  z = (x_A[:half] + 1j * x_A[half:]) * np.exp(1j * angle)
  return np.concatenate([z.real, z.imag])


def attention(x_TxC, p, options, position_T, visible_TxT):
  """(output, scores, mixed), heads first."""
  steps, heads = len(x_TxC), options.heads
  head = options.width // heads
  scores = np.zeros((heads, steps, steps))
  mixed = np.zeros((heads, steps, head))
  out = np.tile(p["out"]["bias"], (steps, 1))
  for h in range(heads):
    q, k, v = (
      x_TxC @ p[name]["kernel"][:, h] + p[name]["bias"][h]
      for name in ("query", "key", "value")
    )
    if options.positions == "rotary":
      q, k = (
        np.array([turn(*pair) for pair in zip(y, position_T)]) for y in (q, k)
      )
    scores[h] = q @ k.T / np.sqrt(head)
    for t in range(steps):
      seen = np.flatnonzero(visible_TxT[t])
      weight = scores[h, t, seen]
      if options.attention == "softmax":
        weight = np.exp(weight) / np.exp(weight).sum()
      else:
        weight = weight / len(seen)
      mixed[h, t] = weight @ v[seen]
    out = out + mixed[h] @ p["out"]["kernel"][h]
  return out, scores, mixed


def forward(params, tokens_T, options, visible_TxT=None, positions=None):
  """(logits_TxV, one dict of activations per block, the read-out's input)."""
  p = jax.tree.map(lambda a: np.asarray(a, np.float64), params)
  tokens_T = np.asarray(tokens_T)
  steps = len(tokens_T)
  seen = np.tril(np.ones((steps, steps), bool))
  if visible_TxT is not None:
    seen &= visible_TxT
  h = p["embed"]["embedding"][tokens_T]
  if positions is None:
    positions = np.arange(steps)
    if options.positions == "abacus":
      positions = places(tokens_T)
  if options.positions in ("learned", "abacus"):
    h = h + p["position"]["embedding"][positions]
  records = []
  for i in range(options.layers * options.loops):
    q = p[f"layer_{i % options.layers}"]
    x = norm(h, q["attention_norm"])
    out, scores, mixed = attention(x, q["attention"], options, positions, seen)
    a = h + out
    z = norm(a, q["mlp_norm"])
    pre = z @ q["up"]["kernel"] + q["up"]["bias"]
    after = a + gelu(pre) @ q["down"]["kernel"] + q["down"]["bias"]
    records.append(
      {
        "stream_TxC": h,
        "normed_TxC": x,
        "scores_HxTxL": scores,
        "mixed_HxTxA": mixed,
        "attention_TxC": out,
        "middle_TxC": a,
        "z_TxC": z,
        "pre_TxM": pre,
        "hidden_TxM": gelu(pre),
        "output_TxC": after,
      }
    )
    h = after
  final = norm(h, p["final_norm"])
  return final @ p["readout"]["kernel"], records, final
