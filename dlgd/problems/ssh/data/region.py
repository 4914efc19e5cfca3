"""The cells of maps that no file gives, a box and evenly spaced longitudes and latitudes in it; and where points lie on
the cells of maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from dlgd.core import checks
from dlgd.core.constants import KM_PER_DEGREE
from dlgd.core.errors import Refusal
from dlgd.problems.ssh import seam
from dlgd.problems.ssh.data.map_axes import in_other_order

GRID_KM = "grid_km"  # among the statistics of a data set: the width of its cells
MOST_CELLS = 20_000_000


def cell_km(lat: np.ndarray, lon: np.ndarray) -> float:
    """The width of a square as large as a cell at the middle latitude, km. lat, lon: evenly spaced degrees (n,)."""
    area = (lat[1] - lat[0]) * (lon[1] - lon[0]) * np.cos(np.deg2rad(np.mean(lat)))
    return float(KM_PER_DEGREE * np.sqrt(area))


@dataclass(frozen=True)
class Region:
    """Points every `step` degrees, from `west` and `south` on, as far as `east` and `north`."""

    west: float
    east: float
    south: float
    north: float
    step: float

    @classmethod
    def of(cls, box: Any, step: Any) -> Region:
        """The region of box=[west, east, south, north] and step, in degrees. Refusal of what is none."""
        example = "box=[west,east,south,north] in degrees, such as box=[-65,-55,33,43]"
        numbers = isinstance(box, Sequence) and len(box) == 4 and all(checks.fits(limit, float) for limit in box)
        if not numbers:
            raise Refusal(f"box={checks.as_typed(box)} says nothing of where maps are wanted: type {example}")
        west, east, south, north = map(float, box)
        if not (-90 <= south < north <= 90 and -360 <= west < min(east, 360.0) and east <= west + 360):
            raise Refusal(
                f"box={checks.as_typed(box)} must go from west to east and from south to north: type {example}, and "
                "190 for 170 degrees west where it crosses the date line, -3 for 357 where it crosses Greenwich"
                + in_other_order("box", box, "[west,east,south,north]")
            )
        found = cls(west, east, south, north, float(step))
        ny, nx = found.shape
        if min(ny, nx) < 2:
            raise Refusal(f"step={step} is too wide for box={checks.as_typed(box)}: maps need two cells each way")
        if ny * nx > MOST_CELLS:
            raise Refusal(f"step={step} makes maps of {ny} x {nx} cells of this box: type a larger step")
        return found

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx)."""
        return len(self.lat), len(self.lon)

    @property
    def lat(self) -> np.ndarray:
        """Degrees north, ascending."""
        return self.south + self.step * np.arange(int((self.north - self.south) / self.step + 1e-6) + 1)

    @property
    def lon(self) -> np.ndarray:
        """Degrees east, ascending; a whole circle has each meridian once."""
        count = int((self.east - self.west) / self.step + 1e-6) + 1
        return self.west + self.step * np.arange(count - (count * self.step > 360 + 1e-6))

    @property
    def circle(self) -> bool:
        """Whether the last column is a neighbour of the first."""
        return len(self.lon) * self.step > 360 - 1e-6

    @property
    def cell_km(self) -> float:
        """The width of a cell, km."""
        return cell_km(self.lat, self.lon)

    def step_of(self, km: float) -> float:
        """The step that makes cells of this width here, degrees."""
        return self.step * km / self.cell_km

    def wider(self, degrees: float) -> Region:
        """The region with as many degrees more on each side, as far as the globe goes; its cells go on evenly."""
        more = np.ceil(degrees / self.step)
        north, south = (min(more, np.floor((90 - side) / self.step)) for side in (self.lat[-1], -self.lat[0]))
        sides = 0 if self.circle else min(more, np.floor((360 / self.step - len(self.lon)) / 2))
        return Region(
            self.lon[0] - sides * self.step,
            self.lon[-1] + sides * self.step,
            self.lat[0] - south * self.step,
            self.lat[-1] + north * self.step,
            self.step,
        )

    def cells_of(self, inner: Region) -> tuple[slice, slice]:
        """The rows and columns of a region that this one is wider than."""
        corner = self.place(inner.lat[:1], inner.lon[:1])
        first = [int(np.rint(place[0])) for place in corner]
        return slice(first[0], first[0] + inner.shape[0]), slice(first[1], first[1] + inner.shape[1])

    def place(self, lat: np.ndarray, lon: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The places (n,) of points in rows and columns of cells, 0 at the centres of the first ones."""
        columns = (lon - self.lon[0]) / self.step
        return (lat - self.lat[0]) / self.step, columns % (360 / self.step) if self.circle else columns

    def position(self, row: np.ndarray, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Latitudes, and longitudes from -180 to 180, of places counted in cells from the corner of the region."""
        lat = self.lat[0] + self.step * (row - 0.5)
        lon = self.lon[0] + self.step * (column - 0.5)
        return lat, (lon + 180) % 360 - 180


def inside(lat: np.ndarray, lon: np.ndarray, reference: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Whether points lie over a cell of the grid, and their longitudes, counted as those of the grid are."""
    half_y, half_x = ((reference[axis].values[1] - reference[axis].values[0]) / 2 for axis in ("lat", "lon"))
    south, north = reference.lat.values[0] - half_y, reference.lat.values[-1] + half_y
    west, width = reference.lon.values[0] - half_x, reference.lon.values[-1] - reference.lon.values[0] + 2 * half_x
    offset = (lon - west) % 360
    return (lat >= south) & (lat < north) & (offset < width), west + offset


def amid_sea(lat: np.ndarray, lon: np.ndarray, reference: xr.Dataset) -> np.ndarray:
    """Whether the four cells around each point are sea, so that a map that is interpolated there has a value."""
    known = "sea" in reference
    is_sea, places = reference.sea.values if known else np.isfinite(reference.ssh.values).any(axis=0), []
    for axis, values in (("lat", lat), ("lon", lon)):
        first, second = reference[axis].values[:2]
        place, count = (values - first) / (second - first), reference.sizes[axis]
        if axis == "lat" or not seam.is_ring(reference.lon.values):
            place = np.clip(place, 0, count - 1)
        places.append((np.floor(place).astype(int) % count, np.ceil(place).astype(int) % count))
    return np.logical_and.reduce([is_sea[row, column] for row in places[0] for column in places[1]])
