"""Which numbers each claim of the study stands on.

Each function is `(config, results) -> iterator of (suffix of the id, (parts,
controls))`; no parts where its schemes were not asked for. L is the number of
digits in training; all parts are beyond it, or none is.
"""

from __future__ import annotations

import numpy as np

from raml_jax import statistics
from raml_jax.config import lengths as config_lib
from raml_jax.studies import claims

Results = dict[str, dict[str, np.ndarray]]


def _found(results, format, scheme) -> tuple[dict, dict]:
  """What was measured of the trained models, and of the untrained ones."""
  name = f"{format}/{scheme}"
  return results[name], results[f"{name}_untrained"]


def _arms(config):
  """(format, scheme, L) of everything that was trained."""
  for format, arm in config.formats.items():
    for scheme in config.schemes:
      yield format, scheme, arm.digits


def in_distribution_solved(config: config_lib.Lengths, results: Results):
  """Held-out questions of every length that training has."""
  for format, scheme, trained in _arms(config):
    found, untrained = _found(results, format, scheme)
    parts = [
      statistics.Part("exact", f"{n} digits", found["accuracy_SxN"][:, n - 1])
      for n in range(1, trained + 1)
    ]
    controls = {"untrained": untrained["accuracy_SxN"][:, trained - 1]}
    yield f"/{format}/{scheme}", (parts, controls)


def length_generalises(config: config_lib.Lengths, results: Results):
  """Questions longer than any in training."""
  for format, scheme, trained in _arms(config):
    found, untrained = _found(results, format, scheme)
    exact_SxN = found["accuracy_SxN"]
    parts = [
      statistics.Part("exact", f"{n} digits", exact_SxN[:, n - 1])
      for n in range(trained + 1, 2 * trained + 1)
    ]
    controls = {
      "same model, trained length": exact_SxN[:, trained - 1],
      "untrained, trained length": untrained["accuracy_SxN"][:, trained - 1],
    }
    yield f"/{format}/{scheme}", (parts, controls)


def loses_count(config: config_lib.Lengths, results: Results):
  """Answers with too few or too many steps, over all longer lengths."""
  for format, scheme, trained in _arms(config):
    found, untrained = _found(results, format, scheme)
    share_SxN = found["miscounted_SxN"]
    part = statistics.Part(
      "share", f"more than {trained} digits", share_SxN[:, trained:].mean(1)
    )
    controls = {
      "same model, trained length": share_SxN[:, trained - 1],
      "untrained": untrained["miscounted_SxN"][:, trained:].mean(1),
    }
    yield f"/{format}/{scheme}", ([part], controls)


def abacus_best(config: config_lib.Lengths, results: Results):
  """Exact match over all longer lengths, less that of every other scheme."""
  for format, arm in config.formats.items():
    trained = arm.digits
    exact = {
      scheme: results[f"{format}/{scheme}"]["accuracy_SxN"]
      for scheme in config.schemes
    }
    mine_SxN = exact.pop("abacus", None)
    if mine_SxN is None or not exact:
      continue
    parts = [
      statistics.Part(
        "gain", f"over {scheme}", (mine_SxN - other_SxN)[:, trained:].mean(1)
      )
      for scheme, other_SxN in exact.items()
    ]
    controls = {
      f"over {scheme}, trained length": (mine_SxN - other_SxN)[:, trained - 1]
      for scheme, other_SxN in exact.items()
    }
    yield f"/{format}", (parts, controls)


TABLE: dict[str, claims.Finder] = {
  "in-distribution-solved": in_distribution_solved,
  "length-generalises": length_generalises,
  "loses-count": loses_count,
  "abacus-best": abacus_best,
}
IDS = tuple(TABLE)
