"""Scores are tested with the samples of normalization coefficients."""

from tests.problems.conftest import samples

__all__ = ["samples"]
