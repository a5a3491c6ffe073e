"""The softmax decoder, through the functions that measure arithmetic."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from raml_jax import base
from raml_jax.config import calibration as config_lib
from raml_jax.models import blanks
from raml_jax.models import tokens as tokens_lib
from raml_jax.studies.calibration import finders
from raml_jax.studies.calibration import students
from raml_jax.studies.calibration import summaries
from raml_jax.theory import alignment
from raml_jax.theory import linear_path
from raml_jax.theory.implicit import alignments
from raml_jax.theory.implicit import paths
from raml_jax.theory.implicit import updates
from raml_jax.theory.implicit import weight_tokens
from raml_jax.training import loop

LOSSES = tuple(weight_tokens.LOSSES)
FORMS = finders.YARDSTICKS
# Updates of another origin against the slopes of the decoder's own path.
STAND_INS = {"other": "other_question", "random": "random_direction"}


def episodes(config: config_lib.Calibration) -> base.Episode:
  """Tasks with pairs and queries, leading axes S and B."""
  key = loop.evaluation_key(jax.random.key(config.seed), "decoder")
  task = students.task(config.decoder.task, queries=config.adaptation.queries)
  keys_S = jax.random.split(key, config.seeds)
  return jax.vmap(lambda k: task.sample(k, config.measure.tasks))(keys_S)


@functools.partial(jax.jit, static_argnums=0)
def chains(
  config: config_lib.Decoder, params_S: base.PyTree, episodes_SxB: base.Episode
) -> base.Array:
  """What the decoders write themselves: tokens_SxBxKxF."""
  model = students.decoder(config)

  def one(params, episode):
    pairs = episode.support.pairs
    return blanks.rollout(model, params, pairs, config.steps)

  return jax.vmap(jax.vmap(one, (None, 0)))(params_S, episodes_SxB)


def measured(
  config: config_lib.Calibration,
  params_S: base.PyTree,
  episodes_SxB: base.Episode,
  shuffled: bool = False,
) -> dict[str, np.ndarray]:
  """The path that its chain implies, against true gradients.

  Args:
    config: of the study.
    params_S: of a decoder, stacked over seeds.
    episodes_SxB: see `episodes`.
    shuffled: a control: the chain's vectors in the opposite order.

  Returns:
    "<form>/<yardstick>/<loss>/<name>xG": `summaries.of_moments`, stacked over
    W_1 of each block, then all that moves; "<stand-in>/<form>/..." alike.
    "weights/<loss>/<name>": of the chain itself, in the space of w.
    <form>/exact_S, <form>/moved_S: largest relative error of the read-out, and
    change of the question, over tasks and prefixes. error_SxK: E|w_k - w*|^2,
    the start included.
  """
  c = config.decoder
  chain_SxBxKxF = chains(c, params_S, episodes_SxB)
  if shuffled:
    chain_SxBxKxF = _reversed(chain_SxBxKxF)
  w_SxBxKxD = tokens_lib.weights(chain_SxBxKxF)
  w_SxBxTxD = jnp.pad(w_SxBxKxD, ((0, 0), (0, 0), (1, 0), (0, 0)))
  off = w_SxBxTxD - episodes_SxB.latent_D[:, :, None]
  out = {"error_SxK": np.asarray(jnp.sum(off**2, -1).mean(1))}
  for loss in LOSSES:
    of = functools.partial(linear_path.in_weights, loss=loss)
    m = jax.jit(jax.vmap(jax.vmap(of)))(episodes_SxB, w_SxBxKxD)
    out |= summaries.named(f"weights/{loss}", summaries.of_moments(m))
  key = loop.evaluation_key(jax.random.key(config.seed), "random updates")
  size = config.measure.at_once
  for form in FORMS:
    found, errors = jax.tree.map(
      np.asarray,
      _along(c, form, size, params_S, episodes_SxB, chain_SxBxKxF, key),
    )
    for loss, aligned in found.items():
      out |= _summarised(form, loss, aligned)
    for name, values_SxC in errors.items():
      out[f"{form}/{name}_S"] = values_SxC.max(axis=1)
  return out


def _reversed(chain_SxBxKxF):
  """Each vector at another's time."""
  w_SxBxKxD = tokens_lib.weights(chain_SxBxKxF)[:, :, ::-1]
  put = jax.vmap(jax.vmap(jax.vmap(tokens_lib.with_weights)))
  return put(chain_SxBxKxF, w_SxBxKxD)


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _along(config, form, size, params_S, episodes_SxB, chain_SxBxKxF, key):
  """`alignments.Aligned` by loss, leaves [S, chunks, size, ...]; errors."""
  decoder = students.decoder(config)
  # The last token is the answer: what stands before it is in context.
  prefix_P = jnp.arange(config.steps)

  def chunk(params, asked_B):
    shapes = alignments.shapes(params, form, config.steps - 1)
    noise = alignments.noise(key, shapes)
    found = {}
    for loss in LOSSES:
      model = weight_tokens.Asked(decoder, loss)
      found[loss] = alignments.batch(
        model, params, asked_B, prefix_P, form, FORMS[form], noise
      )
    errors = lambda asked: _errors(model, params, asked, prefix_P, form)
    return found, jax.tree.map(jnp.max, jax.vmap(errors)(asked_B))

  def seed(inputs):
    params, asked_CxB = inputs
    return jax.lax.map(lambda asked_B: chunk(params, asked_B), asked_CxB)

  asked = weight_tokens.Example(episodes_SxB, chain_SxBxKxF[:, :, :-1])
  asked_SxCxB = jax.tree.map(
    lambda a: a.reshape(len(a), -1, size, *a.shape[2:]), asked
  )
  return jax.lax.map(seed, (params_S, asked_SxCxB))


def _summarised(form, loss, aligned) -> dict[str, np.ndarray]:
  origins = {
    "": (aligned.update_TxKxW, aligned.both, aligned.slope),
    **{
      f"{STAND_INS[name]}/": (m.update, m.both, m.slope)
      for name, m in aligned.stand_ins.items()
    },
  }
  out = {}
  for origin, (update, both, slope) in origins.items():
    for yardstick in FORMS[form]:
      m = alignment.Moments(update, both[yardstick], slope[yardstick])
      found = summaries.of_groups(_grouped(m))
      out |= summaries.named(f"{origin}{form}/{yardstick}/{loss}", found)
  return out


def _grouped(m: alignment.Moments) -> list[alignment.Moments]:
  """Leaves [S, chunks, size, T, K, W] as [S, B, T], by group."""

  def one(leaf):
    leaf = leaf.reshape(len(leaf), -1, *leaf.shape[3:])
    return [*np.moveaxis(leaf[..., 0], -1, 0), leaf.sum((-2, -1))]

  return [alignment.Moments(*leaves) for leaves in zip(*map(one, m))]


def _errors(model, params, asked, prefix_P, form) -> dict[str, base.Array]:
  """How far theta'_p is from doing what it should, relative, at worst."""
  view = weight_tokens.view(model, asked)
  plain_NxF, _ = view.without_context(params, view.layers)

  def one(count, update):
    moved = updates.moved(params, update)
    got_NxF, blocks = view.without_context(moved, view.layers)
    wanted = view.with_context(params, count)[-1].output_TxC[0]
    return (
      _off(blocks[-1].output_TxC[-1], wanted),
      _off(got_NxF[:-1], plain_NxF[:-1]),
    )

  path = paths.path(model, params, asked, prefix_P, form)
  exact_P, moved_P = jax.vmap(one)(prefix_P, path)
  return {"exact": jnp.max(exact_P), "moved": jnp.max(moved_P)}


def _off(got, wanted):
  return jnp.max(jnp.abs(got - wanted)) / jnp.max(jnp.abs(wanted))
