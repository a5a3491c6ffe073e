"""Thin binaries and their config files."""
