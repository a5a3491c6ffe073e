"""The study, as small as it gets: tests share it."""

from experiments.configs import learned_optimizer_smoke
from raml_jax.config import learned_optimizer as config_lib


def config() -> config_lib.LearnedOptimizer:
  """Two seeds, few steps; all chains have one length and share programs."""
  config = learned_optimizer_smoke.get_config().to_dict()
  config["seeds"] = 2
  config["rule"] |= {"layers": 1, "width": 4}
  config["train"]["steps"] = config["answers"]["steps"] = 10
  config["tune"] |= {"tasks": 4, "points": 3, "mu": (0.5,)}
  config["measure"] |= {"tasks": 4, "chain_tasks": 8, "scales": (1.0,)}
  config["chains"]["workdir"] = "nowhere"
  job = config["chains"]["job"]
  job["imitation"]["steps"] = 2
  job["imitation"]["train"]["steps"] = job["outcome"]["full"]["steps"] = 10
  return config_lib.parse(config)
