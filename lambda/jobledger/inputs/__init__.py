"""What a caller sends: every input as a JSON Schema with its rule in words, and how it is validated."""
