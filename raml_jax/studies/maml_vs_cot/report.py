"""The report of the main job: claims, numbers and figures."""

from __future__ import annotations

from raml_jax.config import maml_vs_cot as config_lib
from raml_jax.plotting import maml_vs_cot as figures
from raml_jax.studies import report
from raml_jax.studies import tables
from raml_jax.studies.maml_vs_cot import comparisons
from raml_jax.studies.maml_vs_cot import numbers
from raml_jax.training import workdir as workdir_lib

EXPERIMENT = "maml_vs_cot"


def write(workdir: workdir_lib.Workdir) -> None:
  """Draws every figure and writes report.md; nothing is trained.

  Raises:
    WorkdirError: the run is another experiment's, or has not come to its end.
  """
  config, claims, results = report.load(workdir, EXPERIMENT, config_lib.parse)
  lines = [
    "# Does a chain of thought descend?",
    "",
    *_setting(config),
    "",
    *tables.claims(claims),
  ]
  for arm in config.arms:
    lines += [
      "",
      f"## Numbers: {arm} arm",
      *numbers.of_arm(results, config, arm),
    ]
  for section in (
    comparisons.rules(results, config),
    comparisons.von_oswald(results),
  ):
    lines += section
  for arm in config.arms:
    lines += ["", f"## Figures: {arm} arm", ""]
    lines += report.figures(
      workdir, figures.TABLE, results, config, arm, suffix=f"_{arm}"
    )
  lines += ["", "## All parts of the claims", "", *tables.parts(claims), ""]
  workdir.write("report.md", "\n".join(lines).encode())


def _setting(config: config_lib.MamlVsCot) -> list[str]:
  """What was run, in a few lines."""
  t, m = config.task, config.model
  model = (
    f"linear self-attention, {m.layers} layer(s)"
    if m.kind == "linear_attention"
    else f"causal softmax decoder, {m.layers} layers, {m.heads} heads, width"
    f" {m.width}"
  )
  return [
    f"In-context linear regression, d = {t.d}, n = {t.n}, {t.law} inputs;"
    f" model: {model}; {config.seeds} training seeds; per seed"
    f" {config.measure.tasks} evaluation tasks, {config.measure.error_tasks}"
    " for mean errors.",
    "",
    tables.READING,
  ]
