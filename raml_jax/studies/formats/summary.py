"""What the figures, the claims and the report all read: curves and bounds.

Arrays by name; F is a format, P one of PROTOCOLS:

    F/examples_SxN, F/tokens_SxN      size of the data sets
    F/P/right_SxN                     share of right answers
    F/P/UNIT/low_S, F/P/UNIT/high_S   log2 of what is needed, in UNITS
    plain/untrained/P/right_S         share of right answers of the controls
    plain/shuffled/P/right_S
    F/cut/P/right_S                   and where windows begin anywhere
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from raml_jax.config import formats as config_lib
from raml_jax.studies.formats import needed as needed_lib

Arrays = Mapping[str, np.ndarray]
UNITS = ("examples", "tokens")
# A prompt stands alone, as published, or behind a sign, as in training.
PROTOCOLS = ("bare", "led")


def protocols(config: config_lib.Formats, kind: str = "") -> tuple[str, ...]:
  """In which a run of some kind is asked.

  Where all windows begin with a question, a sign in front of one was never
  seen.
  """
  whole = not kind and config.begin == "examples"
  return PROTOCOLS[:1] if whole else PROTOCOLS


def compute(
  config: config_lib.Formats, results: Mapping[str, Arrays]
) -> dict[str, np.ndarray]:
  """The summary of what was measured of every run."""
  out = {}
  for format, sizes in config.sizes.items():
    for other, name in _others(config, format).items():
      for protocol in PROTOCOLS:
        right_SxB = results[name][f"{protocol}/right_SxB"]
        out[f"{format}/{other}/{protocol}/right_S"] = right_SxB.mean(axis=1)
    found = [results[f"{format}/n{size}"] for size in sizes]
    out[f"{format}/examples_SxN"] = np.tile(sizes, (config.seeds, 1))
    out[f"{format}/tokens_SxN"] = np.stack([f["tokens_S"] for f in found], 1)
    for protocol in protocols(config):
      right = f"{protocol}/right_SxB"
      right_SxN = np.stack([f[right].mean(axis=1) for f in found], axis=1)
      out[f"{format}/{protocol}/right_SxN"] = right_SxN
      for unit in UNITS:
        bounds = needed_lib.needed(
          right_SxN, out[f"{format}/{unit}_SxN"], config.measure.threshold
        )
        for name, values_S in bounds._asdict().items():
          out[f"{format}/{protocol}/{unit}/{name}"] = values_S
  return out


def _others(config, format) -> dict[str, str]:
  """Names of the results of a format outside of the comparison."""
  most = config.sizes[format][-1]
  found = {}
  if format == "plain":
    found["untrained"] = "plain/untrained"
    found["shuffled"] = f"plain/shuffled_n{most}"
  if config.begin == "anywhere":
    found["cut"] = f"{format}/n{most}"
  elif format in config.cut:
    found["cut"] = f"{format}/cut_n{most}"
  return found


def bounds(
  summary: Arrays, format: str, protocol: str, unit: str
) -> needed_lib.Needed:
  """What a format needs."""
  prefix = f"{format}/{protocol}/{unit}"
  return needed_lib.Needed(
    summary[f"{prefix}/low_S"], summary[f"{prefix}/high_S"]
  )


def curve(
  summary: Arrays, format: str, protocol: str, unit: str
) -> tuple[np.ndarray, np.ndarray]:
  """(right_SxN, amount_SxN) of a format."""
  return (
    summary[f"{format}/{protocol}/right_SxN"],
    summary[f"{format}/{unit}_SxN"],
  )
