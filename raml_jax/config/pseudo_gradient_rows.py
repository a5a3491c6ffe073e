"""What the pseudo-gradient study compares: names that all of its parts share.

Updates of every token of a CONDITION, and STAND_INS for those of the correct
trajectory, are held against the descent directions WAYS.
"""

from __future__ import annotations

from typing import NamedTuple

# Form of the path -> how many read-outs, None for the whole answer.
FORMS = {"preserving": None, "rank_one": 1}
WAYS = {
  "full": "full gradient",
  "constrained": "gradient that spares the question",
  "at_reads": "gradient through the read-outs",
  "layer_local": "layer-local gradient",
}


class Condition(NamedTuple):
  """One row of the table of controls.

  Attributes:
    who: of `studies.pseudo_gradient.models.WHO`.
    text: of `studies.pseudo_gradient.texts.NAMES`.
    label: in figures and tables.
  """

  who: str
  text: str
  label: str


CORRECT = "correct"
CONDITIONS = {
  CORRECT: Condition("trained", "correct", "correct trajectory"),
  "hint": Condition("trained", "hint", "one-token hint"),
  "wordy": Condition("trained", "wordy", "wordier, correct"),
  **{
    name: Condition("trained", name, label)
    for name, label in (
      ("steps_swapped", "correct, steps swapped"),
      ("other_trajectory", "another question's text"),
      ("wrong_digit", "wrong digit"),
      ("wrong_carry", "wrong carry"),
      ("shuffled", "lines shuffled"),
      ("filler", "filler"),
      ("random_tokens", "random tokens"),
    )
  },
  "untrained": Condition("untrained", "correct", "untrained model"),
  "embeddings": Condition("embeddings", "correct", "trained embeddings only"),
  "direct": Condition("direct", "correct", "direct model"),
}
# Other updates, against the slopes of the correct trajectory.
STAND_INS = {
  "steps": "correct, whole steps",
  "other": "another question's update",
  "random": "random direction",
}
SAME_DROP = "other_same_drop"
LABELS = {
  **{name: condition.label for name, condition in CONDITIONS.items()},
  **STAND_INS,
  SAME_DROP: "another question's, same drop",
}
# Parts that a token of a scratchpad plays.
PARTS = ("copy", "label", "digit", "carry", "separator", "delimiter")
# Of the token whose update is measured: no digit of the answer is stated yet;
# the first but not the last of them was, this token included; all were.
PHASES = ("before the leak", "while it leaks", "after the leak")
RULES = {
  "sgd": "gradient descent",
  "momentum": "momentum",
  "sign": "sign descent",
  "adam": "Adam",
  "layer_local": "layer-local descent",
  "constrained": "descent that spares the question",
  "diagonal": "fitted diagonal preconditioner",
}


def ways(form: str, condition: str) -> tuple[str, ...]:
  """What a condition is held against: all there is where it is correct."""
  every = tuple(WAYS)
  if form == "rank_one":
    every = ("full", "at_reads", "layer_local")
  return every if condition == CORRECT else every[:2]


def name(group: str, what: str, seed: int) -> str:
  """Of a result, e.g. "preserving/correct/s0"."""
  return f"{group}/{what}/s{seed}"
