"""The config of the main job, as typed, frozen dataclasses.

`parse` is the one boundary between a config file and the library: it takes any
nested mapping and returns a checked `MamlVsCot`, or raises
`parsing.ConfigError`, one line that names the field, its value and what is
allowed.
"""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
from typing import Any, Literal

from raml_jax import parsing


@dataclasses.dataclass(frozen=True)
class Task:
  """`tasks.regression.LinearRegression`, but for the covariance."""

  d: int
  n: int
  law: Literal["normal", "uniform"]
  scale: float
  noise: float
  prior: Literal["normal", "sphere"]
  prior_scale: float


@dataclasses.dataclass(frozen=True)
class Covariance:
  """Of the inputs: see `tasks.regression.covariance_root`."""

  kind: Literal["isotropic", "eigenvalues", "power"]
  spectrum: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Model:
  """What learns to write trajectories.

  Attributes:
    kind: linear self-attention or a softmax decoder.
    layers: how many.
    init_scale: standard deviation of the entries of V and W (linear).
    width: of the residual stream (decoder).
    heads: per layer (decoder).
    layer_norm: whether the decoder normalises.
    mlp: hidden width of the MLP over the width, 0 for none (decoder).
    positions: whether the decoder is told positions.
  """

  kind: Literal["linear_attention", "decoder"]
  layers: int
  init_scale: float
  width: int
  heads: int
  mlp: int
  layer_norm: bool
  positions: bool


@dataclasses.dataclass(frozen=True)
class Training:
  """Adam with warm-up and cosine decay, the global gradient norm clipped."""

  steps: int
  batch: int
  learning_rate: float
  clip: float


@dataclasses.dataclass(frozen=True)
class Imitation:
  """Teacher forcing on gradient descent with step `eta`, K = `steps`."""

  steps: int
  eta: float
  train: Training


@dataclasses.dataclass(frozen=True)
class Decoys:
  """Teachers that are not gradient descent, and the straight path."""

  steps: int
  rotated_eta: float
  rotated_degrees: float
  shrunk_alpha: float
  shrunk_beta: float
  preconditioned_eigenvalues: tuple[float, float]
  heavy_ball_eta: float
  heavy_ball_mu: float
  straight_steps: int
  straight_eta: float
  train: Training


@dataclasses.dataclass(frozen=True)
class Outcome:
  """Only the last of K self-generated tokens is judged.

  Attributes:
    steps: the K's.
    cap: a task whose squared error exceeds it counts as `cap`, without
      gradient: one diverging task must not move all of a batch.
    restricted: only V_31 and W_13 learn.
    full: every entry learns.
    direct: K = 1.
  """

  steps: tuple[int, ...]
  cap: float
  restricted: Training
  full: Training
  direct: Training


@dataclasses.dataclass(frozen=True)
class Maml:
  """Explicit inner loops.

  Attributes:
    alpha: initial step size.
    shared_steps: the K's of the variant with one step size.
    per_step_steps: the K's of the variant with one step size per step.
    other_steps: the K's of per-coordinate, preconditioner and shrunk.
    shared: the outer loop of the first; a clip far above the usual norm, since
      clipping rare large gradients would bias the step size upwards.
    per_step: the outer loop of the second.
    others: the outer loop of the rest.
  """

  alpha: float
  shared_steps: tuple[int, ...]
  per_step_steps: tuple[int, ...]
  other_steps: tuple[int, ...]
  shared: Training
  per_step: Training
  others: Training


@dataclasses.dataclass(frozen=True)
class VonOswald:
  """One layer on the query-token prompt (von Oswald et al. 2023, Prop. 1)."""

  d: int
  n: int
  half_width: float
  init_scale: float
  train: Training


@dataclasses.dataclass(frozen=True)
class Shift:
  """A change of the task at evaluation; what is None stays."""

  covariance: Covariance | None = None
  law: Literal["normal", "uniform"] | None = None
  scale: float | None = None
  noise: float | None = None
  prior_scale: float | None = None
  n: int | None = None


@dataclasses.dataclass(frozen=True)
class Measure:
  """The evaluation.

  Attributes:
    tasks: per seed, for trajectories, interventions and rivals.
    error_tasks: per seed, for mean errors.
    scales: of the interventions.
    beyond: how many times the trained length paths are followed.
    spectra: draws for the optima.
    shifts: name -> out-of-distribution task.
  """

  tasks: int
  error_tasks: int
  scales: tuple[float, ...]
  beyond: int
  spectra: int
  shifts: Mapping[str, Shift]


@dataclasses.dataclass(frozen=True)
class ClaimSpec:
  """A claim's words and margins: see `statistics.Claim`."""

  statement: str
  criterion: str
  unit: str
  controls: tuple[str, ...]
  margins: Mapping[str, tuple[float | None, float | None]]
  by_construction: bool = False


REGIMES = (
  "imitation",
  "decoys",
  "straight_path",
  "outcome_full",
  "outcome_restricted",
  "direct",
  "maml",
  "von_oswald",
)


@dataclasses.dataclass(frozen=True)
class MamlVsCot:
  """The main job: `studies.maml_vs_cot`."""

  experiment: Literal["maml_vs_cot"]
  seed: int
  seeds: int
  regimes: tuple[str, ...]
  task: Task
  arms: Mapping[str, Covariance]
  model: Model
  imitation: Imitation
  decoys: Decoys
  outcome: Outcome
  maml: Maml
  von_oswald: VonOswald
  measure: Measure
  claims: Mapping[str, ClaimSpec]


def parse(mapping: Mapping[str, Any]) -> MamlVsCot:
  """Converts and checks a config.

  Raises:
    ConfigError: an unknown, missing, ill-typed or impossible field.
  """
  config = parsing.convert(MamlVsCot, mapping, "config")
  _check(config)
  # The isotropic arm leads, whatever order the mapping had.
  arms = sorted(config.arms.items(), key=lambda kv: kv[1].kind != "isotropic")
  return dataclasses.replace(config, arms=dict(arms))


def _require(condition: bool, field: str, value: Any, allowed: str) -> None:
  if not condition:
    raise parsing.ConfigError(f"config.{field} = {value!r}: must be {allowed}")


def _check(c: MamlVsCot) -> None:
  """What types cannot say."""
  _require(c.seed >= 0, "seed", c.seed, "at least 0")
  _require(c.seeds >= 2, "seeds", c.seeds, "at least 2")
  _require(c.task.d >= 3, "task.d", c.task.d, "at least 3")
  _require(c.measure.tasks >= 2, "measure.tasks", c.measure.tasks, "at least 2")
  _require(len(c.arms) >= 1, "arms", dict(c.arms), "at least one covariance")
  for i, name in enumerate(c.regimes):
    allowed = "one of " + ", ".join(REGIMES)
    _require(name in REGIMES, f"regimes[{i}]", name, allowed)
  covariances = {f"arms.{k}": v for k, v in c.arms.items()}
  for name, shift in c.measure.shifts.items():
    if shift.covariance is not None:
      covariances[f"measure.shifts.{name}.covariance"] = shift.covariance
  for name, covariance in covariances.items():
    size = {"isotropic": 0, "eigenvalues": c.task.d, "power": 1}
    spectrum = covariance.spectrum
    expected = size[covariance.kind]
    field = f"{name}.spectrum"
    _require(len(spectrum) == expected, field, spectrum, f"{expected} numbers")
    _require(all(s > 0 for s in spectrum), field, spectrum, "positive")
  _check_numbers(c, "")


_ZERO_ALLOWED = ("noise", "seed", "rotated_degrees", "heavy_ball_mu", "mlp")
_UNCHECKED = ("claims",)


def _check_numbers(node: Any, path: str) -> None:
  """Every size, length, rate and scale is positive, wherever it stands."""
  if dataclasses.is_dataclass(node):
    items = [(f.name, getattr(node, f.name)) for f in dataclasses.fields(node)]
  elif isinstance(node, Mapping):
    items = list(node.items())
  elif isinstance(node, tuple):
    items = [(str(i), value) for i, value in enumerate(node)]
  else:
    return
  for name, value in items:
    field = f"{path}.{name}" if path else name
    if name in _UNCHECKED:
      continue
    if isinstance(value, (int, float)) and not isinstance(value, bool):
      zero = name in _ZERO_ALLOWED
      allowed = "at least 0" if zero else "positive"
      finite = value == value and abs(value) != float("inf")
      good = finite and (value >= 0 if zero else value > 0)
      _require(good, field, value, allowed)
    else:
      _check_numbers(value, field)
