"""MAML with true inner steps on a trajectory, beside the chain of thought."""
