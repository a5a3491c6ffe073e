"""Whose update is a chain's: a learned optimizer's, or gradient descent's?

A chain is observed on its own path and under interventions. Every candidate
rule is put at the same places (`theory.shadow`), one best scale is allowed, and
what is left of the chain's update is its distance; free-running, the distance
is that of the iterates. Learned rules and tuned ones have been made for the
same answers and the same length as the chain.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from raml_jax import base
from raml_jax.config import learned_optimizer as config_lib
from raml_jax.inner import maml
from raml_jax.studies import running
from raml_jax.studies.learned_optimizer import chains
from raml_jax.studies.learned_optimizer import problems
from raml_jax.studies.learned_optimizer import rivals
from raml_jax.studies.learned_optimizer import training
from raml_jax.tasks import regression
from raml_jax.theory import fitting
from raml_jax.theory import measure
from raml_jax.theory import observe
from raml_jax.theory import rules
from raml_jax.theory import shadow
from raml_jax.training import loop

# Rules without numbers of their own: nothing about them is tuned or learned.
_GIVEN = ("conjugate", "adaptive", "least_squares")
Candidates = dict[str, tuple[base.Reasoner, base.PyTree]]


@functools.cache
def _reasoner(name: str) -> base.Reasoner:
  """The same object every time: chains of equal length share a program."""
  return rules.reasoner(rules.TABLE[name])


def tasks(
  config: config_lib.LearnedOptimizer, problem: problems.Problem
) -> base.Episode:
  """Episodes_SxB to compare on, with spectra."""
  key = loop.evaluation_key(jax.random.key(config.seed), "chains/tasks")
  drawn = measure.evaluation_tasks(
    problem.task, key, config.seeds, config.measure.chain_tasks
  )
  support = regression.with_spectrum(drawn.support)
  return base.Episode(support, drawn.query, drawn.latent_D)


def candidates(
  config: config_lib.LearnedOptimizer,
  tuning: dict[str, np.ndarray],
  learned_S: base.PyTree,
  answers_S: dict[int, base.PyTree],
  steps: int,
) -> Candidates:
  """Everyone whose updates a chain of length K is compared with.

  Args:
    config: of the study.
    tuning: of the rivals on linear regression (`rivals.tuned`).
    learned_S: meta of the rule learned on whole curves.
    answers_S: params of the rules learned on answers, by K.
    steps: K.
  """
  d, seeds = config.chains.job.task.d, config.seeds
  zeros_SxD = jnp.zeros((seeds, d))
  learned = training.answering(config)
  out: Candidates = {
    "learned": (learned, answers_S[steps]),
    "learned_curve": (learned, {"start": zeros_SxD, "meta": learned_S}),
  }
  for name, rule in rivals.TABLE.items():
    meta = rivals.chosen(tuning, name, f"answer_k{steps}")
    params_S = {"start": zeros_SxD, "meta": running.stacked(meta, seeds)}
    out[name] = (maml.reasoner(rule), params_S)
  for name in _GIVEN:
    out[name] = (_reasoner(name), {})
  return out


@functools.partial(
  jax.jit, static_argnums=(0, 2, 5, 7), compiler_options=measure.RUN_ONCE
)
def _distances(chain, params_S, who, params, episodes, steps, key, scales):
  """Of all candidates, for all seeds: dict of arrays with a leading S."""

  def seed(params_chain, params_R, episodes, key):
    support = episodes.support
    observed, path_BxKxD = observe.observe(
      chain, params_chain, support, steps, key, scales
    )
    u_BxTxD = observed.update_BxTxD
    # The rules run on the next task's data, at the same places.
    other = jax.tree.map(lambda a: jnp.roll(a, 1, axis=0), support)
    elsewhere = _with_support(observed, other)
    shuffled = jnp.roll(u_BxTxD[:, :steps], 1, axis=1)
    out = {"error": _error(path_BxKxD, episodes)}
    rows = []
    for reasoner, params_one in zip(who, params_R, strict=True):
      v_BxTxD = shadow.updates(reasoner, params_one, observed, steps)
      w_BxTxD = shadow.updates(reasoner, params_one, elsewhere, steps)
      own_BxKxD = observe.paths(reasoner, params_one, support, steps)
      share_K, scale = shadow.unexplained(
        u_BxTxD[:, :steps], v_BxTxD[:, :steps]
      )
      rows.append(
        {
          "path_K": share_K,
          "scale": scale,
          "interventions": jnp.mean(
            shadow.unexplained(u_BxTxD[:, steps:], v_BxTxD[:, steps:])[0]
          ),
          "free": shadow.free_running(path_BxKxD, own_BxKxD),
          "shuffled": jnp.mean(
            shadow.unexplained(shuffled, v_BxTxD[:, :steps])[0]
          ),
          "other": jnp.mean(
            shadow.unexplained(u_BxTxD[:, :steps], w_BxTxD[:, :steps])[0]
          ),
          "own_error": _error(own_BxKxD, episodes),
        }
      )
    stacked = jax.tree.map(lambda *x: jnp.stack(x), *rows)
    return out | stacked, observed

  keys_S = jax.random.split(key, episodes.latent_D.shape[0])
  return jax.vmap(seed)(params_S, params, episodes, keys_S)


def compared(
  config: config_lib.LearnedOptimizer,
  name: str,
  params_S: base.PyTree,
  who: Candidates,
  episodes_SxB: base.Episode,
) -> dict[str, np.ndarray]:
  """Distances of one chain from every candidate, R of them.

  Returns:
    names_R; path_SxR and interventions_SxR, the shares of its updates that the
    candidate leaves unexplained on its own path and under interventions;
    path_SxRxK, the same for each step; scale_SxR, the best scales on the path;
    free_SxR, the distance of the free-running iterates; controls shuffled_SxR
    and other_SxR; error_S and own_error_SxR, |w_K - w*|^2 of the chain and of
    the candidates; and the rivals of `theory.fitting`, each with its own fitted
    numbers: rivals_SxR in the order of `rules.TABLE`, named_S.
  """
  steps = chains.lengths(config)[name]
  key = loop.evaluation_key(jax.random.key(config.seed), "chains/places")
  found, observed = _distances(
    chains.reasoner(config),
    params_S,
    tuple(reasoner for reasoner, _ in who.values()),
    tuple(params for _, params in who.values()),
    episodes_SxB,
    steps,
    key,
    config.measure.scales,
  )
  found = jax.device_get(found)
  out = {
    "names_R": np.array(list(who)),
    "path_SxRxK": found["path_K"],
    "path_SxR": found["path_K"].mean(axis=-1),
    "scale_SxR": found["scale"],
    "interventions_SxR": found["interventions"],
    "free_SxR": _bounded(found["free"]),
    "shuffled_SxR": found["shuffled"],
    "other_SxR": found["other"],
    "error_S": found["error"],
    "own_error_SxR": found["own_error"],
  }
  _, shares = fitting.fit_and_score(observed, steps)
  d = config.chains.job.task.d
  counts = {label: rule.count(d, steps) for label, rule in rules.TABLE.items()}
  out["rivals_SxR"] = np.stack([shares[label] for label in rules.TABLE], -1)
  out["named_S"] = np.array(
    [
      fitting.simplest_adequate({k: v[s] for k, v in shares.items()}, counts)
      for s in range(config.seeds)
    ]
  )
  return out


def _with_support(observed, support):
  return observe.Observations(
    support,
    observed.w_BxTxD,
    observed.previous_BxTxD,
    observed.time_T,
    observed.update_BxTxD,
    observed.places,
  )


def _error(path_BxKxD, episodes):
  return jnp.mean(jnp.sum((path_BxKxD[:, -1] - episodes.latent_D) ** 2, -1))


def _bounded(distance):
  far = ~(distance < measure.DIVERGED)
  return np.where(far, measure.DIVERGED, distance)
