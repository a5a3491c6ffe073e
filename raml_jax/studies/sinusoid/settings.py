"""What each method was given, and where that departs from what is published."""

from __future__ import annotations

from raml_jax.config import sinusoid as config_lib
from raml_jax.plotting import adaptation
from raml_jax.studies import tables

# Finn, Abbeel, Levine 2017, section 5.1.
_ITERATIONS, _BATCH, _ALPHA, _STEPS = 70_000, 25, 0.01, 1
_OUTER = config_lib.Outer("adam", 0.001, "constant")
_SOURCES = {
  "maml": "Finn et al. 2017",
  "first_order": "Finn et al. 2017, section 5.2",
  "anil": "Raghu et al. 2020: the head alone moves",
  "meta_sgd": "Li et al. 2017: a learned step size for every parameter,"
  " started from that of MAML (there: at random)",
  "reptile": "Nichol et al. 2018: several inner steps, none of them"
  " differentiated; there SGD outside with a step that falls linearly, and"
  " one task per update",
  "imaml": "Rajeswaran et al. 2019: its inner problem has a proximal term"
  " (there: not on sinusoids); here adapted to new tasks by plain gradient"
  " descent without that term, as everyone is",
  "pretrained": "Finn et al. 2017: one network for all tasks; its step"
  " size is tuned",
  "oracle": "Finn et al. 2017: is told amplitude and phase",
}


def section(config: config_lib.Sinusoid) -> list[str]:
  """Lines of the report."""
  return [
    "",
    "## Settings",
    "",
    "Every method makes the same number of updates on the same number of fresh"
    " tasks, and each task shows it the same 2K labels: K on the support set"
    " and K on the query set, or, for the methods that have no query set in"
    " training, all of them at once.",
    *tables.table(
      ("method", "inner loop in training", "outer loop", "source, differences"),
      [
        [
          adaptation.LOOKS[name].label,
          _inner(config, name),
          _outer(config.outer[name]),
          _SOURCES[name],
        ]
        for name in config.methods
      ],
    ),
    "",
    "Departures from Finn et al. 2017:",
    "",
    *(f"- {text}" for text in _departures(config)),
  ]


def _inner(config: config_lib.Sinusoid, name: str) -> str:
  if name in ("pretrained", "oracle"):
    return "none"
  if name == "imaml":
    c = config.imaml
    return (
      f"{_steps(c.steps)} of {c.alpha:g}, momentum {c.mu:g}, gradients cut at"
      f" {c.clip:g}, lambda = {c.strength:g}; at most {c.iterations} CG steps"
    )
  inner = config.reptile if name == "reptile" else config.inner
  return f"{_steps(inner.steps)} of {inner.alpha:g}"


def _steps(count: int) -> str:
  return f"{count} step" + ("s" if count > 1 else "")


def _outer(outer: config_lib.Outer) -> str:
  return f"{outer.rule}, {outer.learning_rate:g}, {outer.schedule}"


def _departures(config: config_lib.Sinusoid) -> list[str]:
  """Each in a line."""
  out = []
  if config.iterations != _ITERATIONS:
    out.append(f"{config.iterations} updates, not {_ITERATIONS}.")
  if config.batch != _BATCH:
    out.append(f"{config.batch} tasks per update, not {_BATCH}.")
  if (config.inner.alpha, config.inner.steps) != (_ALPHA, _STEPS):
    out.append(
      f"{_steps(config.inner.steps)} of {config.inner.alpha:g} in training, not"
      f" {_STEPS} of {_ALPHA:g}."
    )
  outer = config.outer.get("maml")
  if outer is not None and outer != _OUTER:
    out.append(
      f"MAML's outer loop is {_outer(outer)}; theirs {_outer(_OUTER)}."
    )
  c = config.network
  if (c.widths, c.scale) != ((40, 40), 0.01):
    out.append(f"Hidden layers {c.widths}, initial scale {c.scale:g}.")
  return [
    *out,
    "The inner step size is the paper's 0.01; its code has 0.001 by default.",
    f"Errors are measured on {config.measure.queries} points of each task, not"
    " on K: less noise, the same expectation.",
    "The pretrained network and the oracle are trained on both sets of every"
    " task; theirs on the support set alone. Each has the best step size for"
    " every number of steps.",
  ]
