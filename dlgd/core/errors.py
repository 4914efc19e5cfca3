"""Errors that a person reads. Imports nothing."""


class Refusal(ValueError):
    """One sentence for the person who typed the command: what is wrong and what to do about it.

    Commands print the sentence alone and leave with exit code 2. Any other exception is a fault of a program, ours or
    the person's own, and keeps its traceback.
    """
