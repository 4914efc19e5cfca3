"""Smooth random fields on the sphere, without seams at date line, fold or poles."""

from __future__ import annotations

import numpy as np


def smooth_field(points: np.ndarray, length_deg: float, rng: np.random.Generator, waves: int = 200) -> np.ndarray:
    """A random field with zero mean, unit variance and covariance exp(-d^2 / (2 length^2)), d the chord.

    `points` (..., 3) unit vectors -> (...). Random Fourier features (Rahimi and Recht 2007) of the
    three-dimensional Gaussian kernel, seen on the sphere; nearly Gaussian for many waves.
    """
    wavenumbers = rng.normal(size=(3, waves)) / np.deg2rad(length_deg)
    phases = rng.uniform(0, 2 * np.pi, waves)
    field = np.zeros(points.shape[:-1])
    for k in range(waves):  # one wave at a time: bounded memory
        field += np.cos(points @ wavenumbers[:, k] + phases[k])
    return np.sqrt(2 / waves) * field
