"""Which numbers each claim of the study stands on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from raml_jax import statistics
from raml_jax.config import train as config_lib
from raml_jax.plotting import train as plotting
from raml_jax.studies import claims

Results = Mapping[str, Mapping[str, np.ndarray]]


def exact_match(config: config_lib.Train, results: Results):
  """The share of right answers to every test that a margin is given for."""
  found = {
    name: {
      field: results[f"tests/{name}"][field].mean(axis=1)
      for field in plotting.LOOKS
    }
    for name in config.claims["exact-match"].margins
  }
  parts = [
    statistics.Part(name, "greedy answers", share_S["right_SxB"])
    for name, share_S in found.items()
  ]
  # Of all these tests, where a control comes nearest.
  controls = {
    look.label: np.max([share_S[field] for share_S in found.values()], axis=0)
    for field, look in plotting.LOOKS.items()
    if field != "right_SxB"
  }
  yield "", (parts, controls)


TABLE: dict[str, claims.Finder] = {"exact-match": exact_match}
