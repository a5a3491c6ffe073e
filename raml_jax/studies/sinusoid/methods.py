"""What the study trains: learners, what each of them sees, and how it steps.

| method | rule | moves | meta-gradient | sees |
|---|---|---|---|---|
| maml | fixed step | all | unrolled | support, then query |
| first_order | fixed step | all | first order | support, then query |
| anil | fixed step | head | unrolled | support, then query |
| meta_sgd | learned steps | all | unrolled | support, then query |
| imaml | fixed step | all | implicit | support, then query |
| reptile | fixed step | all | reptile | both as one support set |
| pretrained | none | | plain gradient | both as one query set |
| oracle | none | | plain gradient | the same; (x, A, phase) as inputs |

So every method is shown the same 2K labels of every training task.
"""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import optax

from raml_jax import base
from raml_jax.config import sinusoid as config_lib
from raml_jax.inner import learner as learner_lib
from raml_jax.inner import meta_gradients
from raml_jax.inner import optimizers
from raml_jax.models import mlp
from raml_jax.tasks import sinusoid
from raml_jax.training import loop
from raml_jax.training import meta

# Adapted after training with the step size of training; Meta-SGD with those it
# has learned, all others with one that is tuned for them.
TRAINED_STEP = ("maml", "first_order", "anil")
_WARM_UP = 20  # one in so many updates
_HEAD = "^head/"


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Tasks:
  """`size` fresh tasks per update.

  Attributes:
    task: the family of tasks.
    size: tasks per batch.
    together: whether support and query are both the union of the two.
    told: whether amplitude and phase are inputs beside x.
  """

  task: sinusoid.Sinusoid
  size: int = dataclasses.field(metadata={"static": True})
  together: bool = dataclasses.field(default=False, metadata={"static": True})
  told: bool = dataclasses.field(default=False, metadata={"static": True})

  def batch(self, key: base.Array) -> base.Episode:
    episodes = self.task.sample(key, self.size)
    if self.together:
      every = jax.tree.map(
        lambda a, b: jnp.concatenate([a, b], axis=1),
        episodes.support,
        episodes.query,
      )
      episodes = dataclasses.replace(episodes, support=every, query=every)
    return told(episodes) if self.told else episodes


def told(episodes_B: base.Episode) -> base.Episode:
  """The oracle's tasks: inputs are (x, amplitude, phase)."""

  def more(pairs):
    latent_BxNx2 = jnp.broadcast_to(
      episodes_B.latent_D[:, None], (*pairs.y_N.shape, 2)
    )
    x_BxNx3 = jnp.concatenate([pairs.x_NxD, latent_BxNx2], axis=2)
    return base.Pairs(x_BxNx3, pairs.y_N)

  return dataclasses.replace(
    episodes_B, support=more(episodes_B.support), query=more(episodes_B.query)
  )


def network(config: config_lib.Sinusoid, name: str) -> mlp.Mlp:
  """Whom the method trains; the oracle's has two inputs more."""
  inputs = 3 if name == "oracle" else 1
  return mlp.mlp(inputs, config.network.widths, config.network.scale)


@functools.cache
def _loss(net: mlp.Mlp):
  """Mean squared error of the network on pairs."""

  def loss(params, pairs):
    return jnp.mean((net.apply(params, pairs.x_NxD) - pairs.y_N) ** 2)

  return loss


@functools.cache
def _fixed(alpha: float) -> optimizers.InnerOptimizer:
  return optimizers.fixed(optax.sgd(alpha))


@functools.cache
def down(way: config_lib.Path) -> optimizers.InnerOptimizer:
  """The rule of a way down an inner problem."""
  rule = optax.sgd(way.alpha, way.mu)
  if way.rule == "adam":
    # The root of Adam has no derivative at a gradient of zero.
    rule = optax.adam(way.alpha, eps_root=1e-8)
  rule = optimizers.fixed(rule)
  return optimizers.clipped(rule, way.clip) if way.clip else rule


def imaml_way(config: config_lib.Sinusoid) -> config_lib.Path:
  """The inner loop of iMAML in training."""
  c = config.imaml
  return config_lib.Path("sgd", c.alpha, c.mu, c.steps, c.clip)


def learner(config: config_lib.Sinusoid, name: str) -> learner_lib.Learner:
  """The method in training."""
  make = functools.partial(learner_lib.Learner, _loss(network(config, name)))
  rule, steps = _fixed(config.inner.alpha), config.inner.steps
  if name == "maml":
    return make(rule, steps)
  if name == "first_order":
    return make(rule, steps, meta_gradients.first_order())
  if name == "anil":
    return make(rule, steps, moves=_HEAD)
  if name == "meta_sgd":
    return make(optimizers.meta_sgd(config.inner.alpha), steps)
  if name == "reptile":
    c = config.reptile
    return make(_fixed(c.alpha), c.steps, meta_gradients.reptile())
  if name == "imaml":
    c = config.imaml
    gradient = meta_gradients.implicit(
      c.strength, iterations=c.iterations, tolerance=c.tolerance
    )
    return make(down(imaml_way(config)), c.steps, gradient)
  # Without inner steps the meta-gradient is the gradient on the query set.
  return make(rule, 0)


def tested(config: config_lib.Sinusoid, name: str) -> learner_lib.Learner:
  """The method after training, when only its rule and what moves matter.

  Its theta is that of training for Meta-SGD; for all others see `with_step`.
  """
  make = functools.partial(learner_lib.Learner, _loss(network(config, name)))
  if name == "meta_sgd":
    return make(optimizers.meta_sgd(config.inner.alpha), 1)
  # What `sgd` would start from does not matter: `with_step` sets it.
  moves = _HEAD if name == "anil" else None
  return make(optimizers.sgd(1.0), 1, moves=moves)


def with_step(theta_S: base.PyTree, alpha: float) -> base.PyTree:
  """What was learned, stacked over seeds, and a step size to adapt with."""
  seeds = len(jax.tree.leaves(theta_S["start"])[0])
  return {
    "start": theta_S["start"],
    "meta": {"alpha": jnp.full(seeds, alpha, jnp.float32)},
  }


def optimizer(
  outer: config_lib.Outer, iterations: int
) -> optax.GradientTransformation:
  """Of the outer loop."""
  rate = outer.learning_rate
  if outer.schedule == "linear":
    rate = optax.linear_schedule(rate, 0.0, iterations)
  elif outer.schedule == "cosine":
    rate = optax.warmup_cosine_decay_schedule(
      0.0, rate, iterations // _WARM_UP, iterations
    )
  return optax.adam(rate) if outer.rule == "adam" else optax.sgd(rate)


def phase(config: config_lib.Sinusoid, shots: int, name: str) -> loop.Phase:
  """The training of a method on tasks of K shots, e.g. "k5/maml"."""
  method = learner(config, name)
  source = Tasks(
    sinusoid.Sinusoid(shots),
    config.batch,
    together=name in ("reptile", "pretrained", "oracle"),
    told=name == "oracle",
  )

  def init(key):
    key_params, key_rule = jax.random.split(key)
    return method.init(key_rule, network(config, name).init(key_params))

  return loop.Phase(
    f"k{shots}/{name}",
    init,
    meta.objective(method),
    source,
    optimizer(config.outer[name], config.iterations),
    config.iterations,
  )
