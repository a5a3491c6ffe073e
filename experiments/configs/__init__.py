"""Config files: `--config=experiments/configs/<name>.py`."""
