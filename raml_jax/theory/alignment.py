"""Updates against gradients, from three inner products of each pair.

With u an update and s = -grad L the direction of descent, everything here is a
function of |u|^2, <u, s> and |s|^2:

    cosine      <u, s> / |u| |s|
    share       cos^2: of the update's energy, what lies along the gradient
    descent     <u, s>: the drop of the loss to first order
    step        <u, s> / |s|^2: the step size that fits this update best
    explained   1 - sum |u - h s|^2 / sum |u|^2 with one h for all of a sample,
                which is negative where h s is worse than no update at all

`explained` with one step size common to tokens and questions is what "tokens
are gradient steps" asserts: gradient descent explains all, whatever else only
happens to descend little.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from raml_jax import base

_EXACT = jax.lax.Precision.HIGHEST


class Moments(NamedTuple):
  """Inner products of updates and directions of descent, of any shape.

  Attributes:
    update: |u|^2.
    both: <u, s>.
    slope: |s|^2.
  """

  update: base.Array
  both: base.Array
  slope: base.Array


def moments(update: base.PyTree, gradient: base.PyTree) -> Moments:
  """Of one update and one gradient of the loss; `vmap` adds more.

  Args:
    update: a pytree of arrays.
    gradient: one like it. Where either has None, neither counts.
  """
  none = lambda leaf: leaf is None
  pairs = [
    (u, -g)
    for u, g in zip(
      jax.tree.leaves(update, is_leaf=none),
      jax.tree.leaves(gradient, is_leaf=none),
      strict=True,
    )
    if u is not None and g is not None
  ]
  return Moments(
    sum(_inner(u, u) for u, _ in pairs),
    sum(_inner(u, s) for u, s in pairs),
    sum(_inner(s, s) for _, s in pairs),
  )


def _inner(a, b):
  return jnp.vdot(a, b, precision=_EXACT)


def cosine(m: Moments) -> np.ndarray:
  """<u, s> / |u| |s|; NaN where either is zero."""
  both, size = np.float64(m.both), np.float64(m.update) * np.float64(m.slope)
  with np.errstate(invalid="ignore", divide="ignore"):
    return both / np.sqrt(size)


def share(m: Moments) -> np.ndarray:
  """cos^2; NaN where either is zero."""
  return cosine(m) ** 2


def step(m: Moments) -> np.ndarray:
  """The step size that fits each update best; NaN where the slope is zero."""
  with np.errstate(invalid="ignore", divide="ignore"):
    return np.float64(m.both) / np.float64(m.slope)


def common_step(m: Moments, where: np.ndarray | bool = True) -> float:
  """The one step size that fits all of them best: sum <u, s> / sum |s|^2.

  Args:
    m: a sample, of any shape.
    where: which of them count.

  Raises:
    ValueError: no slope among them differs from zero.
  """
  slope = _total(m.slope, where)
  if not slope > 0:
    raise ValueError("slope: must differ from zero somewhere")
  return _total(m.both, where) / slope


def explained(
  m: Moments, step: float, where: np.ndarray | bool = True
) -> float:
  """What one step size explains of all updates: 1 - sum|u - h s|^2 / sum|u|^2.

  Args:
    m: a sample, as a rule another one than the step was fitted to.
    step: h.
    where: which of them count.

  Raises:
    ValueError: no update among them differs from zero.
  """
  energy = _total(m.update, where)
  if not energy > 0:
    raise ValueError("update: must differ from zero somewhere")
  both, slope = _total(m.both, where), _total(m.slope, where)
  return (2 * step * both - step**2 * slope) / energy


def scaled_to(m: Moments, other: Moments) -> Moments:
  """Each update stretched to the first-order drop of its partner in `other`.

  A control: the same slopes, the same drops, other directions. Where an update
  rises as the partner falls it is turned round; NaN where it does neither.

  Args:
    m: updates of another origin, against the slopes of `other`.
    other: the updates that they stand in for.
  """
  with np.errstate(invalid="ignore", divide="ignore"):
    factor = np.float64(other.both) / np.float64(m.both)
  return Moments(
    np.float64(m.update) * factor**2,
    np.float64(m.both) * factor,
    np.float64(m.slope),
  )


def _total(values, where) -> float:
  return float(np.sum(np.float64(values), where=where))
