"""Times our training steps beside PyTorch and the ordinary form in JAX.

  python -m experiments.benchmark [--workdir=DIR] [--only=SECTION]
    [--size=FIELD=VALUE]

Needs PyTorch (`pip install 'raml_jax[bench]'`) and, for its compiled form, a
C++ compiler. Half an hour on two cores, which should have nothing else to do.
Sections:

  attention  linear attention, beside PyTorch and ordinary JAX
  sinusoid   MAML, beside libraries for it; those that are missing are listed
             with their error (`raml_jax/studies/benchmark/meta_peers.py`)
  gpt        training steps of GPTs, beside nanoGPT's model in PyTorch
  sampling   tokens from a GPT, beside nanoGPT's way and a cache in PyTorch
  gpu        what only a GPU is asked for; needs no PyTorch

Any field of `raml_jax.studies.benchmark.problem.Sizes` is set by --size, its
value in JSON, e.g. --size=rounds=4 --size='gpu_keep="products"'.
"""

from collections.abc import Sequence
import json

from absl import flags

from experiments import flags as flags_lib
from raml_jax import parsing
from raml_jax.studies.benchmark import problem
from raml_jax.studies.benchmark import study
from raml_jax.studies.benchmark import timings

flags_lib.define_workdir("where results go (default: runs/benchmark)")

flags.DEFINE_enum(
  "only", None, list(study.SECTIONS), "the one section to run (default: all)"
)
flags.DEFINE_multi_string(
  "size", [], "FIELD=VALUE: a field of `problem.Sizes`, and its value in JSON"
)


def sizes(settings: Sequence[str]) -> problem.Sizes:
  """The benchmark's own, but for these "field=value"; values are JSON."""
  fields = {}
  for setting in settings:
    name, _, value = setting.partition("=")
    try:
      fields[name] = json.loads(value)
    except json.JSONDecodeError as error:
      text = f"--size={setting}: no JSON: {error}"
      raise parsing.ConfigError(text) from error
  return parsing.convert(problem.Sizes, fields, "size")


def main(argv) -> None:
  flags_lib.no_arguments(argv)
  with flags_lib.one_line_errors(timings.BenchmarkError):
    path = flags.FLAGS.workdir or "runs/benchmark"
    chosen = sizes(flags.FLAGS.size)
    rows, workdir = study.run(path, chosen, flags.FLAGS.only)
  print(timings.table(rows))
  print(f"saved: {workdir.path}/results/benchmark.json")


if __name__ == "__main__":
  flags_lib.run(main)
