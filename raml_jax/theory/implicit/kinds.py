"""Which decoders have a parameter path, and their views of an example.

Whatever in this folder takes `(model, params, asked)` serves all of them.
"""

from __future__ import annotations

from typing import Any

from raml_jax.models import gpt
from raml_jax.theory.implicit import characters
from raml_jax.theory.implicit import views
from raml_jax.theory.implicit import weight_tokens

# Type of the model -> `(model, asked) -> View`.
TABLE = {
  gpt.Model: characters.view,
  weight_tokens.Asked: weight_tokens.view,
}


def view(model: Any, asked: Any) -> views.View:
  """The view of one example.

  Args:
    model: a decoder, of a type in TABLE.
    asked: one example of what it is asked.

  Raises:
    ValueError: the model, as it is configured, has no parameter path.
  """
  return TABLE[type(model)](model, asked)
