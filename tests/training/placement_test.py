"""Rules split what they name, and what the mesh divides."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from raml_jax.models import gpt
from raml_jax.training import loop
from raml_jax.training import placement as placement_lib
from raml_jax.training import runtime

P = jax.sharding.PartitionSpec
PARAMS = jax.eval_shape(
  gpt.gpt(gpt.Options(layers=2, width=64)).init, jax.random.key(0)
)


def on(data, model):
  """A placement on devices that need not exist."""
  mesh = jax.sharding.AbstractMesh((data, model), runtime.AXES)
  return placement_lib.Placement(mesh)


def specs(placement, tree):
  return {
    jax.tree_util.keystr(path, simple=True, separator="/"): sharding.spec
    for path, sharding in jax.tree_util.tree_leaves_with_path(
      placement.shardings(tree, stacked=False)
    )
  }


def test_every_matrix_of_a_gpt_is_split_over_model_and_no_vector_is():
  found = specs(on(4, 2), PARAMS)
  sizes = {
    jax.tree_util.keystr(path, simple=True, separator="/"): leaf.shape
    for path, leaf in jax.tree_util.tree_leaves_with_path(PARAMS)
  }
  assert len(found) == len(sizes) == 2 * 16 + 5
  for name, spec in found.items():
    matrix = name.endswith(("kernel", "embedding"))
    assert tuple(spec).count("model") == int(matrix), name
    if matrix:
      # Never the vocabulary, the heads or the positions, which may be odd.
      axis = tuple(spec).index("model")
      assert sizes[name][axis] in (64, 256), name


def test_the_optimizer_is_split_as_its_parameters_are():
  optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-3))
  state = loop.TrainState(
    PARAMS,
    jax.eval_shape(optimizer.init, PARAMS),
    jax.ShapeDtypeStruct((), jnp.int32),
    PARAMS,
  )
  found = specs(on(4, 2), state)
  for name, spec in specs(on(4, 2), PARAMS).items():
    for part in ("params", "opt_state/1/0/mu", "opt_state/1/0/nu", "extra"):
      assert found.pop(f"{part}/{name}") == spec
  assert set(found.values()) == {P()}


def test_seeds_are_in_front_and_not_split():
  stacked = jax.tree.map(
    lambda leaf: jax.ShapeDtypeStruct((3, *leaf.shape), leaf.dtype), PARAMS
  )
  one = on(4, 2).shardings(PARAMS, stacked=False)
  many = on(4, 2).shardings(stacked, stacked=True)
  for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(many), strict=True):
    assert b.spec == P(None, *a.spec)


def test_an_axis_that_the_mesh_does_not_divide_is_whole():
  placement = on(1, 5)
  assert placement.spec("layer_0/up/kernel", (64, 256)) == P(None, None)
  assert placement.spec("layer_0/up/kernel", (64, 255)) == P(None, "model")


def test_a_rule_needs_whole_parts_of_a_path_and_as_many_axes():
  placement = on(4, 2)
  assert placement.spec("a/up/kernel", (4, 4)) == P(None, "model")
  assert placement.spec("up/kernel", (4, 4)) == P(None, "model")
  assert placement.spec("a/setup/kernel", (4, 4)) == P()
  assert placement.spec("a/up/kernel/more", (4, 4)) == P()
  assert placement.spec("a/up/kernel", (4,)) == P()


def test_the_first_rule_that_fits_wins():
  rules = (("b", P("model")), (".*", P("data")))
  placement = placement_lib.Placement(on(4, 2).mesh, rules)
  assert placement.spec("a/b", (8,)) == P("model")
  assert placement.spec("a/c", (8,)) == P("data")


def test_a_batch_that_the_devices_cannot_share_is_refused():
  placement = on(4, 2)
  for attempt in (
    lambda: placement.rows(12),
    lambda: placement.whole_batches(np.zeros((1, 2, 12))),
    lambda: jax.eval_shape(placement.constrain_batch, jnp.zeros((12, 8))),
  ):
    with pytest.raises(runtime.SetupError) as error:
      attempt()
    assert str(error.value) == (
      "batch=12: must be a multiple of the 8 devices of the mesh (data=4,"
      " model=2), which share it"
    )


def rows(monkeypatch, *parts):
  """`rows` of a batch of 8 where this process' devices hold `parts`."""
  sharding = types.SimpleNamespace(
    addressable_devices_indices_map=lambda shape: {
      i: (slice(*part),) for i, part in enumerate(parts)
    }
  )
  monkeypatch.setattr(
    placement_lib.Placement, "_sharding", lambda self, *spec: sharding
  )
  return on(4, 1).rows(8)


def test_a_process_gives_the_rows_that_its_devices_hold(monkeypatch):
  assert rows(monkeypatch, (4, 6), (2, 4)) == slice(2, 6)
  assert rows(monkeypatch, (0, 8), (0, 8)) == slice(0, 8)
  with pytest.raises(runtime.SetupError, match="not neighbours"):
    rows(monkeypatch, (0, 2), (4, 6))


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
