"""The same questions and texts, drawn and written on the device in batches."""
