"""Modes of models compared where no basis is shared: CKA and probes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from raml_jax.config import maml_vs_cot_arithmetic as config_lib
from raml_jax.studies.maml_vs_cot_arithmetic import texts
from raml_jax.theory import hidden

# Where a probe is fitted, and where it is tried.
PROBED = ("plain", "context", "inner")


def changes(stream_BxPxKxRxC: np.ndarray, mode: str) -> np.ndarray:
  """What a mode adds to the plain states: LxKxRxBxC, after 1..L lines."""
  states = np.float64(stream_BxPxKxRxC)
  lines = (states.shape[1] - 1) // 2
  first = 1 if mode == "context" else 1 + lines
  moved = states[:, first : first + lines] - states[:, :1]
  return moved.transpose(1, 2, 3, 0, 4)


def compared(
  config: config_lib.Arithmetic, states: Mapping[str, dict[str, np.ndarray]]
) -> dict[str, np.ndarray]:
  """CKA of the changes in every pair of modes of all arms.

  Args:
    config: of the study.
    states: of every arm, by name.

  Returns:
    names_N: "arm/mode"; means over read-outs: cka_SxLxKxNxN; floor_SxLxKxNxN,
    with the questions of the second paired at random; across_SxLxKxNxN, of a
    mode in one seed and the next, on the diagonal alone.
  """
  modes = [(arm, mode) for arm in states for mode in config_lib.MODES]
  names = [f"{arm}/{mode}" for arm, mode in modes]
  rows = [
    [changes(states[arm]["stream_SxBxPxKxRxC"][s], mode) for arm, mode in modes]
    for s in range(config.seeds)
  ]
  lines, blocks, reads, questions, _ = rows[0][0].shape
  order_B = np.random.default_rng(config.seed).permutation(questions)
  shape = (config.seeds, lines, blocks, len(names), len(names))
  out = {kind: np.full(shape, np.nan) for kind in ("cka", "floor", "across")}
  for s, l, k, i, j in np.ndindex(*shape):
    if j > i:
      continue
    x_RxBxC, y_RxBxC = rows[s][i][l, k], rows[s][j][l, k]
    found = {
      "cka": _mean_cka(x_RxBxC, y_RxBxC),
      "floor": _mean_cka(x_RxBxC, y_RxBxC[:, order_B]),
    }
    if i == j:
      again_RxBxC = rows[(s + 1) % config.seeds][i][l, k]
      found["across"] = _mean_cka(x_RxBxC, again_RxBxC)
    for kind, value in found.items():
      out[kind][s, l, k, i, j] = out[kind][s, l, k, j, i] = value
  arrays = {f"{kind}_SxLxKxNxN": value for kind, value in out.items()}
  return {"names_N": np.array(names), **arrays}


def _mean_cka(x_RxBxC, y_RxBxC):
  return np.mean([hidden.cka(x, y) for x, y in zip(x_RxBxC, y_RxBxC)])


def probed(
  config: config_lib.Arithmetic,
  asked: texts.Asked,
  states: Mapping[str, dict[str, np.ndarray]],
) -> dict[str, np.ndarray]:
  """Linear probes for the answer's tokens, fitted in one mode, tried in all.

  Fitted to the states of half of the questions after all lines, tried on the
  other half; the mean over read-outs.

  Returns:
    By arm right_SxKx3x3, block, fitted in and tried in (`PROBED`); and
    chance_R, the share of the commonest token.
  """
  text = asked.texts["own"]
  target_BxR = np.stack(
    [
      tokens_L[np.flatnonzero(answer_L)[: config.measure.reads]]
      for tokens_L, answer_L in zip(text.tokens_L, text.answer_L)
    ]
  )
  half = len(target_BxR) // 2
  labels = [
    np.unique(column_B, return_inverse=True) for column_B in target_BxR.T
  ]
  out = {
    "chance_R": np.array(
      [np.bincount(label_B[half:]).max() / half for _, label_B in labels]
    )
  }
  for arm, found in states.items():
    stream = np.float64(found["stream_SxBxPxKxRxC"])
    seeds, _, places, blocks, reads, _ = stream.shape
    at = (0, (places - 1) // 2, places - 1)
    right = np.zeros((seeds, blocks, len(at), len(at), reads))
    for s, k, r in np.ndindex(seeds, blocks, reads):
      classes, label_B = len(labels[r][0]), labels[r][1]
      for i, p in enumerate(at):
        x_BxC = stream[s, :half, p, k, r]
        read = hidden.probe(
          x_BxC, label_B[:half], classes, config.measure.ridge
        )
        for j, q in enumerate(at):
          x_BxC = stream[s, half:, q, k, r]
          right[s, k, i, j, r] = hidden.accuracy(read, x_BxC, label_B[half:])
    out[f"{arm}/right_SxKx3x3"] = right.mean(-1)
  return out
