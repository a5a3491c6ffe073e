"""The outer loop: training, its checkpoints, and the directory of a run."""
