"""GPTs as the project trains them and samples from them.

Training is `models.gpt` in the one loop, sampling is `models.sampling`.
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
import functools

import jax
import jax.numpy as jnp
import optax

from raml_jax import base
from raml_jax.models import gpt as gpt_lib
from raml_jax.models import sampling
from raml_jax.studies.benchmark import contenders
from raml_jax.studies.benchmark import devices
from raml_jax.studies.benchmark import gpt_problem
from raml_jax.studies.benchmark import problem
from raml_jax.training import loop

_AXIS = "prompts"


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Windows:
  """Windows of one text, each at a random place: a source of `loop.Phase`.

  Attributes:
    text_N: tokens.
    size: windows per batch.
    width: tokens of each.
  """

  text_N: base.Array
  size: int = dataclasses.field(metadata={"static": True})
  width: int = dataclasses.field(metadata={"static": True})

  def batch(self, key: base.Array) -> base.Array:
    """tokens_BxW."""
    last = self.text_N.shape[0] - self.width
    start_B = jax.random.randint(key, (self.size,), 0, last + 1)
    return self.text_N[start_B[:, None] + jnp.arange(self.width)[None]]


def next_token(model: gpt_lib.Model, keep: str = "all") -> loop.Objective:
  """Cross-entropy of every token after the first, the mean over tokens.

  Args:
    model: a GPT.
    keep: see `problem.Sizes.gpu_keep`.
  """
  if keep == "streams":
    model = gpt_lib.gpt(dataclasses.replace(model.options, remat=True))

  def loss(params, tokens_BxW):
    logits_BxTxV, _, _ = model.apply(params, tokens_BxW[:, :-1])
    each_BxT = optax.softmax_cross_entropy_with_integer_labels(
      logits_BxTxV, tokens_BxW[:, 1:]
    )
    return each_BxT.mean()

  if keep == "products":
    policy = jax.checkpoint_policies.dots_with_no_batch_dims_saveable
    loss = jax.checkpoint(loss, policy=policy)

  def grads(params, extra, tokens_BxW, key):
    del key
    value, gradient = jax.value_and_grad(loss)(params, tokens_BxW)
    return gradient, {"loss": value}, extra

  return loop.Objective(lambda params: (), grads)


def adamw(sizes: problem.Sizes) -> devices.Optimizer:
  """nanoGPT's: the gradient clipped to norm 1, betas 0.9 and 0.99."""
  rule = optax.adamw(
    sizes.gpt_learning_rate, b2=0.99, weight_decay=sizes.weight_decay
  )
  return devices.Optimizer(rule, clip=1.0)


def decoder(shape: gpt_problem.Shape, **options) -> gpt_lib.Model:
  """The project's model of `shape`."""
  return gpt_lib.gpt(
    gpt_lib.Options(
      layers=shape.layers,
      heads=shape.heads,
      width=shape.width,
      context=shape.context,
      vocabulary=gpt_problem.VOCABULARY,
      **options,
    )
  )


def train(
  sizes: problem.Sizes, shape: gpt_problem.Shape, seeds: int = 1
) -> contenders.Contender:
  """Trains a GPT of `shape` on windows of the common text.

  Args:
    sizes: of the benchmark.
    shape: of the model and its batch.
    seeds: models side by side.
  """
  objective = next_token(decoder(shape, kernel="blocks"))

  def initial(seed):
    return jax.tree.map(jnp.asarray, gpt_problem.weights(shape, seed))

  return _trained(sizes, shape, objective, initial, seeds)


def train_large(
  sizes: problem.Sizes, shape: gpt_problem.Shape
) -> contenders.Contender:
  """The same in bfloat16, as `sizes` asks of a GPU; weights drawn there."""
  model = decoder(shape, dtype="bfloat16", kernel=sizes.gpu_kernel)
  draw = jax.jit(decoder(shape).init)

  def initial(seed):
    return draw(jax.random.key(seed))

  objective = next_token(model, sizes.gpu_keep)
  return _trained(sizes, shape, objective, initial, seeds=1)


def _trained(sizes, shape, objective, initial, seeds) -> contenders.Contender:
  text_N = jnp.asarray(gpt_problem.text())
  share, rest = divmod(shape.batch, jax.device_count())
  if rest:
    raise ValueError(f"batch {shape.batch} on {jax.device_count()} devices")
  source = Windows(text_N, share, shape.context + 1)

  def check():
    tokens_BxW = jnp.asarray(gpt_problem.tokens(shape))
    # GPUs round the factors of matrix products otherwise.
    with jax.default_matmul_precision("highest"):
      gradient, metrics, _ = jax.jit(objective.grads)(
        initial(0), (), tokens_BxW, None
      )
    return [float(metrics["loss"]), *gpt_problem.entries(gradient)]

  return contenders.trained_by_the_loop(
    check,
    initial,
    source,
    objective,
    adamw(sizes),
    dataclasses.replace(sizes, chunk=shape.chunk),
    seeds,
  )


def sample(sizes: problem.Sizes, new_tokens: int) -> contenders.Contender:
  """Continues the common prompts, greedily; `check` returns the new tokens.

  Every device there is takes its share of the prompts.
  """
  shape = gpt_problem.sampled(sizes)
  model = decoder(shape)
  prompt_BxT = jnp.asarray(gpt_problem.prompts(sizes))

  def tokens(params, key, prompt_BxT):
    out = sampling.sample(model, params, key, prompt_BxT, new_tokens)
    return out.tokens_BxN

  if jax.device_count() > 1:
    whole, cut = jax.sharding.PartitionSpec(), jax.sharding.PartitionSpec(_AXIS)
    mesh = jax.make_mesh(
      (jax.device_count(),),
      (_AXIS,),
      axis_types=(jax.sharding.AxisType.Auto,),
    )
    tokens = jax.shard_map(
      tokens,
      mesh=mesh,
      in_specs=(whole, whole, cut),
      out_specs=cut,
      check_vma=False,
    )
  tokens = jax.jit(tokens)

  def initial(seed):
    return jax.tree.map(jnp.asarray, gpt_problem.weights(shape, seed))

  def check():
    with jax.default_matmul_precision("highest"):
      found_BxN = tokens(initial(0), jax.random.key(0), prompt_BxT)
    return found_BxN.ravel().tolist()

  def advance(state, times):
    params, key = state
    for _ in range(times):
      jax.block_until_ready(tokens(params, key, prompt_BxT))
    return state

  return contenders.Contender(
    check,
    lambda params, seed: (params, jax.random.key(seed)),
    advance,
    lambda state: state[0],
    initial,
  )


def table(
  sizes: problem.Sizes,
) -> dict[str, Callable[[], contenders.Contender]]:
  """Makers by name; see `gpt_study`."""
  found = {}
  for shape in gpt_problem.shapes(sizes):
    name = gpt_problem.training(shape, "ours")
    found[name] = functools.partial(train, sizes, shape)
  for count in sizes.new_tokens:
    name = gpt_problem.sampling(count, "ours")
    found[name] = functools.partial(sample, sizes, count)
  return found


def gpu_table(
  sizes: problem.Sizes,
) -> dict[str, Callable[[], contenders.Contender]]:
  """Makers of what only a GPU is asked for; see `gpt_study.gpu_rows`."""
  found = {}
  for shape in gpt_problem.large(sizes):
    name = gpt_problem.training(shape, "bfloat16")
    found[name] = functools.partial(train_large, sizes, shape)
  small = gpt_problem.shapes(sizes)[0]
  for seeds in (1, *sizes.gpu_seeds):
    name = gpt_problem.training(small, gpt_problem.seeds(seeds))
    found[name] = functools.partial(train, sizes, small, seeds)
  return found
