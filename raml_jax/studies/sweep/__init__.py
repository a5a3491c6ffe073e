"""Many runs of one experiment: every combination of some of its fields."""
