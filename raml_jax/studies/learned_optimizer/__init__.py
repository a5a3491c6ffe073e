"""Learned optimizers beside tuned ones, and beside chains of thought."""
