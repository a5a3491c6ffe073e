"""Where the examples of training come from.

Fresh ones are written on the device where that can be, else on the host; stored
ones are read from a data set, which is prepared if it is not there. Either way
they are packed so that little is padding.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np

from raml_jax import base
from raml_jax import parsing
from raml_jax.config import train as config_lib
from raml_jax.tasks import prepared
from raml_jax.tasks import vocab
from raml_jax.tasks.arithmetic.families import family as family_lib
from raml_jax.training import host_sources
from raml_jax.training import packing as packing_lib
from raml_jax.training import placement as placement_lib
from raml_jax.training import runtime
from raml_jax.training import sources

# Steps whose examples are measured before they are packed.
_PROBED = 16
# Room for variants, over the longest of some.
_ROOM = 1.5
_TRIED = 64


@dataclasses.dataclass(frozen=True, eq=False)
class Packed:
  """Batches from a source on the host, put into rows there.

  Attributes:
    source: of examples: those of this process where a row is one example, else
      of all processes, because whole batches are sorted.
    packing: how they are put into rows.
    own: the rows of this process, of all that are packed.
  """

  source: host_sources.Source
  packing: packing_lib.Packing
  own: slice

  def chunk(self, first: int, count: int) -> packing_lib.Rows:
    """Leaves are S x count x rows x width."""
    written_SxCxBxL = self.source.chunk(first, count)
    if self.packing.examples == 1:
      return self.packing.rows(written_SxCxBxL)
    seeds = written_SxCxBxL.tokens_L.shape[0]
    written_NxBxL = jax.tree.map(
      lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), written_SxCxBxL
    )

    def one(n):
      return self.packing.rows(
        jax.tree.map(lambda leaf: leaf[n], written_NxBxL)
      )

    every = [one(n) for n in range(seeds * count)]

    def stacked(*leaves):
      rows = np.stack(leaves)[:, self.own]
      return rows.reshape(seeds, count, *rows.shape[1:])

    return jax.tree.map(stacked, *every)


def room(
  config: config_lib.Train, family: family_lib.Family
) -> family_lib.Family:
  """The family with room for the variants that are asked for.

  Raises:
    ConfigError: there is no such variant, or not of these questions.
  """
  if not config.data.variants:
    return family
  longest = family.context
  wide = dataclasses.replace(family, length=8 * family.context)
  for variant in config.data.variants:
    written = _written(config, wide, _TRIED, (variant,)).chunk(0, 1)
    longest = max(longest, int(_lengths(written).max()))
  return dataclasses.replace(family, length=int(_ROOM * longest))


def source(
  config: config_lib.Train,
  family: family_lib.Family,
  placement: placement_lib.Placement | None = None,
) -> tuple[Any, packing_lib.Packing]:
  """What `loop.Phase` reads, and how its examples are packed.

  Args:
    config: of the run.
    family: of the questions, with `room` for how they are written.
    placement: on several devices, or None.

  Raises:
    ConfigError: a data set that does not exist or holds another task, or a
      batch that cannot be cut.
    DatasetError: a data set that cannot be prepared, or is damaged.
  """
  fit, devices = config.fit, placement.mesh.size if placement else 1
  parts = fit.microbatches * devices
  if fit.batch % parts:
    raise parsing.ConfigError(
      f"config.fit.batch = {fit.batch}: must be a multiple of {parts}, the"
      f" microbatches = {fit.microbatches} times {devices} devices"
    )
  if config.data.dataset is not None:
    table = _table(config, family)
    make = lambda **which: host_sources.Stored(
      table, fit.batch, config.seeds, config.seed, **which
    )
  elif config.data.variants or not family.on_device:
    make = lambda **which: _written(
      config, family, fit.batch, config.data.variants or ("correct",), **which
    )
  else:
    packing = packing_lib.packing(family, fit.batch, parts)
    return sources.Written(family, fit.batch, packing), packing
  probe = _lengths(dataclasses.replace(make(), seeds=1).chunk(0, _PROBED))
  packing = packing_lib.fitting(
    probe.reshape(-1), family.context, fit.batch, parts
  )
  rows = fit.batch // packing.examples
  own = slice(0, rows) if placement is None else placement.rows(rows)
  which = {}
  if packing.examples == 1:
    count = own.stop - own.start
    which = {"process": own.start // count, "processes": rows // count}
  packed = Packed(make(**which), packing, own)
  return host_sources.Ahead(packed, fit.steps), packing


def _written(config, family, batch, variants, **which) -> host_sources.Written:
  try:
    found = host_sources.Written(
      family, batch, config.seeds, config.seed, variants, **which
    )
    found.chunk(0, 1)
    return found
  except ValueError as error:
    raise parsing.ConfigError(f"config.data.variants: {error}") from error


def _lengths(written: base.Trajectory) -> np.ndarray:
  return (np.asarray(written.tokens_L) != vocab.PAD).sum(-1)


def _table(config, family) -> host_sources.Table:
  """All examples of the training split, in memory."""
  # Here, as it needs a package that this study can do without.
  from raml_jax.tasks import datasets

  name, _, kind = config.data.dataset.partition("/")
  field = f"config.data.dataset = {config.data.dataset!r}"
  if name not in datasets.BUILDERS:
    known = ", ".join(f"{other}/..." for other in datasets.BUILDERS)
    raise parsing.ConfigError(f"{field}: must be one of {known}")
  known = datasets.BUILDERS[name].builder_configs
  if kind not in known:
    names = ", ".join(f"{name}/{other}" for other in known)
    raise parsing.ConfigError(f"{field}: must be one of {names}")
  held = known[kind].drawn_from("train")
  if held != family:
    raise parsing.ConfigError(f"{field}: holds {held}, config.task is {family}")
  failure = ""
  try:
    builder = datasets.BUILDERS[name](config=kind, data_dir=config.data.folder)
    # The others wait below, where failures are told.
    if runtime.is_main():
      builder.download_and_prepare()
  except (OSError, prepared.DatasetError) as error:
    failure = prepared.line(error)
  for line in filter(None, runtime.gather_text(failure)):
    raise prepared.DatasetError(f"{field}: {line}")
  records = builder.as_data_source(split="train")
  return host_sources.in_memory(records, family.context)
