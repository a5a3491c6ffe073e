"""In-context linear regression.

    x_i = scale * C xi_i,  xi ~ N(0, I) or U(-1, 1)^d,  C C^T = Sigma
    w*  ~ prior,  y_i = w* . x_i + noise * e_i,  i = 1..n

Example: `LinearRegression(d=10, n=20).sample(key, 256)` gives 256 episodes.
"""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from raml_jax import base
from raml_jax.tasks import wishart

LAWS = ("normal", "uniform")
PRIORS = ("normal", "sphere")
# The one rotation in which given eigenvalues are laid down: the same for all
# tasks, seeds and processes, so that "anisotropic" means one fixed covariance.
ROTATION_SEED = 2505
# More pairs than these are added up by a matrix product.
_UNROLLED = 40


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class LinearRegression:
  """The family of tasks; a pytree whose numbers may be traced or stacked.

  Attributes:
    root_DxD: C, a square root of the covariance of x: C C^T = Sigma.
    scale: multiplies every input.
    noise: standard deviation of the label noise.
    prior_scale: per-coordinate standard deviation of w*.
    d: input dimension.
    n: support pairs.
    queries: query pairs (0: none).
    law: of the whitened inputs, "normal" or "uniform" on (-1, 1).
    prior: of w*, "normal" or "sphere" (radius prior_scale * sqrt(d)).
    moments_only: draw the support's second moments directly, at a cost that
      does not grow with n (normal inputs only); no pairs are made.
  """

  root_DxD: base.Array
  scale: base.Array | float = 1.0
  noise: base.Array | float = 0.0
  prior_scale: base.Array | float = 1.0
  d: int = dataclasses.field(default=10, metadata={"static": True})
  n: int = dataclasses.field(default=20, metadata={"static": True})
  queries: int = dataclasses.field(default=0, metadata={"static": True})
  law: str = dataclasses.field(default="normal", metadata={"static": True})
  prior: str = dataclasses.field(default="normal", metadata={"static": True})
  moments_only: bool = dataclasses.field(
    default=False, metadata={"static": True}
  )

  def sample(self, key: base.Array, batch: int) -> base.Episode:
    """Draws `batch` episodes; every leaf has a leading axis B.

    Inside, the batch is the last axis: small trailing axes make random numbers
    several times slower, and XLA on CPU takes each product for 16 tasks at once
    where a batch of small matrix products goes one by one.
    """
    key_w, key_x, key_noise, key_query = jax.random.split(key, 4)
    w_BxD = self._latent(key_w, batch)
    w_DxB = w_BxD.T
    query = pairs = None
    if self.queries:
      x_DxMxB = self._inputs(key_query, (self.queries, batch))
      query = _pairs(x_DxMxB, _labels(w_DxB, x_DxMxB))
    if self.moments_only:
      x_DxRxB, y_RxB = self._factor(key_x, w_DxB)
    else:
      x_DxRxB = self._inputs(key_x, (self.n, batch))
      y_RxB = _labels(w_DxB, x_DxRxB)
      y_RxB += self.noise * jax.random.normal(key_noise, (self.n, batch))
      pairs = _pairs(x_DxRxB, y_RxB)
    gram_BxExE = jnp.moveaxis(_squares(x_DxRxB, y_RxB, self.n), -1, 0)
    support = base.Support(gram_BxExE, jnp.full(batch, float(self.n)), pairs)
    return base.Episode(support, query, w_BxD)

  def _latent(self, key: base.Array, batch: int) -> base.Array:
    w_BxD = jax.random.normal(key, (batch * self.d,)).reshape(batch, self.d)
    if self.prior == "sphere":
      norm_Bx1 = jnp.linalg.norm(w_BxD, axis=-1, keepdims=True)
      w_BxD *= jnp.sqrt(self.d) / norm_Bx1
    return self.prior_scale * w_BxD

  def _inputs(self, key: base.Array, shape: tuple[int, int]) -> base.Array:
    if self.law == "normal":
      xi_DxNxB = jax.random.normal(key, (self.d, *shape))
    else:
      xi_DxNxB = jax.random.uniform(key, (self.d, *shape), minval=-1.0)
    return self._transformed(xi_DxNxB)

  def _transformed(self, xi_DxNxB: base.Array) -> base.Array:
    root_DxD = self.scale * self.root_DxD
    return jnp.tensordot(root_DxD, xi_DxNxB, axes=1)

  def _factor(
    self, key: base.Array, w_DxB: base.Array
  ) -> tuple[base.Array, base.Array]:
    """R = min(d + 1, n) columns (x, y) with the sum of squares of n pairs.

    With z = (xi, e) standard normal of dimension d + 1, (x, y) = T z for
    T = [[scale C, 0], [w*^T scale C, noise]], so n times the Gram matrix of the
    pairs is T W T^T = (T A) (T A)^T, with A A^T = W a standard Wishart matrix
    of n degrees of freedom. The columns are those of T A.
    """
    a_BxExR = wishart.factor(key, w_DxB.shape[1], self.d + 1, self.n)
    a_ExRxB = jnp.moveaxis(a_BxExR, 0, -1)
    x_DxRxB = self._transformed(a_ExRxB[:-1])
    return x_DxRxB, _labels(w_DxB, x_DxRxB) + self.noise * a_ExRxB[-1]


def _labels(w_DxB: base.Array, x_DxNxB: base.Array) -> base.Array:
  return sum(
    w_B[None] * x_NxB for w_B, x_NxB in zip(w_DxB, x_DxNxB, strict=True)
  )


def _pairs(x_DxNxB: base.Array, y_NxB: base.Array) -> base.Pairs:
  return base.Pairs(x_DxNxB.T, y_NxB.T)


def _squares(x_DxNxB: base.Array, y_NxB: base.Array, n: int) -> base.Array:
  """(1/n) sum (x, y) (x, y)^T over the columns given: gram_ExExB."""
  xy_ExNxB = _written(jnp.concatenate([x_DxNxB, y_NxB[None]]))
  if len(y_NxB) > _UNROLLED:
    return jnp.einsum("enb,fnb->efb", xy_ExNxB, xy_ExNxB) / n
  squares_ExExB = sum(
    xy_ExB[:, None] * xy_ExB[None] for xy_ExB in xy_ExNxB.swapaxes(0, 1)
  )
  return _written(squares_ExExB / n)


def _written(a: base.Array) -> base.Array:
  """The same array, by way of a scatter.

  XLA on CPU fuses sums of products into all who read them, and then computes
  them there over again, entry by entry and several times slower. It drops
  `optimization_barrier` before it fuses, but fuses nothing with a scatter.
  """
  return jnp.zeros_like(a).at[np.arange(len(a))].set(a)


def support_of(pairs: base.Pairs) -> base.Support:
  """The support of one task from its pairs: moments and the pairs."""
  xy_NxE = jnp.concatenate([pairs.x_NxD, pairs.y_N[:, None]], axis=-1)
  n = xy_NxE.shape[0]
  gram_ExE = jnp.einsum("ne,nf->ef", xy_NxE, xy_NxE) / n
  return base.Support(gram_ExE, jnp.asarray(n, gram_ExE.dtype), pairs)


def covariance_root(d: int, kind: str, spectrum: Sequence[float] = ()):
  """C with C C^T = Sigma.

  Args:
    d: dimension.
    kind: "isotropic" (C = I); "eigenvalues", laid down in one fixed rotation;
      or "power", eigenvalues proportional to i^-p in the same rotation, scaled
      to a mean of 1.
    spectrum: the d eigenvalues, or the one exponent (p,).

  Returns:
    root_DxD.
  """
  if kind == "isotropic":
    return jnp.eye(d)
  if kind == "power":
    eigenvalues_D = jnp.arange(1.0, d + 1) ** -spectrum[0]
    eigenvalues_D *= d / jnp.sum(eigenvalues_D)
  else:
    eigenvalues_D = jnp.asarray(spectrum, jnp.float32)
  return fixed_rotation(d) * jnp.sqrt(eigenvalues_D)[None]


def fixed_rotation(d: int) -> base.Array:
  """One orthogonal matrix per dimension, the same everywhere."""
  gauss_DxD = jax.random.normal(jax.random.key(ROTATION_SEED), (d, d))
  q_DxD, r_DxD = jnp.linalg.qr(gauss_DxD)
  return q_DxD * jnp.sign(jnp.diagonal(r_DxD))[None]


def loss(w_D: base.Array, support: base.Support) -> base.Array:
  """L(w) = (1/2n) sum_i (w . x_i - y_i)^2, from the second moments."""
  residual_E = jnp.append(w_D, -jnp.ones((), w_D.dtype))
  return 0.5 * residual_E @ support.gram_ExE @ residual_E


def gradient(w_D: base.Array, support: base.Support) -> base.Array:
  """Gradient of `loss`: S w - X y / n (= S (w - w*) without noise)."""
  s_DxD, b_D = moments(support)
  return s_DxD @ w_D - b_D


def moments(support: base.Support) -> tuple[base.Array, base.Array]:
  """(S, X y / n) with S = X X^T / n."""
  return support.gram_ExE[:-1, :-1], support.gram_ExE[:-1, -1]


def with_spectrum(support: base.Support) -> base.Support:
  """Attaches the eigendecomposition of S, for any leading axes.

  On the host, in float64: batched decompositions that run side by side inside
  one compiled CPU program can wait for each other's threads for ever.
  """
  gram = np.asarray(support.gram_ExE)
  values, vectors = np.linalg.eigh(gram[..., :-1, :-1].astype(np.float64))
  spectrum = base.Spectrum(
    jnp.asarray(values, gram.dtype), jnp.asarray(vectors, gram.dtype)
  )
  return dataclasses.replace(support, spectrum=spectrum)
