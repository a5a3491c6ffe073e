"""The leaves of a pytree as named arrays, and the digests that verify them."""

from collections.abc import Iterable
import hashlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


class Unusable(Exception):
  """One checkpoint that cannot be used; its message says why."""


def named(tree: Any) -> dict[str, jax.Array]:
  """The leaves of a pytree by name, typed keys as their integers."""
  leaves = {}
  for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
    name = jax.tree_util.keystr(path, simple=True, separator=".")
    if name in leaves:
      raise ValueError(f"two leaves of the state are both called {name!r}")
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
      leaf = jax.random.key_data(leaf)
    leaves[name] = leaf
  return leaves


def rebuilt(leaves: dict[str, np.ndarray], like: Any) -> Any:
  """`leaves` as a pytree with the structure and the placement of `like`."""

  def rebuild(path, old):
    new = leaves[jax.tree_util.keystr(path, simple=True, separator=".")]
    spread = len(old.sharding.device_set) > 1
    # A copy, as training donates it and a view of NumPy's memory is not ours.
    new = placed(new, old.sharding) if spread else jnp.array(new, copy=True)
    if jnp.issubdtype(old.dtype, jax.dtypes.prng_key):
      new = jax.random.wrap_key_data(new, impl=jax.random.key_impl(old))
    return new if spread else jax.device_put(new, old.sharding)

  return jax.tree_util.tree_map_with_path(rebuild, like)


def placed(array: Any, sharding: jax.sharding.Sharding) -> jax.Array:
  """An array that every process has, in a sharding over any devices."""
  if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
    # A typed key cannot be put into a global sharding, its integers can.
    data = placed(jax.random.key_data(array), sharding)
    return jax.random.wrap_key_data(data, impl=jax.random.key_impl(array))
  array = np.asarray(array)
  return jax.make_array_from_callback(
    array.shape, sharding, lambda index: np.array(array[index])
  )


def digest(leaf: jax.Array) -> dict[str, Any]:
  """dtype, shape and the sha256 of each distinct addressable shard."""
  shards = []
  for shard in leaf.addressable_shards:
    if shard.replica_id == 0:
      bounds = [
        list(part.indices(size)[:2])
        for part, size in zip(shard.index, leaf.shape, strict=True)
      ]
      shards.append([bounds, _sha256(np.asarray(shard.data))])
  return {
    "dtype": str(leaf.dtype),
    "shape": list(leaf.shape),
    "shards": shards,
  }


def merged(
  records: Iterable[dict[str, dict[str, Any]]],
) -> dict[str, dict[str, Any]]:
  """The digests of all shards, from what each process says of its own."""
  first, *others = records
  for record in others:
    for name, leaf in record.items():
      first[name]["shards"] += leaf["shards"]
  return first


def _sha256(array: np.ndarray) -> str:
  return hashlib.sha256(array.tobytes()).hexdigest()


def check_digest(name: str, leaf: np.ndarray, record: dict[str, Any]) -> None:
  """Checks one restored leaf against what `digest` said of it.

  Raises:
    Unusable: another dtype, shape or byte, or a part that no digest covers.
  """
  if list(leaf.shape) != record["shape"] or str(leaf.dtype) != record["dtype"]:
    raise Unusable(f"fails its digest (shape or dtype of {name!r})")
  covered = 0
  for bounds, digest in record["shards"]:
    part = leaf[tuple(slice(*bound) for bound in bounds)]
    covered += part.size
    if _sha256(part) != digest:
      raise Unusable(f"fails its digest (bytes of {name!r})")
  if covered != leaf.size:
    raise Unusable(f"fails its digest (not all of {name!r} is covered)")


def check_expected(
  leaves: dict[str, np.ndarray], expected: dict[str, jax.Array]
) -> None:
  """Checks names, shapes and dtypes of restored leaves.

  Raises:
    Unusable: they are those of another state.
  """
  for name in sorted(leaves.keys() ^ expected.keys()):
    where = "has an unknown" if name in leaves else "lacks the"
    raise Unusable(f"is foreign ({where} array {name!r})")
  for name, leaf in expected.items():
    found = f"{leaves[name].dtype}{list(leaves[name].shape)}"
    wanted = f"{leaf.dtype}{list(leaf.shape)}"
    if found != wanted:
      raise Unusable(f"is foreign ({name!r} is {found}, not {wanted})")
