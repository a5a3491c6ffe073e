"""Runs one experiment with every combination of some values of its fields.

  python -m experiments.sweep [--config=FILE] [--config.field=value]
      --set=field=value,value,... [--set=...] [--index=i] [--workdir=DIR]

The config names the experiment. Without --index all combinations run one after
another in this process; with it that one alone, 0 being the first, so that an
array of jobs may share them out. Whoever finishes one merges all that are
finished into results/sweep.json and report.md. What is finished is never done
again.

Example: two formats and two learning rates, four jobs:

  python -m experiments.sweep --set=task.format=plain,reversed \
      --set=fit.learning_rate=1e-3,3e-3
"""

from absl import flags

from experiments import flags as flags_lib
from raml_jax import parsing
from raml_jax.config import learned_optimizer as optimizer_config
from raml_jax.config import maml_vs_cot as main_config
from raml_jax.config import sinusoid as sinusoid_config
from raml_jax.config import train as train_config
from raml_jax.studies.learned_optimizer import report as optimizer_report
from raml_jax.studies.learned_optimizer import study as optimizer_study
from raml_jax.studies.maml_vs_cot import report as main_report
from raml_jax.studies.maml_vs_cot import study as main_study
from raml_jax.studies.sinusoid import report as sinusoid_report
from raml_jax.studies.sinusoid import study as sinusoid_study
from raml_jax.studies.sweep import grid
from raml_jax.studies.sweep import study
from raml_jax.studies.train import report as train_report
from raml_jax.studies.train import study as train_study
from raml_jax.tasks import prepared
from raml_jax.training import runtime

# By the name in the config.
EXPERIMENTS = {
  "learned_optimizer": study.Experiment(
    optimizer_config.parse, optimizer_study.run, optimizer_report.write
  ),
  "maml_vs_cot": study.Experiment(
    main_config.parse, main_study.run, main_report.write
  ),
  "sinusoid": study.Experiment(
    sinusoid_config.parse, sinusoid_study.run, sinusoid_report.write
  ),
  "train": study.Experiment(
    lambda mapping: train_study.check(train_config.parse(mapping)),
    train_study.run,
    train_report.write,
  ),
}

FLAGS = flags_lib.define("experiments/configs/addition_2.py", dict)
flags.DEFINE_multi_string("set", [], "field=value,value,...: what is varied")
flags.DEFINE_integer("index", None, "the one job to run, from 0 (default: all)")


def main(argv) -> None:
  flags_lib.no_arguments(argv)
  config, path = flags_lib.config_and_workdir(FLAGS)
  if flags.FLAGS.workdir is None:
    path = path.with_name(f"{path.name}_sweep")
  with flags_lib.one_line_errors(runtime.SetupError, prepared.DatasetError):
    name = config.get("experiment")
    if name not in EXPERIMENTS:
      known = ", ".join(map(repr, EXPERIMENTS))
      raise parsing.ConfigError(
        f"config.experiment = {name!r}: must be one of {known}"
      )
    changes = grid.changes(flags.FLAGS.set)
    rows, workdir = study.run(
      EXPERIMENTS[name], config, changes, path, flags.FLAGS.index
    )
  print(f"{len(rows)} jobs are finished")
  print(f"report: {workdir.path}/report.md")


if __name__ == "__main__":
  flags_lib.run(main, FLAGS)
