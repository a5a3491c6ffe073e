"""Checks of numbers that every config shares."""

import dataclasses

import pytest

from raml_jax import parsing
from raml_jax.config import common


@dataclasses.dataclass(frozen=True)
class _Part:
  noise: float
  sizes: tuple[int, ...] = (1,)
  on: bool = False


def test_zero_is_allowed_by_name_alone():
  common.check_numbers({"part": _Part(0.0)}, zero_allowed=("noise",))
  with pytest.raises(parsing.ConfigError) as error:
    common.check_numbers({"part": _Part(0.0)})
  assert str(error.value) == "config.part.noise = 0.0: must be positive"
  with pytest.raises(parsing.ConfigError) as error:
    common.check_numbers({"part": _Part(-1.0)}, zero_allowed=("noise",))
  assert str(error.value) == "config.part.noise = -1.0: must be at least 0"


@pytest.mark.parametrize(
  ("node", "field"),
  [
    (_Part(float("inf")), "noise = inf"),
    (_Part(1.0, (2, 0)), "sizes.1 = 0"),
    ({"shifts": {"far": _Part(float("nan"))}}, "shifts.far.noise = nan"),
  ],
)
def test_a_bad_number_is_found_wherever_it_stands(node, field):
  with pytest.raises(parsing.ConfigError) as error:
    common.check_numbers(node)
  assert str(error.value) == f"config.{field}: must be positive"


def test_margins_of_claims_may_be_negative():
  spec = common.ClaimSpec("s", "c", "u", (), {"a": (-0.1, 0.1)})
  common.check_numbers({"claims": {"x": spec}})


if __name__ == "__main__":
  raise SystemExit(pytest.main([__file__]))
