"""The square root of a covariance, which methods draw from and scores compare with."""

from __future__ import annotations

from typing import Any

import numpy as np


def covariance_root(deviations: np.ndarray) -> np.ndarray:
    """Return R (rows, variables) with R^T R = the covariance of deviations (member, variables) from their mean.

    It is 0 for a single member. A vector of as many standard normal numbers as R has rows, times R, has this
    covariance.
    """
    # NumPy's stubs have no single array for mode="r"
    root: Any = np.linalg.qr(deviations / np.sqrt(max(len(deviations) - 1, 1)), mode="r")
    return root
