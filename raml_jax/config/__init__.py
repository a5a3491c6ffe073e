"""Configs, one module per experiment: typed, frozen and checked."""
