"""The parameter-space instrument where the right answer is known.

  python -m experiments.calibration [--config=FILE] [--config.field=value]
      [--workdir=DIR]

Exit code 0 whatever the verdicts; another one only if the run failed.
"""

from experiments import flags as flags_lib
from raml_jax.config import calibration as config_lib
from raml_jax.studies import claims
from raml_jax.studies.calibration import report
from raml_jax.studies.calibration import study
from raml_jax.training import loop

FLAGS = flags_lib.define("experiments/configs/calibration.py", config_lib.parse)


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
