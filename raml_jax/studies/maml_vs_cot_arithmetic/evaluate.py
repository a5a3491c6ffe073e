"""The two modes of every arm: lines in context, or inner steps on them.

Both begin with the plain model, and both end with all lines of a trajectory:
after k of them the answer is read out, by the same decoder in one basis.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from raml_jax import base
from raml_jax.config import maml_vs_cot_arithmetic as config_lib
from raml_jax.studies.maml_vs_cot_arithmetic import arms
from raml_jax.studies.maml_vs_cot_arithmetic import texts
from raml_jax.theory import hidden
from raml_jax.training import evaluation
from raml_jax.training import loop
from raml_jax.training import sequences

_AT_ONCE = 50  # questions side by side, each with parameters of its own


class Found(NamedTuple):
  """Of one question and one trajectory; P = K + 1 lines, 0 first.

  Attributes:
    loss_MxP: the answer's, by mode.
    right_MxP: whether greedy decoding is exactly right.
    both: inner steps on the trajectory beside the same one in context, after
      1..K lines: leaves K x blocks.
    apart: inner steps on it beside the question's own one in context.
    stream_PxKxRxC: the stream of the read-outs after every block: plain, then
      1..K lines in context, then 1..K lines descended.
  """

  loss_MxP: base.Array
  right_MxP: base.Array
  both: hidden.Similarity
  apart: hidden.Similarity
  stream_PxKxRxC: base.Array


def step_sizes(config: config_lib.Arithmetic) -> np.ndarray:
  """The grid that is tuned over."""
  t = config.tune
  return np.geomspace(t.low, t.high, t.points).astype(np.float32)


def own_steps(name: str) -> bool:
  """Whether an arm was trained with inner step sizes."""
  return name in config_lib.MAML


@functools.partial(jax.jit, static_argnums=0)
def _end_losses(descent, theta_S, texts_B):
  """The answer's loss after all lines are descended: [S]."""

  def seed(theta):
    loss = functools.partial(descent.loss, theta)
    return jnp.mean(jax.lax.map(loss, texts_B, batch_size=_AT_ONCE))

  return jax.lax.map(seed, theta_S)


def tuned(
  config: config_lib.Arithmetic, params_S: base.PyTree, asked: texts.Asked
) -> dict[str, np.ndarray]:
  """The step size and the number of steps by which one's own lines help most.

  Args:
    config: of the study.
    params_S: of an arm without step sizes, stacked over seeds.
    asked: of the validation split.

  Returns:
    alpha, repeats: the best of all, by the mean over seeds; loss_SxNxG: the
    answer's loss for every number of steps and step size, repeats_N, alpha_G.
  """
  t, alpha_G = config.tune, step_sizes(config)
  own_B = asked.first("own", t.questions)
  loss_SxNxG = np.stack(
    [
      np.stack([_tried(config, params_S, own_B, n, a) for a in alpha_G], 1)
      for n in t.repeats
    ],
    axis=1,
  )
  mean_NxG = np.where(np.isnan(loss_SxNxG), np.inf, loss_SxNxG).mean(0)
  n, g = np.unravel_index(mean_NxG.argmin(), mean_NxG.shape)
  return {
    "alpha": alpha_G[g],
    "repeats": np.int64(t.repeats[n]),
    "loss_SxNxG": loss_SxNxG,
    "repeats_N": np.array(t.repeats),
    "alpha_G": alpha_G,
  }


def _tried(config, params_S, own_B, repeats, alpha):
  theta_S = jax.vmap(lambda p: arms.with_step(config, p, alpha))(params_S)
  descent = arms.tested(config, "cot", repeats)
  return np.asarray(_end_losses(descent, theta_S, own_B))


def written(
  config: config_lib.Arithmetic, params_S: base.PyTree, asked: texts.Asked
) -> dict[str, np.ndarray]:
  """What the chain of thought makes of lines that it writes itself.

  Returns:
    right_SxB: the answer is exactly right; sound_SxB: every line is true.
  """
  prompt_BxT = evaluation.prompts(asked.written["own"])
  net = arms.model(config)
  exam = evaluation.Exam(
    prompt_BxT, net.options.context - prompt_BxT.shape[1], config.task.base
  )
  key = loop.evaluation_key(jax.random.key(config.seed), "written")
  tokens_SxBxW = evaluation.answers(net, params_S, exam, key)[:, :, 0]
  graded = evaluation.graded(exam, tokens_SxBxW, steps=True)
  return {"right_SxB": graded.right_SxB, "sound_SxB": graded.sound_SxB}


@functools.partial(jax.jit, static_argnums=(0, 4))
def _measure(descent, theta_S, own_B, tried_B, reads) -> Found:
  def seed(theta):
    def one(pair):
      return found(descent, theta, *pair, reads)

    return jax.lax.map(one, (own_B, tried_B), batch_size=_AT_ONCE)

  return jax.lax.map(seed, theta_S)


def found(
  descent: sequences.Descent,
  theta: base.PyTree,
  own: sequences.Text,
  tried: sequences.Text,
  reads: int,
) -> Found:
  """One question: its own trajectory, and the one that is tried."""
  model, start = descent.model, descent.whole(theta["start"])
  places_R = hidden.reads(own, reads)

  def look(params, one, lines):
    logits_LxV, aux = sequences.seen(model, params, one, lines)
    return (
      sequences.answer_loss(logits_LxV, one),
      sequences.answer_right(logits_LxV, one),
      hidden.states(aux, one, places_R),
    )

  line_P = jnp.arange(descent.layout.lines + 1)
  in_context = jax.vmap(look, (None, None, 0))
  own_context = in_context(start, own, line_P)[2]
  loss_P, right_P, context = in_context(start, tried, line_P)
  moved_K = descent.iterates(theta, tried)
  loss_K, right_K, inner = jax.vmap(look, (0, None, None))(moved_K, own, 0)
  plain = jax.tree.map(lambda a: a[0], context)

  def alike(states):
    steps = jax.tree.map(lambda a: a[1:], states)
    return jax.vmap(hidden.similarity, (0, 0, None))(steps, inner, plain)

  return Found(
    jnp.stack([loss_P, jnp.concatenate([loss_P[:1], loss_K])]),
    jnp.stack([right_P, jnp.concatenate([right_P[:1], right_K])]),
    alike(context),
    alike(own_context),
    jnp.concatenate([context.stream_KxRxC, inner.stream_KxRxC]),
  )


def measured(
  config: config_lib.Arithmetic,
  name: str,
  theta_S: base.PyTree,
  repeats: int,
  asked: texts.Asked,
) -> dict[str, dict[str, np.ndarray]]:
  """Everything about one arm, every kind of trajectory.

  Args:
    config: of the study.
    name: of the arm.
    theta_S: start and step sizes, stacked over seeds.
    repeats: inner steps on each line.
    asked: of the test split.

  Returns:
    "numbers": by kind loss_SxMxPxB, right_SxMxPxB and the means over
      questions of both similarities, e.g. "own/apart/stream_SxLxK" after L
      lines, in block K.
    "states": stream_SxBxPxKxRxC of the own trajectory, see `Found`.
  """
  m = config.measure
  counts = [m.questions] + [m.control_questions] * (len(config_lib.KINDS) - 1)
  own_B, tried_B = (
    jax.tree.map(
      lambda *leaves: np.concatenate(leaves),
      *(asked.first(kind, count) for kind, count in zip(kinds, counts)),
    )
    for kinds in (("own",) * len(config_lib.KINDS), config_lib.KINDS)
  )
  descent = arms.tested(config, name, repeats)
  out = _measure(descent, theta_S, own_B, tried_B, m.reads)
  out = jax.tree.map(np.asarray, out)
  numbers = {}
  for kind, end, count in zip(config_lib.KINDS, np.cumsum(counts), counts):
    at = slice(end - count, end)
    some = jax.tree.map(lambda a, at=at: a[:, at], out)
    numbers[f"{kind}/loss_SxMxPxB"] = np.moveaxis(some.loss_MxP, 1, -1)
    numbers[f"{kind}/right_SxMxPxB"] = np.moveaxis(some.right_MxP, 1, -1)
    numbers[f"{kind}/rec2ftp_S"] = _rec2ftp(some.right_MxP)
    for form in ("both", "apart"):
      for field, value in getattr(some, form)._asdict().items():
        what = field.removesuffix("_K")
        numbers[f"{kind}/{form}/{what}_SxLxK"] = _mean(value)
  stream = out.stream_PxKxRxC[:, : m.questions]
  return {
    "numbers": numbers,
    # Half precision: they are read for correlations alone.
    "states": {"stream_SxBxPxKxRxC": stream.astype(np.float16)},
  }


def _rec2ftp(right_SxBxMxP):
  """Of every seed, after all lines."""
  return np.array(
    [
      hidden.rec2ftp(right_BxMxP[:, 0, 0], inner_B, context_B)
      for right_BxMxP in right_SxBxMxP
      for context_B, inner_B in [right_BxMxP[:, :, -1].T]
    ]
  )


def _mean(value_SxBxLxK):
  """Over the questions where it is defined; NaN where it is for none."""
  fine = np.isfinite(value_SxBxLxK)
  total = np.where(fine, value_SxBxLxK, 0.0).sum(1, dtype=np.float64)
  with np.errstate(invalid="ignore"):
    return total / fine.sum(1)
