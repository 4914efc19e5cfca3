"""A generated bottom of the ocean: shelves, ridges, seamounts."""

from __future__ import annotations

import numpy as np

from dlgd.physics.coastline import signed_distance
from dlgd.physics.grids import Grid
from dlgd.physics.random_fields import smooth_field

RIDGES = ((15.0, 0.25), (4.0, 0.12))  # correlation length in degrees of arc, and share of the depth, of random fields
SEAMOUNT_HEIGHT_M = (1000.0, 4500.0)
SEAMOUNT_RADIUS_CELLS = (0.7, 2.5)


def random_bathymetry(
    grid: Grid,
    sea: np.ndarray,
    rng: np.random.Generator,
    *,
    deepest: float = 5000.0,
    shallowest: float = 50.0,
    shelf: float = 4.0,
    seamounts: int = 60,
) -> np.ndarray:
    """Bottom depth (ny, nx) in m, 0 on land: deepest * tanh(distance to the coast / shelf), rough, with seamounts.

    deepest, shallowest: limits at sea, m. shelf: cells over which the bottom falls away from the coast.
    seamounts: their number; each is a Gaussian with a height of 1000 to 4500 m and a radius of 0.7 to 2.5 cells.
    """
    ny, nx = grid.shape
    depth = deepest * np.tanh(np.maximum(signed_distance(sea, grid.topology), 0) / shelf)
    for length, share in RIDGES:
        depth = depth * (1 + share * smooth_field(grid.position_of_centres, length, rng))
    rows, columns = np.arange(ny)[:, None], np.arange(nx)
    for y, x in zip(rng.integers(ny, size=seamounts), rng.integers(nx, size=seamounts), strict=True):
        height = np.exp(rng.uniform(*np.log(SEAMOUNT_HEIGHT_M)))
        radius = rng.uniform(*SEAMOUNT_RADIUS_CELLS)
        across = np.abs(columns - x)
        if grid.topology.west_east == "periodic":
            across = np.minimum(across, nx - across)
        depth = depth - height * np.exp(-((rows - y) ** 2 + across**2) / (2 * radius**2))
    return np.where(sea, np.clip(depth, shallowest, deepest), 0.0)
