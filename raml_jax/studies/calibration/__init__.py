"""The parameter-space instrument where the right answer is known."""
