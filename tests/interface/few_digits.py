"""Options of data=mnist_5k that make a test quick."""

DIGITS = {"task": "denoise", "samples": {"train": 100, "valid": 20, "test": 20}}
