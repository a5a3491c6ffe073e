"""True gradient descent: what a trajectory is compared with."""
