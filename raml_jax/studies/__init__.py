"""Whole experiments: what is trained, measured, decided and written down."""
