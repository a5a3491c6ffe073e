"""The steps from a question to its answer, one file per kind of question."""
