"""Our training steps beside those that people would otherwise use."""
