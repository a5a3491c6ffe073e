"""What is measured of whom: every control is an argument of one measurement."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from raml_jax import base
from raml_jax.config import pseudo_gradient as config_lib
from raml_jax.config import pseudo_gradient_rows as rows
from raml_jax.models import gpt
from raml_jax.studies.pseudo_gradient import texts
from raml_jax.theory import alignment
from raml_jax.theory.implicit import alignments
from raml_jax.theory.implicit import examples

# The condition of which the first token alone is shown.
_HINT = "hint"


def measured(
  config: config_lib.PseudoGradient,
  model: gpt.Model,
  params: base.PyTree,
  asked: texts.Asked,
  form: str,
  name: str,
  key: base.Array,
) -> dict[str, np.ndarray]:
  """Moments of one condition of one seed.

  Y yardsticks, B questions, T tokens or steps, K blocks, W matrices, P = T + 1.

  Returns:
    update_BxTxKxW, both_YxBxTxKxW, slope_YxBxTxKxW, loss_BxP; of the correct
    trajectory also these with NAME/ in front, NAME of STAND_INS, but for losses
    and for slopes that are the token's own.
  """
  m, condition = config.measure, rows.CONDITIONS[name]
  example_B = texts.example(asked, condition.text, rows.FORMS[form])
  whole = name == rows.CORRECT and form == "preserving"
  example_B = texts.first(example_B, m.questions if whole else m.controls)
  shown = tuple(map(int, examples.token_prefixes(example_B)))
  ways = rows.ways(form, name)
  noise, ends = None, ()
  if name == rows.CORRECT:
    # All trajectories are of one length, and so are their lines.
    ends = tuple(map(int, examples.step_prefixes(example_B)[0]))
    like = alignments.shapes(params, form, len(shown) - 1)
    noise = alignments.noise(key, like)
  run = _program(model, form, shown, ways, ends)
  found = run(params, grouped(example_B, m.batch), noise)
  own = alignment.Moments(found.update_TxKxW, found.both, found.slope)
  out = {**_arrays(own, ways), "loss_BxP": found.loss_P}
  for stand_in, moments in found.stand_ins.items():
    more = _arrays(moments, ways)
    if stand_in != "steps":
      more.pop("slope_YxBxTxKxW")
    out |= {f"{stand_in}/{key}": value for key, value in more.items()}
  out = {key: np.asarray(value) for key, value in out.items()}
  return _hinted(out) if name == _HINT else out


def _arrays(m, ways):
  return {
    "update_BxTxKxW": m.update,
    "both_YxBxTxKxW": _stacked(m.both, ways),
    "slope_YxBxTxKxW": _stacked(m.slope, ways),
  }


def _hinted(arrays):
  """The first token's: what follows it is no hint."""
  return {
    "update_BxTxKxW": arrays["update_BxTxKxW"][:, :1],
    "both_YxBxTxKxW": arrays["both_YxBxTxKxW"][:, :, :1],
    "slope_YxBxTxKxW": arrays["slope_YxBxTxKxW"][:, :, :1],
    "loss_BxP": arrays["loss_BxP"][:, :2],
  }


def _stacked(by_name, names):
  return jnp.stack([by_name[name] for name in names])


def grouped(example_B: examples.Example, size: int) -> examples.Example:
  """Leaves with leading axes of groups and of `size` examples."""
  return jax.tree.map(
    lambda leaf: jnp.asarray(leaf).reshape(-1, size, *leaf.shape[1:]), example_B
  )


@functools.cache
def _program(model, form, shown, ways, ends):
  prefix_P = np.asarray(shown, np.int32)

  def run(params, example_GxB, noise):
    found = jax.lax.map(
      lambda example_B: alignments.batch(
        model, params, example_B, jnp.asarray(prefix_P), form, ways, noise, ends
      ),
      example_GxB,
    )
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), found)

  return jax.jit(run)
