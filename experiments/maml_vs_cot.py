"""Does a chain of thought descend? Trains, measures, decides, draws.

  python -m experiments.maml_vs_cot [--config=FILE] [--config.field=value]
      [--workdir=DIR]

The config's `experiment` says on what: linear regression, or arithmetic in
writing. Exit code 0 whatever the verdicts; another one only if the run failed.
"""

from experiments import flags as flags_lib
from raml_jax import parsing
from raml_jax.config import maml_vs_cot as config_lib
from raml_jax.config import maml_vs_cot_arithmetic as arithmetic_config
from raml_jax.studies import claims
from raml_jax.studies.maml_vs_cot import report
from raml_jax.studies.maml_vs_cot import study
from raml_jax.studies.maml_vs_cot_arithmetic import report as arithmetic_report
from raml_jax.studies.maml_vs_cot_arithmetic import study as arithmetic_study
from raml_jax.training import loop

# By experiment: who parses its config, runs it and reports it.
STUDIES = {
  "maml_vs_cot": (config_lib, study, report),
  "maml_vs_cot_arithmetic": (
    arithmetic_config,
    arithmetic_study,
    arithmetic_report,
  ),
}


def parse(mapping):
  """The config of the study that it names, or a `ConfigError`."""
  name = mapping.get("experiment", "maml_vs_cot")
  if name not in tuple(STUDIES):
    raise parsing.ConfigError(
      f"config.experiment = {name!r}: must be one of"
      f" {', '.join(map(repr, STUDIES))}"
    )
  return STUDIES[name][0].parse(mapping)


FLAGS = flags_lib.define("experiments/configs/maml_vs_cot.py", parse)


def main(argv) -> None:
  flags_lib.no_arguments(argv)
  config, path = flags_lib.config_and_workdir(FLAGS)
  _, study_, report_ = STUDIES[config.experiment]
  with flags_lib.one_line_errors(loop.NonFiniteLoss):
    rows, workdir = study_.run(config, path)
    report_.write(workdir)
  print(claims.table(rows))
  print(f"report: {workdir.path}/report.md")


if __name__ == "__main__":
  flags_lib.run(main, FLAGS)
