"""Does a chain of thought descend? Reasoning against true gradient descent."""
