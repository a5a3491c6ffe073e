"""The families by name, for configs and for the tests that run over all."""

from __future__ import annotations

import types

from raml_jax.tasks.arithmetic.families import chains
from raml_jax.tasks.arithmetic.families import expressions
from raml_jax.tasks.arithmetic.families import pairs

FAMILIES = types.MappingProxyType(
  {
    "pairs": pairs.Pairs,
    "chains": chains.Chains,
    "expressions": expressions.Expressions,
  }
)
