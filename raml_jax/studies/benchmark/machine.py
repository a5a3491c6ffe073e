"""What the machine is and can do; run in the process that is asked."""

from __future__ import annotations

import time

import jax
import jax.numpy as jnp

_TRIES, _PRODUCTS = 5, 4


def devices() -> str:
  """What JAX runs on here, e.g. "2 cpu devices"."""
  count = jax.device_count()
  return f"{count} {jax.default_backend()} device{'s' if count > 1 else ''}"


def matmul_gflops(size: int = 2048, dtype: str = "float32") -> float:
  """The most that a product of random matrices reaches here, in GFLOP/s.

  Random, because a GPU is faster where it has nothing but zeros to multiply.
  """
  a = jax.random.normal(jax.random.key(0), (size, size)).astype(dtype)
  product = jax.jit(jnp.matmul)
  jax.block_until_ready(product(a, a))
  seconds = []
  for _ in range(_TRIES):
    begin = time.perf_counter()
    # Several at once: a GPU is told the next one while it is at work.
    jax.block_until_ready([product(a, a) for _ in range(_PRODUCTS)])
    seconds.append((time.perf_counter() - begin) / _PRODUCTS)
  return 2.0 * size**3 / min(seconds) / 1e9
