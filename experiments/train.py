"""Trains one decoder on arithmetic: any task, format and objective.

  python -m experiments.train [--config=FILE] [--config.field=value]
      [--workdir=DIR]

Several devices: --config.mesh.data=0 cuts every batch into as many parts as
there are devices, --config.mesh.model=M the parameters into M. Several
processes: the same command in each, with --coordinator, --processes and
--process, or with --cluster=auto under SLURM and in clouds that JAX knows; the
first of them writes and prints.

Exit code 0 whatever the verdicts; another one only if the run failed.
"""

from absl import flags

from experiments import flags as flags_lib
from raml_jax.config import train as config_lib
from raml_jax.studies import claims
from raml_jax.studies.train import report
from raml_jax.studies.train import study
from raml_jax.tasks import prepared
from raml_jax.training import loop
from raml_jax.training import runtime

FLAGS = flags_lib.define("experiments/configs/addition_2.py", config_lib.parse)
flags.DEFINE_string(
  "coordinator", None, "host:port of process 0, which every process can reach"
)
flags.DEFINE_integer("processes", None, "how many processes there are")
flags.DEFINE_integer("process", None, "which of them this is, from 0")
flags.DEFINE_string("cluster", None, "auto: ask the cluster for all of these")
_JOIN = ("coordinator", "processes", "process", "cluster")


def main(argv) -> None:
  flags_lib.no_arguments(argv)
  config, path = flags_lib.config_and_workdir(FLAGS)
  errors = loop.NonFiniteLoss, runtime.SetupError, prepared.DatasetError
  with flags_lib.one_line_errors(*errors):
    # Before anything else of JAX.
    runtime.initialize(**{name: flags.FLAGS[name].value for name in _JOIN})
    rows, workdir = study.run(config, path)
    if not runtime.is_main():
      return
    report.write(workdir)
  print(claims.table(rows))
  print(f"report: {workdir.path}/report.md")


if __name__ == "__main__":
  flags_lib.run(main, FLAGS)
