"""What a figure of a report is."""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Figure:
  """A kind of figure.

  Attributes:
    name: begins the names of its files: a number, "_" and a title.
    draw: from what was measured to a matplotlib figure, or None where none of
      what it shows was measured.
    caption: what is seen.
  """

  name: str
  draw: Callable[..., Any]
  caption: str
