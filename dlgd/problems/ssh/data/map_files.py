"""Daily maps of sea surface height from NetCDF files, brought to one grid, one calendar and metres.

The results are `ssh (time, lat, lon)` and, where there are any, `observations (time, lat, lon)`: float32 m, a map for
each day from the first to the last, NaN on land, in holes, on missing days and where nothing is observed. Several maps
of a day become their mean. Axes of all files are checked first; then the box and the period, and no more, are read in
blocks.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path

import numpy as np
import xarray as xr

from dlgd.core.errors import Refusal
from dlgd.problems.ssh import curvilinear
from dlgd.problems.ssh.curvilinear import Regridding
from dlgd.problems.ssh.data import csv_points, heights, map_axes, map_land, map_names
from dlgd.problems.ssh.data.editing import Editing, edit_maps
from dlgd.problems.ssh.data.heights import Kind
from dlgd.problems.ssh.data.map_axes import Box
from dlgd.problems.ssh.data.region import cell_km

log = logging.getLogger(__name__)

BLOCK = 8_000_000  # values read at a time
LOOKED_AT = 20  # maps by which the sea of a curvilinear grid is known
NOON = np.timedelta64(12, "h")


@dataclass(frozen=True)
class Reading:
    """Which part of the files is wanted, and what their variables are called where that is not recognized.

    names: of lat, lon and time. time_units: of files whose times have none. box: the cells that are wanted.
    period: first and last day.
    """

    names: Mapping[str, str | None]
    time_units: str | None
    box: Box
    period: tuple[np.datetime64, np.datetime64]


def files(option: str, given: str | Sequence[str]) -> list[Path]:
    """The files, in order of names, of a path, a pattern such as maps/*.nc, a folder, or a list of these.

    option: its name, for a message. given: what was typed.
    """
    found: list[Path] = []
    for one in [given] if isinstance(given, str | Path) else given:
        path = Path(str(one)).expanduser()
        if path.is_dir():
            here = sorted(path.glob("*.nc")) or sorted(path.glob("*.csv"))
        else:
            here = [path] if path.is_file() else [Path(name) for name in sorted(glob(str(path)))]
        if not here:
            raise Refusal(f"{option}={one}: there is no such file, nor files of such a pattern or folder")
        found += here
    return found


@dataclass(frozen=True)
class Opened:
    """A file whose axes are known: which of its maps and cells are wanted, and their days and coordinates."""

    path: Path
    variable: str
    dims: tuple[str, str, str]  # its names of time, lat and lon
    maps: np.ndarray  # indices into the file
    days: np.ndarray  # datetime64[D], of these maps
    rows: np.ndarray
    columns: np.ndarray
    lat: np.ndarray
    lon: np.ndarray
    span: tuple[np.datetime64, np.datetime64]  # the first and the last day of all the file
    kind: Kind
    labelled: bool  # whether the heights have units
    regridding: Regridding | None = None  # from a curvilinear grid, whose points are the rows and columns then

    def read(self, chosen: np.ndarray) -> np.ndarray:
        """(maps, lat, lon) float32 m; `chosen` are positions among the wanted maps."""
        return self.regular(self._read(chosen))

    def regular(self, values: np.ndarray) -> np.ndarray:
        """A field of the rows and columns of the file on the cells of the maps, which mostly are the same."""
        return values if self.regridding is None else self.regridding.regular(values)

    @property
    def points(self) -> dict[str, tuple[tuple[str, str], np.ndarray]]:
        """Coordinates that keep the points of a curvilinear grid, and where a few of its maps have sea."""
        if self.regridding is None:
            return {}
        some = np.unique(np.linspace(0, max(0, len(self.maps) - 1), LOOKED_AT).astype(int))
        sea = np.asarray(np.isfinite(self._read(some[: len(self.maps)])).any(axis=0))
        return curvilinear.coordinates(self.regridding.points, sea if sea.any() else None)

    def _read(self, chosen: np.ndarray) -> np.ndarray:
        """(maps, rows, columns) float32 m, as they are in the file."""
        index = dict(zip(self.dims, (self.maps[chosen], self.rows, self.columns), strict=True))
        with map_names.opened(self.path) as dataset:
            field = self._values(dataset, index)
            missing = [dim for dim in self.dims if dim not in field.dims]  # of a file with a single map
            return field.expand_dims(missing).transpose(*self.dims).values

    def _values(self, dataset: xr.Dataset, index: Mapping[str, object]) -> xr.DataArray:
        """In m. Refusal of what are no heights."""
        field = map_names.in_metres(dataset, self.variable, index, self.path)
        heights.refuse_impossible(field.values, self.variable, self.path)
        return field


def look(path: Path, role: str, variable: str | None, reading: Reading) -> Opened:
    """Read the axes of a file, and nothing else."""
    if csv_points.is_csv(path):
        raise Refusal(f"{path} is a CSV file, which can hold points along tracks: maps are read from NetCDF files")
    with map_names.opened(path) as dataset:
        name = map_names.find(dataset, role, variable, path)
        axes = {axis: map_names.find(dataset, axis, reading.names.get(axis), path) for axis in ("time", "lat", "lon")}
        lat, lon = (dataset[axes[axis]].values.astype(float) for axis in ("lat", "lon"))
        where = _dims(dataset, axes["lat"], axes["lon"])
        lat, lon, where, regridding = map_axes.rows_and_columns(lat, lon, where, reading.box, path)
        if regridding is None:
            rows, lat = map_axes.latitudes(lat, reading.box, path)
            columns, lon = map_axes.longitudes(lon, reading.box, path)
        else:
            rows, columns = (np.arange(part.start, part.stop) for part in (regridding.rows, regridding.columns))
        days = map_axes.days(map_axes.times(dataset, axes["time"], reading.time_units, path))
        dims = str(next(iter(dataset[axes["time"]].dims), "time")), *where
        _check_dimensions(dataset, name, dims, path)
        kind, labelled = heights.kind(dataset, name), heights.labelled(dataset, name)
    span = days.min(), days.max()
    first, last = reading.period
    maps = np.flatnonzero((days >= first) & (days <= last))
    return Opened(path, name, dims, maps, days[maps], rows, columns, lat, lon, span, kind, labelled, regridding)


def _dims(dataset: xr.Dataset, lat: str, lon: str) -> tuple[str, str]:
    """The names of the dimensions along rows and columns; those of latitudes, if these have two."""
    dims = [str(dim) for dim in dataset[lat].dims if dataset[lat].ndim < 3 or dataset[lat].sizes[dim] > 1]
    if len(dims) == 2:
        return dims[0], dims[1]
    return str(next(iter(dataset[lat].dims), "lat")), str(next(iter(dataset[lon].dims), "lon"))


def _check_dimensions(dataset: xr.Dataset, name: str, dims: tuple[str, ...], path: Path) -> None:
    """Refuse a variable, or the largest of a sum, with dimensions other than time, lat, lon and some of length one."""
    largest = max((dataset[term] for _, term in map_names.summands(dataset, name)), key=lambda field: field.ndim)
    others = [dim for dim in largest.dims if dim not in dims and largest.sizes[dim] > 1]
    needed = {dim for dim in dims if dim in dataset.dims}  # a file with a single map may have a time without dimension
    if others or not needed <= set(largest.dims):
        raise Refusal(
            f"{name} in {path} has the dimensions {', '.join(map(str, largest.dims)) or 'of a single number'}, not "
            f"{', '.join(dims)}: choose another variable, or select and rename first"
        )


def maps(opened: Sequence[Opened], days: np.ndarray) -> np.ndarray:
    """(days, lat, lon) float32 m: the mean of each day's maps, NaN where they have nothing; read in blocks."""
    shape = (len(days), len(opened[0].lat), len(opened[0].lon))
    total, count = np.zeros(shape, np.float32), np.zeros(shape, np.uint8)
    for file in opened:
        together = max(1, BLOCK // (len(file.rows) * len(file.columns)))
        wanted = np.flatnonzero((file.days >= days[0]) & (file.days <= days[-1]))
        for start in range(0, len(wanted), together):
            chosen = wanted[start : start + together]
            values = file.read(chosen)
            for value, day in zip(values, (file.days[chosen] - days[0]).astype(int), strict=True):
                there = np.isfinite(value)
                total[day] += np.where(there, value, np.float32(0))
                count[day] += there
    total[count == 0] = np.nan
    means = np.divide(total, count, out=total, where=count > 1)
    if not opened[0].labelled:
        heights.suspect_units(means, opened[0].variable, opened[0].path)
    return means


# --- the reference -----------------------------------------------------------------------------------------------


def reference(paths: Sequence[Path], *, target: str | None, reading: Reading) -> xr.Dataset:
    """`ssh` and its coordinates: NaN on land, in the holes of a day, and everywhere on days without any map."""
    opened = _together(paths, "target", target, reading)
    stamps = np.unique(np.concatenate([file.days for file in opened]))
    where = opened[0].path
    if not len(stamps):
        raise Refusal(
            f"{where} has no map between the days of data.period={_said(reading.period)}: the files hold the days "
            f"{_span(opened)}"
        )
    steps = np.diff(stamps).astype(int)
    if len(steps) and np.median(steps) > 1:
        raise Refusal(f"maps of {where} are {np.median(steps):g} days apart: daily maps are needed")
    days = np.arange(stamps[0], stamps[-1] + 1)
    values = maps(opened, days)
    map_land.mask_land(values, where)
    missing = int((~np.isfinite(values).any(axis=(1, 2))).sum())
    if missing:
        log.info("%s: %d of %d days are missing", where, missing, len(days))
    heights = (("time", "lat", "lon"), values, {"units": "m", "standard_name": map_names.HEIGHTS[0]})
    axes = coordinates(days, opened[0].lat, opened[0].lon) | opened[0].points
    return xr.Dataset({"ssh": heights}, axes, _attributes(opened[0]))


def _attributes(file: Opened) -> dict[str, float | str]:
    return {"grid_km": cell_km(file.lat, file.lon), "title": f"{file.variable} of {file.path.name}"}


def coordinates(days: np.ndarray, lat: np.ndarray, lon: np.ndarray) -> dict[str, tuple[str, np.ndarray, dict]]:
    """The coordinates of daily maps; the time of a daily mean is noon."""
    return {
        "time": ("time", days.astype("datetime64[ns]") + NOON, {"standard_name": "time"}),
        "lat": ("lat", lat, {"units": "degrees_north", "standard_name": "latitude"}),
        "lon": ("lon", lon, {"units": "degrees_east", "standard_name": "longitude"}),
    }


def _together(paths: Sequence[Path], role: str, variable: str | None, reading: Reading) -> list[Opened]:
    """Read the axes of all files, which must have one grid."""
    opened = [look(path, role, variable, reading) for path in paths]
    for file in opened[1:]:
        _check_same_grid(file, opened[0].lat, opened[0].lon, str(opened[0].path))
    return opened


def _check_same_grid(file: Opened, lat: np.ndarray, lon: np.ndarray, other: str) -> None:
    if not (map_axes.same_axis(file.lat, lat) and map_axes.same_axis(file.lon, lon)):
        raise Refusal(
            f"{file.path} stands on another grid than {other}: {_grid(file.lat, file.lon)} instead of "
            f"{_grid(lat, lon)}: interpolate one to the other first"
        )


def _grid(lat: np.ndarray, lon: np.ndarray) -> str:
    return f"{len(lat)} x {len(lon)} cells from {lat[0]:g} N {lon[0]:g} E to {lat[-1]:g} N {lon[-1]:g} E"


def _span(opened: Sequence[Opened]) -> str:
    """The first and the last day of files."""
    return f"{min(file.span[0] for file in opened)} to {max(file.span[1] for file in opened)}"


def _said(period: tuple[np.datetime64, np.datetime64]) -> str:
    return f"[{period[0]},{period[1]}]"


# --- gridded observations ----------------------------------------------------------------------------------------


def gridded(
    paths: Sequence[Path],
    *,
    variable: str | None,
    reference: xr.Dataset,
    reading: Reading,
    editing: Editing | None = None,
) -> np.ndarray:
    """Observations (time, lat, lon) on the days of the reference, whose grid they must have; NaN on its land.

    editing: which are left out; None: those of its defaults.
    """
    lat, lon, days = reference.lat.values, reference.lon.values, reference.time.values.astype("datetime64[D]")
    box = Box(float(lat[0]), float(lat[-1]), float(lon[0]), float(lon[-1]))
    own = Reading(reading.names, reading.time_units, box, (days[0], days[-1]))
    opened = [look(path, "observations", variable, own) for path in paths]
    for file in opened:
        _check_same_grid(file, lat, lon, "the reference")
    if not any(len(file.days) for file in opened):
        raise Refusal(
            f"{paths[0]} has no observations between {days[0]} and {days[-1]}, the days of the reference: the files "
            f"hold the days {_span(opened)}"
        )
    values = maps(opened, days)
    values[:, ~np.isfinite(reference.ssh.values).any(axis=0)] = np.nan
    if not np.isfinite(values).any():
        raise Refusal(
            f"{opened[0].variable} in {paths[0]} has no finite value at sea: choose another data.observations"
        )
    editing, said = Editing() if editing is None else editing, f"{opened[0].variable} of {paths[0]}"
    edit_maps(values, lat, lon, opened[0].kind, editing, said)
    return values
