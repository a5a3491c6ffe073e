"""From moments of every task to numbers per seed."""

from __future__ import annotations

import numpy as np

from raml_jax.theory import alignment


def of_moments(m: alignment.Moments) -> dict[str, np.ndarray]:
  """Of updates against gradients, leaves [seeds, tasks, steps].

  Returns:
    cosine_SxP: mean over tasks. cosine_S: over tasks and steps.
    explained_S: what one step size, fitted on the even tasks, explains of all
      updates of the odd ones. step_S: that step size.
  """
  m = alignment.Moments(*(np.asarray(leaf, np.float64) for leaf in m))
  cosine_SxBxP = alignment.cosine(m)
  found = []
  for s in range(len(cosine_SxBxP)):
    fit, test = (
      alignment.Moments(*(leaf[s, half::2] for leaf in m)) for half in (0, 1)
    )
    step = alignment.common_step(fit)
    found.append((step, alignment.explained(test, step)))
  step_S, explained_S = np.array(found).T
  return {
    "cosine_SxP": cosine_SxBxP.mean(axis=1),
    "cosine_S": cosine_SxBxP.mean(axis=(1, 2)),
    "explained_S": explained_S,
    "step_S": step_S,
  }


def of_groups(groups: list[alignment.Moments]) -> dict[str, np.ndarray]:
  """`of_moments` of each group, stacked in a last axis G: names end in xG."""
  found = [of_moments(m) for m in groups]
  return {
    f"{name}xG": np.stack([one[name] for one in found], axis=-1)
    for name in found[0]
  }


def named(prefix: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
  """The same arrays, their names behind a prefix."""
  return {f"{prefix}/{name}": values for name, values in arrays.items()}
