"""The models. Flax lives here and nowhere else."""
