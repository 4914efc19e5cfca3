"""The Frechet distance between two sets of features, each approximated by a Gaussian."""

from __future__ import annotations

import numpy as np

from dlgd.core.errors import Refusal
from dlgd.problems.images.covariance import covariance_root


def frechet_distance(first: np.ndarray, second: np.ndarray) -> float:
    """|m1 - m2|^2 + Tr(C1 + C2 - 2 (C1 C2)^(1/2)) of features (n, m) and (k, m), in their units squared.

    Heusel et al. 2017, GANs trained by a two time-scale update rule converge to a local Nash equilibrium, eq. 6, use
    features of a network for photographs. The distance shrinks with the number of samples: compare sets of equal sizes.

    No root of a matrix is taken: with C1 = A^T A and C2 = B^T B the eigenvalues of C1 C2 are the squared singular
    values of A B^T, however singular the covariances are. Raises Refusal for less than two samples, and for values
    that are not finite.
    """
    for features in (first, second):
        if features.ndim != 2 or len(features) < 2:
            raise Refusal(f"Features of shape {features.shape} have no covariance: give two samples at least.")
        if not np.isfinite(features).all():
            raise Refusal("The features are not finite.")
    between = first.mean(axis=0, dtype=np.float64) - second.mean(axis=0, dtype=np.float64)
    a, b = (covariance_root(each - each.mean(axis=0, dtype=np.float64)) for each in (first, second))
    singular = np.linalg.svd(a @ b.T, compute_uv=False)
    distance = between @ between + (a**2).sum() + (b**2).sum() - 2 * singular.sum()
    return max(float(distance), 0.0)  # rounding makes the distance of equal sets slightly negative or positive
