"""Training and held-out questions are apart, on the host and the device."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from raml_jax.tasks.arithmetic import splits

THREE = ("train", "validation", "test")


def test_every_question_is_in_exactly_one_split():
  for numbers in itertools.product(range(40), repeat=2):
    inside = [splits.contains(split, numbers) for split in THREE]
    assert inside.count(True) == 1
    assert splits.contains("all", numbers)


def test_the_rule_is_the_same_on_host_and_device():
  rng = np.random.default_rng(0)
  values = rng.integers(0, 2**32, (3, 2000), dtype=np.uint32)
  values[2, 1000:] = 2**32 - 1  # No third number.
  for split in splits.SPLITS:
    got = splits.contains_on_device(split, jnp.asarray(values))
    expected = [
      splits.contains(split, [int(v) for v in column[: 3 if i < 1000 else 2]])
      for i, column in enumerate(values.T)
    ]
    np.testing.assert_array_equal(got, expected)


def test_ten_percent_are_held_out_twice():
  every = list(itertools.combinations(range(300), 2))
  for split, share in zip(THREE, (0.8, 0.1, 0.1)):
    inside = np.mean([splits.contains(split, pair) for pair in every])
    assert abs(inside - share) < 0.006  # Four standard errors.


def test_the_order_of_the_numbers_does_not_matter():
  assert splits.bucket((128, 367)) == splits.bucket((367, 128))
  assert splits.bucket((128, 367)) != splits.bucket((128, 368))


def test_the_rule_has_not_changed():
  # Models trained before a change would have seen held-out questions.
  assert splits.bucket((128, 367)) == 2794711896
  assert splits.bucket((1, 2, 3)) == 394668830


def test_an_unknown_split_is_one_clear_line():
  with pytest.raises(ValueError, match="^split = 'dev': must be one of train"):
    splits.check_split("dev")


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
