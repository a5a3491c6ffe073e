"""Draws the figures and writes the report of a run again, without training.

python -m experiments.report [--workdir=DIR]
"""

from absl import flags

from experiments import flags as flags_lib
from raml_jax.studies import report
from raml_jax.training import workdir as workdir_lib

flags_lib.define_workdir("the run to report (default: runs/maml_vs_cot)")


def main(argv) -> None:
  flags_lib.no_arguments(argv)
  with flags_lib.one_line_errors():
    path = flags.FLAGS.workdir or "runs/maml_vs_cot"
    workdir, _ = workdir_lib.load_workdir(path)
    report.write(workdir)
  print(f"report: {workdir.path}/report.md")


if __name__ == "__main__":
  flags_lib.run(main)
