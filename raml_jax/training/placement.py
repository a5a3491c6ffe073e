"""What lies on which of several devices.

With a mesh of the axes `data` and `model` (`runtime.make_mesh`):

- The batch is split over all devices, those of `data` and those of `model`.
- Parameters, and all of the optimizer's state that is named and shaped like
  them, are kept split over `model` by rules, and copied over `data`. For each
  step a device gathers the parameters, and gives the gradients back summed: a
  device needs room for the parameters once, for the optimizer's state and the
  parameters at rest only for its part. `model` is best within a host.
- Seeds are not split.

The mesh decides what a device holds and sends, never what is computed, apart
from the last bits.
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
import math
import re
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec as P
import numpy as np

from raml_jax.training import leaves as leaves_lib
from raml_jax.training import runtime

# By the end of a parameter's path, the first that fits; what none fits is on
# every device: biases, norms.
GPT_RULES = (
  ("(embed|position)/embedding", P(None, "model")),
  ("(query|key|value)/kernel", P("model", None, None)),
  ("out/kernel", P(None, None, "model")),
  ("up/kernel", P(None, "model")),
  ("(down|readout)/kernel", P("model", None)),
)


@dataclasses.dataclass(frozen=True)
class Placement:
  """What lies on which device.

  Attributes:
    mesh: of `make_mesh`.
    rules: pairs of (pattern, spec). The first pattern that matches the end of a
      leaf's path, whole parts joined by "/", gives its spec, if that has as
      many entries as the leaf has axes. An axis that the mesh does not divide
      is not split.
  """

  mesh: jax.sharding.Mesh
  rules: tuple[tuple[str, jax.sharding.PartitionSpec], ...] = GPT_RULES

  def spec(self, path: str, shape: tuple[int, ...]):
    """The PartitionSpec of one leaf of one seed."""
    for pattern, spec in self.rules:
      if re.search(f"(^|/)({pattern})$", path) and len(spec) == len(shape):
        axes = [
          axis if axis is None or size % self._size(axis) == 0 else None
          for axis, size in zip(spec, shape)
        ]
        return P(*axes)
    return P()

  def shardings(self, tree: Any, *, stacked: bool) -> Any:
    """The sharding of every leaf.

    Args:
      tree: of arrays, or of their shapes.
      stacked: whether the leaves have a leading axis of seeds.
    """

    def one(path, leaf):
      name = jax.tree_util.keystr(path, simple=True, separator="/")
      if not stacked:
        return self._sharding(*self.spec(name, leaf.shape))
      return self._sharding(None, *self.spec(name, leaf.shape[1:]))

    return jax.tree_util.tree_map_with_path(one, tree)

  def constrain(self, tree: Any, *, stacked: bool = False) -> Any:
    """In a traced function: puts every leaf where it belongs."""
    shardings = self.shardings(tree, stacked=stacked)
    return jax.lax.with_sharding_constraint(tree, shardings)

  def constrain_batch(self, batch: Any) -> Any:
    """In a traced function: splits the leading axis of one seed's batch.

    Raises:
      runtime.SetupError: the devices do not divide it.
    """

    def one(leaf):
      if jnp.ndim(leaf) == 0:
        return leaf
      self._check_batch(leaf.shape[0])
      return jax.lax.with_sharding_constraint(
        leaf, self._sharding(runtime.AXES)
      )

    return jax.tree.map(one, batch)

  def spread(self, tree: Any) -> Any:
    """In a traced function: copies every leaf to all devices."""
    return jax.lax.with_sharding_constraint(tree, self._sharding())

  def create(self, make: Callable[..., Any], *args: Any) -> Any:
    """`make(*args)`, each leaf created where it belongs.

    Args:
      make: a traceable function that returns leaves with an axis of seeds.
      *args: arrays that lie on every device, or NumPy's.
    """
    shardings = self.shardings(jax.eval_shape(make, *args), stacked=True)
    # Run once, so not worth compiling well: that would take several times as
    # long.
    compiled = jax.jit(
      make,
      out_shardings=shardings,
      compiler_options={"xla_backend_optimization_level": 0},
    )
    return compiled(*args)

  def everywhere(self, tree: Any) -> Any:
    """Copies arrays, the same in every process, to all devices."""
    return jax.tree.map(
      lambda leaf: leaves_lib.placed(leaf, self._sharding()), tree
    )

  def gathered(self, tree: Any) -> Any:
    """Whole copies of arrays on one device, in every process.

    All processes must call it. What it returns can be used as on a single
    device, by each process for itself.
    """
    spread = jax.jit(lambda tree: tree, out_shardings=self._sharding())(tree)
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), spread)

  def rows(self, batch: int) -> slice:
    """The part of a batch that this process has to give.

    Args:
      batch: size of the whole batch, over all processes.

    Raises:
      runtime.SetupError: the devices do not divide the batch, or those of this
        process do not hold neighbouring rows.
    """
    self._check_batch(batch)
    sharding = self._sharding(runtime.AXES)
    parts = [
      index[0].indices(batch)[:2]
      for index in sharding.addressable_devices_indices_map((batch,)).values()
    ]
    start, stop = min(a for a, _ in parts), max(b for _, b in parts)
    if stop - start != sum(b - a for a, b in set(parts)):
      raise runtime.SetupError(
        "mesh: the devices of one process are not neighbours in it, so that a"
        " source on the host cannot feed them"
      )
    return slice(start, stop)

  def whole_batches(self, chunk: Any) -> Any:
    """Batches of all processes from the rows that each of them has.

    Args:
      chunk: NumPy arrays with leading axes of seeds, steps and the rows of
        `rows`.

    Returns:
      Arrays over all devices, with the whole batch.

    Raises:
      runtime.SetupError: the devices do not divide the batch.
    """
    sharding = self._sharding(None, None, runtime.AXES)

    def one(leaf):
      dtype = jax.dtypes.canonicalize_dtype(leaf.dtype)
      leaf = np.asarray(leaf, dtype)
      seeds, steps, rows, *rest = leaf.shape
      batch = rows * jax.process_count()
      self._check_batch(batch)
      return jax.make_array_from_process_local_data(
        sharding, leaf, (seeds, steps, batch, *rest)
      )

    return jax.tree.map(one, chunk)

  def _sharding(self, *spec) -> jax.sharding.NamedSharding:
    return jax.sharding.NamedSharding(self.mesh, P(*spec))

  def _size(self, axis: str | tuple[str, ...]) -> int:
    names = (axis,) if isinstance(axis, str) else axis
    return math.prod(self.mesh.shape[name] for name in names)

  def _check_batch(self, batch: int) -> None:
    if batch % self.mesh.size:
      raise runtime.SetupError(
        f"batch={batch}: must be a multiple of the {self.mesh.size} devices of"
        f" the mesh (data={self.mesh.shape['data']},"
        f" model={self.mesh.shape['model']}), which share it"
      )
