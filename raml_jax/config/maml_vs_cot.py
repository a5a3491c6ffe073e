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
from raml_jax.config import common


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
class Imitation:
  """Teacher forcing on gradient descent with step `eta`, K = `steps`."""

  steps: int
  eta: float
  train: common.Training


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
  train: common.Training


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
  restricted: common.Training
  full: common.Training
  direct: common.Training


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
  shared: common.Training
  per_step: common.Training
  others: common.Training


@dataclasses.dataclass(frozen=True)
class VonOswald:
  """One layer on the query-token prompt (von Oswald et al. 2023, Prop. 1)."""

  d: int
  n: int
  half_width: float
  init_scale: float
  train: common.Training


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


_ZERO_ALLOWED = ("noise", "seed", "rotated_degrees", "heavy_ball_mu", "mlp")
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
  claims: Mapping[str, common.ClaimSpec]


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


def _check(c: MamlVsCot) -> None:
  """What types cannot say."""
  common.require(c.seed >= 0, "seed", c.seed, "at least 0")
  common.require(c.seeds >= 2, "seeds", c.seeds, "at least 2")
  common.require(c.task.d >= 3, "task.d", c.task.d, "at least 3")
  common.require(
    c.measure.tasks >= 2, "measure.tasks", c.measure.tasks, "at least 2"
  )
  common.require(
    len(c.arms) >= 1, "arms", dict(c.arms), "at least one covariance"
  )
  for i, name in enumerate(c.regimes):
    allowed = "one of " + ", ".join(REGIMES)
    common.require(name in REGIMES, f"regimes[{i}]", name, allowed)
  covariances = {f"arms.{k}": v for k, v in c.arms.items()}
  for name, shift in c.measure.shifts.items():
    if shift.covariance is not None:
      covariances[f"measure.shifts.{name}.covariance"] = shift.covariance
  for name, covariance in covariances.items():
    size = {"isotropic": 0, "eigenvalues": c.task.d, "power": 1}
    spectrum = covariance.spectrum
    expected = size[covariance.kind]
    field = f"{name}.spectrum"
    common.require(
      len(spectrum) == expected, field, spectrum, f"{expected} numbers"
    )
    common.require(all(s > 0 for s in spectrum), field, spectrum, "positive")
  common.check_numbers(c, _ZERO_ALLOWED)
