"""Meta-learning on sinusoids: eight methods, one protocol."""
