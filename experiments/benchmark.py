"""Times our training steps beside PyTorch and the ordinary form in JAX.

  python -m experiments.benchmark [--workdir=DIR]

Needs PyTorch (`pip install 'raml_jax[bench]'`) and, for its compiled form, a
C++ compiler. Five minutes on two cores, which should have nothing else to do.
"""

from absl import flags

from experiments import flags as flags_lib
from raml_jax.studies.benchmark import problem
from raml_jax.studies.benchmark import study
from raml_jax.studies.benchmark import timings

flags_lib.define_workdir("where results go (default: runs/benchmark)")


def main(argv) -> None:
  flags_lib.no_arguments(argv)
  with flags_lib.one_line_errors(timings.BenchmarkError):
    path = flags.FLAGS.workdir or "runs/benchmark"
    rows, workdir = study.run(path, problem.Sizes())
  print(timings.table(rows))
  print(f"saved: {workdir.path}/results/benchmark.json")


if __name__ == "__main__":
  flags_lib.run(main)
