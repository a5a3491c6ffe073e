"""Formats of written addition: what they cost in examples and in tokens."""
