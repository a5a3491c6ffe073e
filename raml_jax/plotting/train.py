"""Figures of one decoder's training: its course, its tests, its samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from raml_jax.config import train as config_lib
from raml_jax.plotting import figures
from raml_jax.plotting import style

Results = Mapping[str, Mapping[str, np.ndarray]]
Metrics = Sequence[Mapping[str, Any]]

# By the array of a test: who answers.
LOOKS = {
  "right_SxB": style.Look(style.BLUE, "o", "-", "trained"),
  "untrained_SxB": style.Look(style.GREY, "+", ":", "untrained"),
  "shuffled_SxB": style.Look(
    style.ORANGE, "x", "--", "other question's answer"
  ),
}
_PASSES = {
  "pass_SxK": style.Look(style.BLUE, "o", "-", "Pass@k"),
  "mg_pass_SxK": style.Look(style.VERMILLION, "D", "--", "mG-Pass@k"),
}
_COURSE = {"loss": "loss per token", "exact_match": "exact match, validation"}


@style.styled
def course(results: Results, config: config_lib.Train, metrics: Metrics):
  """Figure 1: loss and exact match against updates, every seed."""
  fig = style.new(style.WIDE, 2.4)
  axes = fig.subplots(1, 2, squeeze=False)[0]
  step_C = np.array([line["step"] for line in metrics])
  for i, (ax, (name, title)) in enumerate(zip(axes, _COURSE.items())):
    style.letter(ax, i, title)
    value_CxS = np.array(
      [line["metrics"][name]["per_seed"] for line in metrics], float
    )
    for s, value_C in enumerate(value_CxS.T):
      label = "each seed" if s == 0 else None
      ax.plot(step_C, value_C, color=style.SKY, lw=0.7, label=label)
    ax.plot(
      step_C, value_CxS.mean(1), color=style.BLUE, marker="o", label="mean"
    )
    ax.set_xlabel("update")
    ax.set_xlim(0, config.fit.steps * 1.02)
  axes[0].set_yscale("log")
  axes[1].set_ylim(-0.02, 1.02)
  style.legend(fig, axes, 2)
  return fig


@style.styled
def tests(results: Results, config: config_lib.Train, metrics: Metrics):
  """Figure 2: right answers to every test, and those of the controls."""
  names = [config_lib.HELD_OUT, *config.measure.tests]
  fig = style.new(style.WIDE, 1.3 + 0.3 * len(names))
  ax = fig.subplots()
  rows = np.arange(len(names))
  for offset, (field, look) in zip((-0.2, 0, 0.2), LOOKS.items()):
    share_SxN = np.stack(
      [results[f"tests/{name}"][field].mean(1) for name in names], axis=1
    )
    _dots(ax, share_SxN, rows + offset, look)
  for spec in config.claims.values():
    for name, (low, _) in spec.margins.items():
      if low is not None:
        at = names.index(name)
        ax.plot([low, low], [at - 0.4, at + 0.4], color=style.BLACK, lw=0.8)
  ax.set_yticks(rows, [name.replace("_", " ") for name in names])
  ax.set_ylim(len(names) - 0.5, -0.5)
  ax.set_xlim(-0.02, 1.02)
  ax.tick_params("y", length=0)
  ax.set_xlabel("share of answers that are exactly right")
  style.legend(fig, [ax], 3)
  return fig


def _dots(ax, share_SxN, at_N, look) -> None:
  mean_N, reach = share_SxN.mean(0), None
  if len(share_SxN) > 1:
    mean_N, low_N, high_N = style.band(share_SxN)
    reach = np.maximum(0, [mean_N - low_N, high_N - mean_N])
  ax.errorbar(
    mean_N,
    at_N,
    xerr=reach,
    fmt=look.marker,
    color=look.color,
    mfc="none",
    elinewidth=0.8,
    label=look.label,
  )


@style.styled
def passes(results: Results, config: config_lib.Train, metrics: Metrics):
  """Figure 3: chances of several sampled answers."""
  found = results.get("samples")
  if found is None:
    return None
  fig = style.new(style.NARROW, 2.3)
  ax = fig.subplots()
  for name, look in _PASSES.items():
    # mG-Pass@k of a perfect model is 1 for even k alone.
    kept = (found["k_K"] % 2 == 0) | (name == "pass_SxK")
    k_K, share_SxK = found["k_K"][kept], found[name][:, kept]
    ax.plot(
      k_K,
      share_SxK.mean(0),
      color=look.color,
      ls=look.line,
      marker=look.marker,
      label=look.label,
    )
    if len(share_SxK) > 1:
      _, low_K, high_K = style.band(share_SxK)
      ax.fill_between(k_K, low_K, high_K, color=look.color, alpha=0.2)
  ax.set_xlabel("k sampled answers")
  ax.set_xticks(found["k_K"])
  ax.set_ylabel("chance")
  ax.set_ylim(top=1.005)
  style.legend(fig, [ax], 2)
  return fig


TABLE = (
  figures.Figure(
    "1_training",
    course,
    "Loss of the training batches, and greedy answers to validation questions"
    " that are exactly right, against updates. Thin: every seed. Thick: their"
    " mean.",
  ),
  figures.Figure(
    "2_tests",
    tests,
    "Greedy answers that are exactly right, to questions that training never"
    " draws: means over seeds with 95 % t-intervals. Controls: untrained models"
    " on the same questions, and the trained models' answers, each given to"
    " another question. Black: the margin of the claim.",
  ),
  figures.Figure(
    "3_samples",
    passes,
    "Sampled answers to the held-out questions: the chance that one of k is"
    " right, and how surely more than half of k are (even k). Bands: 95 %"
    " t-intervals over seeds.",
  ),
)
