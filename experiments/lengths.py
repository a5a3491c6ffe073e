"""Length generalisation: trains to L digits, tests to 2L, says what fails.

  python -m experiments.lengths [--config=FILE] [--config.field=value]
      [--workdir=DIR]

Exit code 0 whatever the verdicts; another one only if the run failed.
"""

from experiments import flags as flags_lib
from raml_jax.config import lengths as config_lib
from raml_jax.studies import claims
from raml_jax.studies.lengths import report
from raml_jax.studies.lengths import study
from raml_jax.training import loop

FLAGS = flags_lib.define("experiments/configs/lengths.py", config_lib.parse)


def main(argv) -> None:
  flags_lib.no_arguments(argv)
  config, path = flags_lib.config_and_workdir(FLAGS)
  with flags_lib.one_line_errors(loop.NonFiniteLoss):
    rows, workdir = study.run(config, path)
    report.write(workdir)
  print(claims.table(rows))
  print(f"report: {workdir.path}/report.md")


if __name__ == "__main__":
  flags_lib.run(main, FLAGS)
