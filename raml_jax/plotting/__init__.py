"""Figures of paper quality; matplotlib is imported where it is used."""
