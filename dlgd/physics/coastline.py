"""Masks of the sea, and distances to the coast."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from dlgd.physics.grids import JOINT_LAT, POLE_LON, Grid, Position, unit_vectors
from dlgd.physics.halo import Topology, pad_cells, windows
from dlgd.physics.random_fields import smooth_field

WINDOW = 1024  # cells on each side of what distances are computed of at once


def real_sea(grid: Grid) -> np.ndarray:
    """Return (ny, nx) bool: True where at least five of nine points spread over the cell are sea, see `sea_at`."""
    return sea_at(grid.shape, grid.position)


def sea_at(shape: tuple[int, int], position: Position) -> np.ndarray:
    """Return whether cells (ny, nx) are sea: at least five of nine points spread over each.

    position: (row, column) -> (lat, lon) in degrees, with the borders of cells at whole numbers.

    Coastline of the package global-land-mask (GLOBE 1 km elevation, NOAA NGDC, 1999); lakes below sea
    level count as sea there.
    """
    from global_land_mask import globe

    ny, nx = shape
    row, column = np.meshgrid((np.arange(3 * ny) + 0.5) / 3, (np.arange(3 * nx) + 0.5) / 3, indexing="ij")
    lat, lon = position(row, column)
    ocean = globe.is_ocean(np.clip(lat, -89.99, 89.99), lon)
    return ocean.reshape(ny, 3, nx, 3).sum(axis=(1, 3)) >= 5


def without_polar_caps(sea: np.ndarray, grid: Grid, latitude: float = 80.0) -> np.ndarray:
    """Return the sea (ny, nx) between the latitudes -latitude and latitude; what lies beyond is land."""
    return sea & (np.abs(grid.lat) < latitude)


def random_polar_continents(grid: Grid, seed: int, sea_fraction: float = 0.6) -> np.ndarray:
    """Return (ny, nx) bool: sea between two random continents at the poles, with bays, capes and islands.

    The coast is where |row - equator| plus a random field of two scales (about 30 and 8 degrees) crosses the level
    that leaves `sea_fraction` of the cells to the sea. Cells around the two poles of a tripolar grid's cap are land
    too. The same seed gives the same continents.
    """
    ny, _ = grid.shape
    points = unit_vectors(grid.lat, grid.lon)
    rng = np.random.default_rng(seed)
    coarse, fine = smooth_field(points, 30.0, rng), smooth_field(points, 8.0, rng)
    latitude_like = np.abs(np.arange(ny) + 0.5 - ny / 2)[:, None] / (ny / 2)
    height = latitude_like + 0.16 * coarse + 0.07 * fine
    sea = height < np.quantile(height, sea_fraction)
    if grid.topology.south_north == "fold":  # the poles of the cap stand on land
        for pole in unit_vectors(np.full(2, JOINT_LAT), np.array([POLE_LON, POLE_LON - 180.0])):
            sea &= points @ pole < np.cos(np.deg2rad(15.0))
    return sea


def signed_distance(sea: np.ndarray, topology: Topology, metric: str = "euclidean", reach: int = 64) -> np.ndarray:
    """Return the distance to the coast in cells (ny, nx): positive at sea, negative on land, cut at +-reach.

    `metric` is "euclidean" or "manhattan". The first sea cell has distance 1, the first land cell -1.
    Beyond a closed side lies land.
    """
    if metric not in ("euclidean", "manhattan"):
        raise ValueError(f"unknown distance {metric!r}: choose euclidean or manhattan")
    reach = min(reach, *sea.shape)

    def distance_to_other(inside: np.ndarray) -> np.ndarray:
        if inside.all():
            return np.full(inside.shape, float(reach))
        if metric == "euclidean":
            return np.asarray(ndimage.distance_transform_edt(inside))
        return np.asarray(ndimage.distance_transform_cdt(inside, metric="taxicab"), float)

    found = np.empty(sea.shape)
    for window in windows(sea.shape, WINDOW):  # what lies farther than `reach` does not count
        around = pad_cells(sea, reach, topology, window=window)
        signed = distance_to_other(around) - distance_to_other(~around)
        south, north, west, east = window
        found[south:north, west:east] = np.clip(signed, -reach, reach)[reach:-reach, reach:-reach]
    return found
