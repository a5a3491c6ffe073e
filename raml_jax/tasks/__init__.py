"""What a question is."""
