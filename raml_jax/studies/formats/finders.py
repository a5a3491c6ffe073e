"""Which numbers each claim of the study stands on.

Each function is `(config, summary) -> iterator of (suffix of the id, (parts,
controls))`; no parts where a format was not run, or the runs do not tell.
"""

from __future__ import annotations

from collections.abc import Iterator
import operator

import numpy as np

from raml_jax import statistics
from raml_jax.config import formats as config_lib
from raml_jax.studies import claims
from raml_jax.studies.formats import needed as needed_lib
from raml_jax.studies.formats import summary as summary_lib

Arrays = summary_lib.Arrays
# (slow, fast): which needs more than which, as published.
PAIRS = {
  "examples": (
    ("plain", "reversed"),
    ("reversed", "simplified"),
    ("simplified", "detailed"),
  ),
  "tokens": (
    ("plain", "reversed"),
    ("simplified", "reversed"),
    ("detailed", "simplified"),
  ),
}
SUFFIXES = {"bare": "", "led": "/led"}
# What they are called in a claim, and in the summary.
CONTROLS = {"untrained": "untrained", "shuffled answers": "shuffled"}
_SAME = "same format, other seeds"


def _order(unit: str) -> claims.Finder:
  """Who needs fewer: by the threshold, and by whole curves."""

  def find(config: config_lib.Formats, summary: Arrays):
    formats = {name for pair in PAIRS[unit] for name in pair}
    if not formats <= set(config.sizes):
      yield "", ([], {})
      return
    for protocol in summary_lib.protocols(config):
      suffix = SUFFIXES[protocol]
      ratios = _ratios(config, summary, protocol, unit)
      controls = dict(_ratio_controls(config, summary, protocol, unit))
      yield suffix, (ratios, controls)
      areas = _areas(summary, protocol, unit)
      controls = dict(_area_controls(summary, protocol, unit))
      yield f"{suffix}/curves", (areas, controls)

  return find


def _ratios(config, summary, protocol, unit) -> list[statistics.Part]:
  parts = []
  for slow, fast in PAIRS[unit]:
    value_S, told_S = needed_lib.log_ratio(
      summary_lib.bounds(summary, slow, protocol, unit),
      summary_lib.bounds(summary, fast, protocol, unit),
    )
    if not told_S.any():
      print(
        f"a claim on {unit} ({protocol}) stays open: no seed tells which of"
        f" {slow} and {fast} reaches {config.measure.threshold:.0%} first"
      )
      return []
    known = f"told by {told_S.sum()} of {told_S.size} seeds"
    where = f"{slow} over {fast}, {known}"
    parts.append(statistics.Part("ratio", where, value_S))
  return parts


def _areas(summary, protocol, unit) -> list[statistics.Part]:
  parts = []
  for slow, fast in PAIRS[unit]:
    value_S = needed_lib.advantage(
      summary_lib.curve(summary, slow, protocol, unit),
      summary_lib.curve(summary, fast, protocol, unit),
    )
    if value_S is None:
      # An order of those pairs alone that can be compared would be another one.
      print(
        f"a claim on curves over {unit} ({protocol}) stays open: {slow} and"
        f" {fast} were not measured over a common range"
      )
      return []
    where = f"{fast} above {slow}"
    parts.append(statistics.Part("area", where, value_S))
  return parts


def _flat(summary, protocol, unit) -> Iterator[tuple[str, tuple]]:
  """Controls as curves of plain: (right_SxN, amount_SxN)."""
  amount_SxN = summary[f"plain/{unit}_SxN"]
  for name, control in CONTROLS.items():
    right_S = summary[f"plain/{control}/{protocol}/right_S"]
    right_SxN = np.broadcast_to(right_S[:, None], amount_SxN.shape)
    yield name, (right_SxN, amount_SxN)


def _ratio_controls(config, summary, protocol, unit):
  """A control in the place of the faster format of the first pair."""
  threshold = config.measure.threshold
  slow = summary_lib.bounds(summary, PAIRS[unit][0][1], protocol, unit)
  for name, flat in _flat(summary, protocol, unit):
    fast = needed_lib.needed(*flat, threshold)
    yield name, needed_lib.log_ratio(slow, fast)[0]
  turned = needed_lib.Needed(*(np.roll(values, 1) for values in slow))
  yield _SAME, needed_lib.log_ratio(slow, turned)[0]


def _area_controls(summary, protocol, unit):
  slow = summary_lib.curve(summary, PAIRS[unit][0][1], protocol, unit)
  for name, flat in _flat(summary, protocol, unit):
    value_S = needed_lib.advantage(slow, flat)
    if value_S is not None:
      yield name, value_S
  turned = tuple(np.roll(values, 1, axis=0) for values in slow)
  yield _SAME, needed_lib.advantage(slow, turned)


def plain_plateaus(config: config_lib.Formats, summary: Arrays):
  """Each format at its largest size."""
  for protocol in summary_lib.protocols(config):
    parts = []
    for format, sizes in config.sizes.items():
      quantity = "plain" if format == "plain" else "others"
      where = f"{format}, {sizes[-1]} examples"
      right_S = summary[f"{format}/{protocol}/right_SxN"][:, -1]
      parts.append(statistics.Part(quantity, where, right_S))
    if "plain" not in config.sizes:
      parts = []
    right = operator.itemgetter(protocol)
    yield SUFFIXES[protocol], (parts, _controls(summary, right))


def newline_artefact(config: config_lib.Formats, summary: Arrays):
  """What the sign in front adds where windows begin anywhere."""
  gains, others = [], []
  for format, sizes in config.sizes.items():
    if f"{format}/cut/bare/right_S" not in summary:
      continue
    right = {p: summary[f"{format}/cut/{p}/right_S"] for p in SUFFIXES}
    where = f"{format}, {sizes[-1]} examples"
    if format == "plain":
      gains.append(statistics.Part("gain", where, _gain(right)))
    else:
      others.append(statistics.Part("unmoved", where, _gain(right)))
  controls = _controls(summary, _gain)
  yield "", (gains, controls)
  yield "/others", (others, controls)


def _gain(right) -> np.ndarray:
  return right["led"] - right["bare"]


def _controls(summary, value) -> dict[str, np.ndarray]:
  """`value` of the share of right answers by protocol, of each control."""
  found = {}
  for name, control in CONTROLS.items():
    prefix = f"plain/{control}"
    if f"{prefix}/bare/right_S" in summary:
      found[name] = value(
        {p: summary[f"{prefix}/{p}/right_S"] for p in SUFFIXES}
      )
  return found


TABLE: dict[str, claims.Finder] = {
  "format-order": _order("examples"),
  "plain-plateaus": plain_plateaus,
  "newline-artefact": newline_artefact,
  "equal-tokens-order": _order("tokens"),
}
IDS = tuple(TABLE)
