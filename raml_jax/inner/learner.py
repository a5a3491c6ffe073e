"""Meta-learning, put together: update rule x what moves x meta-gradient.

    maml = learner.Learner(loss, optimizers.fixed(optax.sgd(0.01)), steps=1)
    theta = maml.init(jax.random.key(0), params)
    grads, metrics = maml.grads(theta, (support, query))

`loss(params, data)` is any scalar loss; `support` and `query` are any pytrees
with a leading axis of tasks. The rest is optax's: theta is a pytree, grads are
like it.

| method | rule | moves | gradient |
|---|---|---|---|
| MAML | fixed | None | unrolled() |
| first-order MAML | fixed | None | first_order() |
| ANIL | fixed | "head" | unrolled() |
| Meta-SGD | meta_sgd | None | unrolled() |
| Reptile | fixed | None | reptile() |
| iMAML | fixed | None | implicit(strength) |
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses

import jax
import jax.numpy as jnp

from raml_jax import base
from raml_jax.inner import loop
from raml_jax.inner import masks
from raml_jax.inner import meta_gradients
from raml_jax.inner import optimizers

# (support, query), each a pytree with a leading axis of tasks.
Tasks = tuple[base.PyTree, base.PyTree]
_UNROLLED = meta_gradients.unrolled()


class InnerDivergence(FloatingPointError):
  """An inner loop has left the finite numbers; the message is one line."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Curves:
  """How one task was adapted to.

  Attributes:
    params: the last iterate, whole.
    support_losses: of every iterate, [K + 1], the start included.
    query_losses: the same on the query set.
  """

  params: base.PyTree
  support_losses: base.Array
  query_losses: base.Array


@dataclasses.dataclass(frozen=True)
class Learner:
  """A start and a rule that adapt well to new tasks in a few steps.

  Attributes:
    loss: `(params, data) -> scalar`.
    rule: the inner update rule.
    steps: K >= 0, inner steps in training.
    gradient: the estimator of the meta-gradient.
    moves: regular expression of the parameter paths that the inner loop
      changes; None: all. What stays still is learned by the outer loop alone.
    query_loss: what adaptation is judged by, where that is another loss.
  """

  loss: Callable[[base.PyTree, base.PyTree], base.Array]
  rule: optimizers.InnerOptimizer
  steps: int
  gradient: meta_gradients.MetaGradient = _UNROLLED
  moves: str | None = None
  query_loss: Callable[[base.PyTree, base.PyTree], base.Array] | None = None

  def __post_init__(self):
    _check_steps(self.steps)

  def init(self, key: base.Array, params: base.PyTree) -> base.PyTree:
    """theta: {"start": params, "meta": what is learned about the rule}.

    Raises:
      ValueError: `moves` matches no parameter.
    """
    moving, _ = masks.split(params, self._mask(params))
    return {"start": params, "meta": self.rule.init(key, moving, self.steps)}

  def grads(
    self,
    theta: base.PyTree,
    tasks: Tasks,
    key: base.Array | None = None,
    microbatch: int | None = None,
  ) -> tuple[base.PyTree, dict[str, base.Array]]:
    """The meta-gradient, averaged over tasks.

    Args:
      theta: see `init`.
      tasks: (support, query), every leaf with a leading axis of B tasks.
      key: for estimators that draw random numbers.
      microbatch: tasks at once. The result is the same, up to the order of
        additions; memory is that of so many tasks.

    Returns:
      grads: like theta.
      metrics: "loss", the mean query loss after adaptation, and the
        estimator's own; "where/task" and "where/inner step" of the first loss
        that is not finite, else -1 (step K: the query loss).

    Raises:
      ValueError: the tasks are empty or do not fit together, the loss is no
        scalar, or the estimator lacks its key.
    """
    batch = _batch_size(tasks)
    if self.gradient.needs_key and key is None:
      raise ValueError("this meta-gradient draws random numbers: pass a key")
    keys_B = None if key is None else jax.random.split(key, batch)
    inputs = (*tasks, keys_B)
    size = batch if microbatch is None else min(microbatch, batch)
    if size < 1:
      raise ValueError(f"microbatch = {microbatch}: must be at least 1")
    if size == batch:
      total, report = self._summed(theta, inputs)
    else:
      total, report = self._accumulated(theta, inputs, batch, size)
    grads = jax.tree.map(lambda g: g / batch, total)
    metrics = {name: jnp.mean(x) for name, x in report.metrics.items()}
    task, step = _first_bad(report)
    where = {"where/task": task, "where/inner step": step}
    return grads, {"loss": jnp.mean(report.loss), **metrics, **where}

  def adapt(
    self,
    theta: base.PyTree,
    support: base.PyTree,
    query: base.PyTree,
    steps: int | None = None,
  ) -> Curves:
    """Adapts to one task; `vmap` adds more.

    Args:
      theta: see `init`.
      support: of one task.
      query: of the same.
      steps: as many inner steps, where not as in training.
    """
    steps = self.steps if steps is None else steps
    _check_steps(steps)
    inner = self._inner(theta, support, query)
    start = theta["start"]
    moving, still = masks.split(start, inner.mask)
    found = loop.adapt(
      inner.descended_loss(start), moving, self.rule, theta["meta"], steps
    )

    def along(loss):
      return jax.vmap(lambda m: loss(masks.merge(m, still)))(found.iterates)

    return Curves(
      masks.merge(found.params, still),
      along(inner.support_loss),
      along(inner.query_loss),
    )

  def _mask(self, params):
    if self.moves is None:
      return jax.tree.map(lambda _: True, params)
    return masks.matching(params, self.moves)

  def _inner(self, theta, support, query):
    query_loss = self.query_loss or self.loss
    return meta_gradients.Inner(
      lambda params: _scalar(self.loss(params, support), "loss"),
      lambda params: _scalar(query_loss(params, query), "query loss"),
      self.rule,
      self.steps,
      self._mask(theta["start"]),
      self.gradient.strength,
    )

  def _summed(self, theta, inputs):
    """(sum over tasks of the meta-gradient, report with a leading axis B)."""

    def one(theta, support, query, key):
      inner = self._inner(theta, support, query)
      return self.gradient.estimate(inner, theta, key)

    def total(theta):
      axes = (None, 0, 0, None if inputs[2] is None else 0)
      values_B, report = jax.vmap(one, axes)(theta, *inputs)
      return jnp.sum(values_B), report

    return jax.grad(total, has_aux=True)(theta)

  def _accumulated(self, theta, inputs, batch, size):
    whole = batch // size
    groups = jax.tree.map(
      lambda a: a[: whole * size].reshape(whole, size, *a.shape[1:]), inputs
    )

    def body(total, group):
      more, report = self._summed(theta, group)
      return jax.tree.map(jnp.add, total, more), report

    zero = jax.tree.map(jnp.zeros_like, theta)
    total, report = jax.lax.scan(body, zero, groups)
    report = jax.tree.map(
      lambda a: a.reshape(whole * size, *a.shape[2:]), report
    )
    if whole * size < batch:
      rest = jax.tree.map(lambda a: a[whole * size :], inputs)
      total, more = body(total, rest)
      report = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), report, more)
    return total, report


def raise_if_diverged(metrics: dict[str, base.Array]) -> None:
  """Names the task and the inner step at which numbers ceased to be finite.

  Args:
    metrics: of `Learner.grads`, outside of jit.

  Raises:
    InnerDivergence: there is one.
  """
  task, step = (int(metrics[f"where/{x}"]) for x in ("task", "inner step"))
  if task >= 0:
    raise InnerDivergence(
      f"the inner loop diverges: the loss of task {task} is not finite at"
      f" inner step {step}"
    )


def _first_bad(report) -> tuple[base.Array, base.Array]:
  losses_BxK = jnp.concatenate([report.losses_K, report.loss[:, None]], axis=1)
  bad_BxK = ~jnp.isfinite(losses_BxK)
  bad_B = jnp.any(bad_BxK, axis=1)
  task = jnp.where(jnp.any(bad_B), jnp.argmax(bad_B), -1)
  return task, jnp.where(task < 0, -1, jnp.argmax(bad_BxK[task]))


def _scalar(value, name):
  if jnp.shape(value) != ():
    raise ValueError(
      f"the {name} has shape {jnp.shape(value)}: must be a scalar"
    )
  return value


def _check_steps(steps) -> None:
  if steps < 0:
    raise ValueError(f"steps = {steps}: must be at least 0")


def _batch_size(tasks: Tasks) -> int:
  """B; every leaf has it, and none is empty."""
  sizes = {}
  for name, data in zip(("support", "query"), tasks, strict=True):
    for path, leaf in jax.tree_util.tree_leaves_with_path(data):
      shape = jnp.shape(leaf)
      place = name + jax.tree_util.keystr(path)
      if not shape or 0 in shape:
        raise ValueError(
          f"{place} has shape {shape}: must have a leading axis of tasks, and"
          " at least one example in each"
        )
      sizes[place] = shape[0]
  if len(set(sizes.values())) != 1:
    raise ValueError(f"tasks have leading axes {sizes}: must be the same")
  return next(iter(sizes.values()))
