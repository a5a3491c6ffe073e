"""Distributions of questions, each with `sample(key, batch)`."""
