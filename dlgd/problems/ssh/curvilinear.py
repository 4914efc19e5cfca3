"""Curvilinear grids, whose longitudes and latitudes have two dimensions (NEMO, ROMS, CROCO, POP), and grids of unevenly
spaced axes (Mercator's, stretched ones): to a regular grid and back.

To the regular grid, a cell takes the linear interpolation in the triangle of the grid's points around it, Delaunay's in
longitude and latitude; back, a point takes the bilinear one of the four cells around it. Both are exact to the second
order of the spacing. Points that are unknown, on land or in holes, are left out and the weights of the others are
scaled to a sum of one; a cell is unknown where the unknown ones weigh more than half. Just beyond the outermost points
the nearest triangle is continued linearly, so that the way back reaches them.
"""

from __future__ import annotations

import functools
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dlgd.core.errors import Refusal
from dlgd.problems.ssh import kept_weights
from dlgd.problems.ssh.grid_points import Points

if TYPE_CHECKING:
    import xarray as xr
    from scipy.sparse import csr_array

log = logging.getLogger(__name__)

LAT, LON, SEA = (
    "point_lat",
    "point_lon",
    "point_sea",
)  # coordinates (y, x) of samples: the points of a person's own grid
HALF = 0.5  # of the weights: what must be known of a cell
ROUNDING = 1e-6
EDGE = 2.0  # spacings: triangles with longer edges lie between parts of a grid, or in the bays of its outline
SLIVER = 0.2  # of a cell: triangles along a bent outline that have less cannot be continued
BEYOND = 2.5  # spacings, from the middle of a triangle: how far it is continued
NO_CELLS = "the points of the curvilinear grid make no cells: are its longitudes and latitudes right?"
SEAM = 5.0  # degrees that are repeated on both sides of the seam of a ring


@dataclass(frozen=True)
class Regridding:
    """A regular grid around the points of a curvilinear one, and the weights that lead to it.

    lat, lon: of its cells, degrees, ascending. rows, columns: of the points that are used, slices of the file's.
    points: these. weights: (cells, points).
    """

    lat: np.ndarray
    lon: np.ndarray
    rows: slice
    columns: slice
    points: Points
    weights: csr_array

    def regular(self, values: np.ndarray) -> np.ndarray:
        """Values at points (..., y, x) -> (..., lat, lon) in the same precision, NaN where unknown."""
        found = _applied(self.weights, values.reshape(*values.shape[:-2], -1), HALF)
        return found.reshape(*values.shape[:-2], len(self.lat), len(self.lon)).astype(values.dtype)


@functools.lru_cache(maxsize=2)
def regridding(points: Points, south: float, north: float, west: float | None, east: float | None) -> Regridding:
    """The regular grid of all points within a box in degrees, with cells as large as those of the curvilinear grid.

    Cells stand at multiples of their size, so that files with the same points, whatever the box, have the same. west,
    east: None for all longitudes. Raises Refusal for a box with fewer than two rows or columns of cells.
    """
    known = np.isfinite(points.lat) & np.isfinite(points.lon)
    step_lat = points.step
    if not step_lat > 0:
        raise Refusal(NO_CELLS)
    lowest, highest = float(points.lat[known].min()), float(points.lat[known].max())
    step_lon = step_lat / np.cos(np.deg2rad((lowest + highest) / 2))
    circle = np.sort(points.lon[known] % 360)
    gaps = np.diff(circle, append=circle[0] + 360)
    ring = gaps.max() < 3 * step_lon
    start = 0.0 if ring else float(circle[(gaps.argmax() + 1) % len(circle)])
    if ring:
        step_lon = 360 / round(360 / step_lon)
        start = start if west is None else west
    width = 360 - step_lon if ring else 360 - float(gaps.max())
    low, high = (start, start + width) if ring else (start - step_lon, start + width + step_lon)
    if west is not None and east is not None:
        moved = west + 360 * np.round((start + width / 2 - (west + east) / 2) / 360) if not ring else west
        low, high = max(low, moved), min(high, moved + east - west)
    lat = _multiples(max(south, lowest - step_lat, -90.0), min(north, highest + step_lat, 90.0), step_lat)
    lon = _multiples(low, high, step_lon)
    if min(len(lat), len(lon)) < 2:
        raise Refusal(
            f"data.box has fewer than two of the cells of {step_lat:.3g} x {step_lon:.3g} degrees that the curvilinear "
            f"grid from {lowest:g} to {highest:g} degrees north makes: choose a larger one"
        )
    offset = (points.lon - lon[0] + SEAM) % 360 - SEAM
    near = known & (points.lat > lat[0] - 3 * step_lat) & (points.lat < lat[-1] + 3 * step_lat)
    near &= (offset > -3 * step_lon) & (offset < lon[-1] - lon[0] + 3 * step_lon) | (offset - 360 > -3 * step_lon)
    if not near.any():
        raise Refusal("data.box holds no point of the curvilinear grid: choose another one")
    rows, columns = (
        slice(int(there[0]), int(there[-1]) + 1) for there in map(np.flatnonzero, (near.any(1), near.any(0)))
    )
    used = Points(points.lat[rows, columns].copy(), points.lon[rows, columns].copy())
    log.info(
        "a curvilinear or unevenly spaced grid of %d x %d points is brought to a regular one of %d x %d cells of "
        "%.3g x %.3g degrees by linear interpolation in triangles, and answers are brought back to its points "
        "bilinearly",
        *used.lat.shape, len(lat), len(lon), step_lat, step_lon,
    )  # fmt: skip
    weights = kept_weights.kept((used.lat, used.lon), (lat, lon), lambda: _triangles(used, lat, lon))
    return Regridding(lat, (lon[0] + 180) % 360 - 180 + (lon - lon[0]), rows, columns, used, weights)


def _multiples(low: float, high: float, step: float) -> np.ndarray:
    """The multiples of a step from `low` to `high`."""
    return step * np.arange(np.ceil(low / step - 0.05), np.floor(high / step + 0.05) + 1)


def _triangles(points: Points, lat: np.ndarray, lon: np.ndarray) -> csr_array:
    """The weights (cells, points) of linear interpolation in triangles."""
    from scipy.sparse import csr_array
    from scipy.spatial import Delaunay, KDTree

    flat = np.flatnonzero(np.isfinite(points.lat) & np.isfinite(points.lon))
    x = (points.lon.ravel()[flat] - lon[0] + SEAM) % 360 - SEAM
    again = np.flatnonzero((x < SEAM) | (x > 360 - 3 * SEAM))  # both sides of the seam, which a ring crosses
    number = np.concatenate((flat, flat[again]))
    x = np.concatenate((x, np.where(x[again] < SEAM, x[again] + 360, x[again] - 360)))
    narrow = np.cos(np.deg2rad((lat[0] + lat[-1]) / 2))
    net = Delaunay(np.stack((x * narrow, points.lat.ravel()[number]), -1))
    corners = number[net.simplices]
    at, (far, near) = points.places.reshape(-1, 3)[corners], points.spacings
    spacing = far.ravel()[corners].max(1)
    edges = np.linalg.norm(at - np.roll(at, 1, 1), axis=-1).max(1)
    area = np.linalg.norm(np.cross(at[:, 1] - at[:, 0], at[:, 2] - at[:, 0]), axis=-1)  # of two triangles: of a cell
    whole = np.ptp(x[net.simplices], axis=1) < 180  # a repeated point is no neighbour of its own neighbours
    whole &= area >= SLIVER * spacing * near.ravel()[corners].min(1)
    whole &= (edges <= EDGE * spacing) & np.isfinite(net.transform).all(axis=(1, 2))
    cells = np.stack(np.meshgrid((lon - lon[0]) * narrow, lat), -1).reshape(-1, 2)
    found = net.find_simplex(cells)
    outside = np.flatnonzero((found < 0) | ~whole[found])
    (triangles,) = np.nonzero(whole)
    if not len(triangles):
        raise Refusal(NO_CELLS)
    distance, nearest = KDTree(net.points[net.simplices[triangles]].mean(1)).query(cells[outside])
    found[outside] = triangles[nearest]
    reach = np.rad2deg(spacing[found[outside]])
    used = np.ones(len(cells), bool)
    used[outside] = distance < BEYOND * reach
    (used,) = np.nonzero(used)
    transform = net.transform[found[used]]
    two = np.einsum("nij,nj->ni", transform[:, :2], cells[used] - transform[:, 2])
    shares = np.concatenate((two, 1 - two.sum(1, keepdims=True)), 1)
    return csr_array(
        (shares.ravel(), (np.repeat(used, 3), corners[found[used]].ravel())), shape=(len(cells), points.lat.size)
    )


def _applied(weights: csr_array, values: np.ndarray, least: float) -> np.ndarray:
    """The weighted means of the known values (..., n): (..., m), NaN where these weigh less than `least`."""
    flat = values.reshape(-1, values.shape[-1]).T.astype(np.float64)
    known = np.isfinite(flat)
    total, weight = weights @ np.where(known, flat, 0.0), weights @ known.astype(np.float64)
    there = weight >= least - ROUNDING
    found = np.where(there, total / np.where(there, weight, 1.0), np.nan)
    return found.T.reshape(*values.shape[:-1], -1)


# --- the points of samples ------------------------------------------------------------------------------------------


def coordinates(points: Points, sea: np.ndarray | None) -> dict[str, tuple[tuple[str, str], np.ndarray]]:
    """Coordinates of samples that keep the points of a person's own grid, and where of them the sea is, if known."""
    found = {LAT: points.lat, LON: points.lon} | ({} if sea is None else {SEA: sea})
    return {name: (("y", "x"), values) for name, values in found.items()}


def of(dataset: xr.Dataset) -> dict[str, xr.DataArray]:
    """The coordinates of samples, or of a record, that keep a person's own grid; none for most."""
    return {name: dataset[name] for name in (LAT, LON, SEA) if name in dataset.coords}


def own_axes(samples: xr.Dataset) -> tuple[tuple[str, str], dict[str, tuple[tuple[str, ...], np.ndarray]]]:
    """The dimensions of answers at the points of a person's own grid, and their latitudes and longitudes: (y, x), or
    axes of one dimension where the points are those of such axes."""
    lat, lon = samples[LAT].values, samples[LON].values
    if (lat == lat[:, :1]).all() and (lon == lon[:1]).all():
        return ("lat", "lon"), {"lat": (("lat",), lat[:, 0]), "lon": (("lon",), lon[0])}
    return ("y", "x"), {"lat": (("y", "x"), lat), "lon": (("y", "x"), lon)}


def back(values: np.ndarray, samples: xr.Dataset) -> np.ndarray:
    """Maps (..., lat, lon) of samples with a person's own grid, at its points: (..., y, x), NaN on its land."""
    from scipy.sparse import csr_array

    points = Points(samples[LAT].values, samples[LON].values)
    lat, lon = samples.lat.values.astype(float), samples.lon.values.astype(float)
    ny, nx = len(lat), len(lon)
    step = (lon[-1] - lon[0]) / (nx - 1)
    ring = nx * step > 360 - step / 2
    row = (points.lat.ravel() - lat[0]) * (ny - 1) / (lat[-1] - lat[0])
    column = ((points.lon.ravel() - lon[0] + step) % 360 - step) / step
    inside = (row > -1) & (row < ny) & (ring | (column > -1) & (column < nx))
    (used,) = np.nonzero(inside)  # NaN is not
    row, column = np.clip(row[used], 0, ny - 1), column[used] if ring else np.clip(column[used], 0, nx - 1)
    first, left = np.minimum(np.floor(row), ny - 2).astype(int), np.floor(column).astype(int)
    left = left if ring else np.minimum(left, nx - 2)
    terms = [
        (abs(1 - down - row + first) * abs(1 - across - column + left), (first + down) * nx + (left + across) % nx)
        for down in (0, 1)
        for across in (0, 1)
    ]
    shares, cells = (np.concatenate(each) for each in zip(*terms, strict=True))
    weights = csr_array((shares, (np.tile(used, 4), cells)), shape=(points.lat.size, ny * nx))
    found = _applied(weights, values.reshape(*values.shape[:-2], -1), 1e-3)
    found = found.reshape(*values.shape[:-2], *points.lat.shape)
    return np.where(samples[SEA].values.astype(bool), found, np.nan) if SEA in samples.coords else found
