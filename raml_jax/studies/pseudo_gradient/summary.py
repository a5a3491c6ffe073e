"""The numbers of all seeds that claims, tables and figures stand on.

Names are FORM/ROW/WAY/QUANTITY, with ROW a condition or a stand-in, WAY a
yardstick. S seeds, K blocks, T tokens, R parts of a scratchpad, F phases of
the leak; quantities of all blocks and matrices as one vector but for those with
an axis K.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from raml_jax.config import pseudo_gradient as config_lib
from raml_jax.config import pseudo_gradient_rows as rows_lib
from raml_jax.studies.pseudo_gradient import scores
from raml_jax.studies.pseudo_gradient import texts
from raml_jax.theory import alignment


def described(asked: texts.Asked) -> dict[str, np.ndarray]:
  """What the tokens are: parts by text, leaks, and the texts themselves."""
  steps_BxT = texts.example(asked, "correct", None).steps_T
  return {
    "swapped_T": texts.lines_reversed(steps_BxT)[0],
    "parts_T": texts.parts(asked.written_B[0]),
    "wordy_parts_T": texts.parts(asked.variants["wordy"][0]),
    "trajectory_B": np.array(
      [
        "".join(one.steps) + one.closing.removesuffix("\n")
        for one in asked.written_B
      ]
    ),
    "question_B": np.array([one.question for one in asked.written_B]),
    "answer_B": np.array([one.answer for one in asked.written_B]),
    **{f"{key}_B": value for key, value in texts.leaks(asked).items()},
  }


def summarized(
  config: config_lib.PseudoGradient,
  results: Mapping[str, Mapping[str, np.ndarray]],
) -> dict[str, np.ndarray]:
  """All numbers, stacked over seeds."""
  seeds = []
  for s in range(config.seeds):
    out = {}
    for form in rows_lib.FORMS:
      for condition in rows_lib.CONDITIONS:
        found = results[rows_lib.name(form, condition, s)]
        out |= _of_condition(form, condition, found, results["texts"])
    seen = results[rows_lib.name("curves", "seen", s)]
    held_out, tuned = scores.rules(config.rivals, seen)
    for rule in rows_lib.RULES:
      out[f"rules/{rule}/explained"] = held_out[rule]
      out[f"rules/{rule}/tuned"] = tuned[rule]
    seeds.append(out)
  return {key: np.stack([one[key] for one in seeds]) for key in seeds[0]}


def _of_condition(form, condition, found, described):
  ways = rows_lib.ways(form, condition)
  out = {f"{form}/{condition}/loss_P": found["loss_BxP"].mean(0)}
  lengths = np.sqrt(found["update_BxTxKxW"].sum((2, 3)))
  out[f"{form}/{condition}/length"] = lengths.mean()
  labels = _labels(form, condition, found["loss_BxP"].shape[0], described)
  for way in ways:
    own = scores.moments(found, ways, way)
    rows = {condition: own}
    if condition == rows_lib.CORRECT:
      for stand_in in rows_lib.STAND_INS:
        rows[stand_in] = scores.moments(found, ways, way, stand_in)
    for row, m in rows.items():
      prefix = f"{form}/{row}/{way}/"
      # Whole steps are no tokens, and play no part.
      of_tokens = {} if row == "steps" else labels
      out |= {prefix + k: v for k, v in _numbers(m, of_tokens).items()}
    if condition == rows_lib.CORRECT:
      # As all blocks together descend: the same drop as the token's own.
      joint = scores.joint(own)
      same = alignment.scaled_to(scores.joint(rows["other"]), joint)
      prefix = f"{form}/{rows_lib.SAME_DROP}/{way}/"
      out |= {prefix + k: v for k, v in scores.numbers(same).items()}
  return out


def _labels(form, condition, questions, described):
  """{name: (label_BxT, count)}: parts and phases, where tokens have them."""
  if condition == "hint":
    return {}
  if condition == "wordy":
    return {"R": (described["wordy_parts_T"][None], len(rows_lib.PARTS))}
  part_T = described["parts_T"]
  if condition == "steps_swapped":
    part_T = part_T[described["swapped_T"]]
    return {"R": (part_T[None], len(rows_lib.PARTS))}
  low, high = (
    ("any_B", "all_B") if form == "preserving" else ("first_B", "first_B")
  )
  t_1xT = np.arange(len(part_T))[None]
  phase_BxT = (t_1xT >= described[low][:questions, None]).astype(int)
  phase_BxT += t_1xT > described[high][:questions, None]
  return {
    "R": (part_T[None], len(rows_lib.PARTS)),
    "F": (phase_BxT, len(rows_lib.PHASES)),
  }


def _numbers(m, labels):
  """Of moments BxTxKxW."""
  joint, blocks = scores.joint(m), scores.of_blocks(m)
  cosine_BxT, cosine_BxTxK = alignment.cosine(joint), alignment.cosine(blocks)
  layers = blocks.update.shape[-1]
  out = scores.numbers(joint)
  out |= {
    "cosine_T": np.nanmean(cosine_BxT, 0),
    "cosine_TxK": np.nanmean(cosine_BxTxK, 0),
    "cosine_K": np.nanmean(cosine_BxTxK, (0, 1)),
    "share_K": np.nanmean(cosine_BxTxK**2, (0, 1)),
    "explained_K": np.array(
      [
        scores.explained(alignment.Moments(*(leaf[..., k] for leaf in blocks)))[
          0
        ]
        for k in range(layers)
      ]
    ),
  }
  for axis, (label_BxT, count) in labels.items():
    out[f"cosine_{axis}"] = scores.by_label(cosine_BxT, label_BxT, count)
    out[f"share_{axis}"] = scores.by_label(cosine_BxT**2, label_BxT, count)
  return out
