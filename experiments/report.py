"""Draws the figures and writes the report of a run again, without training.

python -m experiments.report [--workdir=DIR]
"""

from absl import flags

from experiments import flags as flags_lib
from raml_jax.studies.calibration import report as calibration
from raml_jax.studies.formats import report as formats
from raml_jax.studies.learned_optimizer import report as learned_optimizer
from raml_jax.studies.lengths import report as lengths
from raml_jax.studies.maml_vs_cot import report as maml_vs_cot
from raml_jax.studies.maml_vs_cot_arithmetic import (
  report as maml_vs_cot_arithmetic,
)
from raml_jax.studies.pseudo_gradient import report as pseudo_gradient
from raml_jax.studies.sinusoid import report as sinusoid
from raml_jax.studies.sweep import report as sweep
from raml_jax.studies.train import report as train
from raml_jax.training import workdir as workdir_lib

flags_lib.define_workdir("the run to report (default: runs/maml_vs_cot)")

# The experiment that config.json names -> what writes its report. None of these
# modules may import JAX: drawing starts at once.
WRITERS = {
  "calibration": calibration.write,
  "formats": formats.write,
  "learned_optimizer": learned_optimizer.write,
  "lengths": lengths.write,
  "maml_vs_cot": maml_vs_cot.write,
  "maml_vs_cot_arithmetic": maml_vs_cot_arithmetic.write,
  "pseudo_gradient": pseudo_gradient.write,
  "sinusoid": sinusoid.write,
  "sweep": sweep.write,
  "train": train.write,
}


def write(workdir: workdir_lib.Workdir, experiment: str | None) -> None:
  """Writes the report of a run.

  Raises:
    WorkdirError: the experiment has no report, or the run is not finished.
  """
  if experiment not in WRITERS:
    raise workdir_lib.WorkdirError(
      f"workdir {workdir.path} holds the experiment {experiment!r}, not"
      f" {' or '.join(map(repr, WRITERS))}"
    )
  WRITERS[experiment](workdir)


def main(argv) -> None:
  flags_lib.no_arguments(argv)
  with flags_lib.one_line_errors():
    path = flags.FLAGS.workdir or "runs/maml_vs_cot"
    workdir, config = workdir_lib.load_workdir(path)
    write(workdir, config.get("experiment"))
  print(f"report: {workdir.path}/report.md")


if __name__ == "__main__":
  flags_lib.run(main)
