"""What moves, and low-rank deltas."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raml_jax.inner import low_rank
from raml_jax.inner import masks

_PARAMS = {
  "layer_0": {"kernel": jnp.ones((4, 3)), "bias": jnp.zeros(3)},
  "head": [jnp.ones((3, 2, 2)), jnp.zeros(())],
}


def test_paths_are_keys_and_indices():
  assert masks.paths(_PARAMS) == [
    "head/0",
    "head/1",
    "layer_0/bias",
    "layer_0/kernel",
  ]


@pytest.mark.parametrize("pattern", ["head", "^(?!head)", "kernel$", "."])
def test_what_is_split_can_be_merged(pattern):
  mask = masks.matching(_PARAMS, pattern)
  moving, still = masks.split(_PARAMS, mask)
  assert len(jax.tree.leaves(moving)) == sum(jax.tree.leaves(mask))
  assert len(jax.tree.leaves(still)) == 4 - sum(jax.tree.leaves(mask))
  merged = masks.merge(moving, still)
  assert jax.tree.structure(merged) == jax.tree.structure(_PARAMS)
  for a, b in zip(jax.tree.leaves(merged), jax.tree.leaves(_PARAMS)):
    assert a is b


def test_a_low_rank_delta_changes_nothing_at_first_and_has_its_rank_after():
  key = jax.random.key(0)
  extended = low_rank.init(key, _PARAMS, ".", 1)
  assert set(extended["delta"]) == {"head/0", "layer_0/kernel"}
  for a, b in zip(
    jax.tree.leaves(low_rank.merge(extended)), jax.tree.leaves(_PARAMS)
  ):
    np.testing.assert_array_equal(a, b)
  moved = jax.tree.map(lambda a: a + 0.5, extended["delta"])
  merged = low_rank.merge({"base": _PARAMS, "delta": moved})
  change = np.asarray(merged["layer_0"]["kernel"] - 1.0)
  assert np.linalg.matrix_rank(change, tol=1e-5) == 1
  # The axes (3, 2, 2) are cut where the sides are closest in size: 3 x 4.
  change = np.asarray(merged["head"][0] - 1.0).reshape(3, 4)
  assert np.linalg.matrix_rank(change, tol=1e-5) == 1


@pytest.mark.parametrize(
  "pattern, rank, message",
  [
    ("kernel", 0, "rank = 0: must be at least 1"),
    ("bias", 1, "'bias' matches no matrix"),
    ("neck", 1, "matches none of the parameters"),
  ],
)
def test_impossible_deltas_are_refused(pattern, rank, message):
  with pytest.raises(ValueError, match=message):
    low_rank.init(jax.random.key(0), _PARAMS, pattern, rank)


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
