"""The points of a grid whose longitudes and latitudes have two dimensions: which of them count, and whether they are
those of two axes."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import numpy as np

OFTEN = 4  # times that a place may be repeated, as in the halo of a tripolar grid
POLE = 89.9  # degrees: any number of points of a grid may be there
FAR = 20.0  # usual steps: no neighbours of a grid are so far from one another
FEW = 0.01  # of the points: more that are far from their neighbours are a coarse part of a grid
SAME = 1e-9  # rad: points no farther apart stand in one place


@dataclass(frozen=True)
class Points:
    """The points of a curvilinear grid: degrees (y, x), NaN where a file has none. Equal where all numbers are."""

    lat: np.ndarray
    lon: np.ndarray
    _key: tuple = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_key", (self.lat.shape, self.lat.tobytes(), self.lon.tobytes()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Points) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @functools.cached_property
    def places(self) -> np.ndarray:
        """On the unit sphere, (y, x, 3)."""
        lat, lon = np.deg2rad(self.lat), np.deg2rad(self.lon)
        return np.stack((np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)), -1)

    @functools.cached_property
    def spacings(self) -> tuple[np.ndarray, np.ndarray]:
        """The distances to the farthest and to the nearest neighbour, rad (y, x)."""
        far, near = np.zeros(self.lat.shape), np.full(self.lat.shape, np.inf)
        for axis in (0, 1):
            step = np.linalg.norm(np.diff(self.places, axis=axis), axis=-1)
            for ends in (slice(None, -1), slice(1, None)):
                here = (slice(None),) * axis + (ends,)
                far[here], near[here] = np.fmax(far[here], step), np.fmin(near[here], step)
        return far, near

    @functools.cached_property
    def step(self) -> float:
        """The side of a square as large as the median cell, degrees; the same whichever row and column come first."""
        at = self.places
        areas = np.linalg.norm(np.cross(at[1:, 1:] - at[:-1, :-1], at[1:, :-1] - at[:-1, 1:]), axis=-1) / 2
        return float(np.rad2deg(np.sqrt(np.nanmedian(areas))))


def places_known(lat: np.ndarray, lon: np.ndarray) -> tuple[Points, int, int]:
    """The points of a file; how many of them stand all in one place, such as 0 N 0 E, where a model has no cells; and
    how many others stand far from all of their neighbours. Both are unknown, NaN."""
    at, place, count = np.unique(lon.ravel() + 1j * lat.ravel(), return_inverse=True, return_counts=True)
    lost = ((count > OFTEN) & (abs(at.imag) < POLE))[place].reshape(lat.shape)  # NaN is not below
    points = Points(np.where(lost, np.nan, lat), np.where(lost, np.nan, lon))
    stray = _stray(points)
    if stray.any():
        points = Points(np.where(stray, np.nan, points.lat), np.where(stray, np.nan, points.lon))
    return points, int(lost.sum()), int(stray.sum())


def _stray(points: Points) -> np.ndarray:
    """Bool (y, x): whether all neighbours of a point, in both dimensions, are more than FAR usual steps away.

    A neighbour in the same place tells nothing; a point without another one is compared with the nearest of the grid.
    """
    from scipy.spatial import KDTree

    far, near, usual = np.zeros(points.lat.shape, bool), np.zeros(points.lat.shape, bool), 0.0
    for axis in (0, 1):
        step = np.linalg.norm(np.diff(points.places, axis=axis), axis=-1)
        apart = step > SAME  # NaN is not
        if not apart.any():
            continue
        limit = FAR * float(np.median(step[apart]))
        usual = max(usual, limit)
        for ends in (slice(None, -1), slice(1, None)):
            here = (slice(None),) * axis + (ends,)
            far[here] |= step > limit
            near[here] |= apart & (step <= limit)
    alone = np.isfinite(points.lat) & np.isfinite(points.lon) & ~far & ~near
    if alone.any() and near.any():
        far[alone] = KDTree(points.places[near]).query(points.places[alone])[0] > usual
    stray = far & ~near
    return stray if stray.sum() <= max(1, FEW * stray.size) else np.zeros_like(stray)


def rectilinear(points: Points, off: float) -> tuple[np.ndarray, np.ndarray, bool] | None:
    """Latitudes and longitudes (n,) if the grid is the product of both, to `off` of a step, and whether latitudes go
    along its second dimension; None where it is not."""
    for turned in (False, True):
        lat, lon = (points.lat.T, points.lon.T) if turned else (points.lat, points.lon)
        finite = np.isfinite(lat) & np.isfinite(lon)
        if min(lat.shape) < 2 or not (finite.any(axis=0).all() and finite.any(axis=1).all()):
            return None
        first = finite.argmax(axis=0)
        row, column = np.nanmedian(lat, axis=1), lon[first, np.arange(lon.shape[1])]
        apart = (lon - column + 180) % 360 - 180
        steps = [abs(np.median(np.diff(axis))) for axis in (row, np.unwrap(column, period=360))]
        if (
            min(steps) > 0
            and np.nanmax(abs(lat - row[:, None])) < off * steps[0]
            and np.nanmax(abs(apart)) < off * steps[1]
        ):
            return row, column + np.nanmedian(apart, axis=0), turned
    return None
