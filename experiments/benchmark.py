"""Times our training steps beside PyTorch and the ordinary form in JAX.

  python -m experiments.benchmark [--workdir=DIR] [--only=SECTION]

Needs PyTorch (`pip install 'raml_jax[bench]'`) and, for its compiled form, a
C++ compiler. Ten minutes on two cores, which should have nothing else to do.
A section is "attention" or "sinusoid"; libraries for MAML that are missing are
listed with their error (see `raml_jax/studies/benchmark/meta_peers.py`).
"""

from absl import flags

from experiments import flags as flags_lib
from raml_jax.studies.benchmark import problem
from raml_jax.studies.benchmark import study
from raml_jax.studies.benchmark import timings

flags_lib.define_workdir("where results go (default: runs/benchmark)")

flags.DEFINE_enum(
  "only", None, list(study.SECTIONS), "the one section to run (default: all)"
)


def main(argv) -> None:
  flags_lib.no_arguments(argv)
  with flags_lib.one_line_errors(timings.BenchmarkError):
    path = flags.FLAGS.workdir or "runs/benchmark"
    rows, workdir = study.run(path, problem.Sizes(), flags.FLAGS.only)
  print(timings.table(rows))
  print(f"saved: {workdir.path}/results/benchmark.json")


if __name__ == "__main__":
  flags_lib.run(main)
