"""Maps that go all around the globe: their last column is a neighbour of the first."""

from __future__ import annotations

import numpy as np


def is_ring(lon: np.ndarray) -> bool:
    """Whether longitudes (n,), evenly spaced, go all around the globe."""
    return len(lon) > 1 and len(lon) * (lon[-1] - lon[0]) / (len(lon) - 1) > 360 - (lon[1] - lon[0]) / 2


def closed(lon: np.ndarray, maps: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Longitudes (n,), maps (..., n) and places between them, so that these lie between two columns all around: on a
    ring the first column follows the last one once more, and places are counted from the first. Others stay."""
    if not is_ring(lon):
        return lon, maps, at
    return np.append(lon, lon[0] + 360), np.concatenate((maps, maps[..., :1]), axis=-1), lon[0] + (at - lon[0]) % 360
