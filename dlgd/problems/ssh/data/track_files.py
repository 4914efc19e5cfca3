"""Observations along the tracks of satellites, from NetCDF files: a table of points, in order of satellite and time.

A file's height, latitudes and longitudes stand along its times, (time), or beside them as well, (time, across), as in
a swath. A file is of one satellite: that of its attribute `platform`, else what its name says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from dlgd.core.errors import Refusal
from dlgd.problems.ssh.data import map_axes, map_names


def along_track(path: Path, names: Mapping[str, str | None]) -> bool:
    """Whether a file's latitudes stand along its times, as those of a satellite do and those of maps do not."""
    with map_names.opened(path) as dataset:
        lat, time = (dataset[map_names.find(dataset, axis, names.get(axis), path)].dims for axis in ("lat", "time"))
    return len(time) == 1 and time[0] in lat


def table(
    paths: Sequence[Path],
    *,
    variable: str | None,
    names: Mapping[str, str | None],
    time_units: str | None,
    held_out: str | None,
    sea: xr.Dataset,
) -> xr.Dataset:
    """track_ssh (m), track_time, track_lat, track_lon, track_satellite and held_out (point): the points over the cells
    and the days of `sea`. Of those held out, with which maps will be scored, the ones with sea cells all around.

    held_out: a satellite, or a word of the names of its files, whose points no map shall have.
    """
    found, satellites, withheld = [], [], []
    for path, short in zip(paths, _short_names(paths), strict=True):
        points, platform = _points(path, variable, names, time_units, sea)
        satellites.append(platform or short)
        withheld.append(held_out is not None and held_out.lower() in {satellites[-1].lower(), *_words(path)})
        found.append(points)
    if held_out is not None and not any(withheld):
        raise Refusal(f"data.held_out={held_out} is none of the satellites {', '.join(dict.fromkeys(satellites))}")
    numbers = {name: number for number, name in enumerate(dict.fromkeys(satellites))}
    counts = [len(points["time"]) for points in found]
    columns = {key: np.concatenate([points[key] for points in found]) for key in found[0]}
    columns["satellite"] = np.repeat([numbers[name] for name in satellites], counts)
    hidden = np.repeat(withheld, counts)
    kept = ~hidden | _amid_sea(columns["lat"], columns["lon"], sea)
    columns, hidden = {key: values[kept] for key, values in columns.items()}, hidden[kept]
    if not len(hidden) or hidden.all():
        held = "that is not held out " if held_out is not None else ""
        raise Refusal(f"{paths[0]} has no observation {held}in the box and the days of the reference")
    order = np.lexsort((columns["time"], columns["satellite"]))
    tracks = {f"track_{key}": ("point", values[order]) for key, values in columns.items()}
    dataset = xr.Dataset(tracks | {"held_out": ("point", hidden[order])})
    dataset.track_ssh.attrs["units"] = "m"
    dataset.track_satellite.attrs["names"] = ",".join(numbers)
    return dataset


def _points(
    path: Path, variable: str | None, names: Mapping[str, str | None], time_units: str | None, sea: xr.Dataset
) -> tuple[dict[str, np.ndarray], str]:
    """ssh, time, lat and lon (n,) of a file, and its satellite; only the period's part of it is read."""
    days = sea.time.values.astype("datetime64[D]")
    with map_names.opened(path) as dataset:
        name = map_names.find(dataset, "track", variable, path)
        lat, lon, time = (map_names.find(dataset, axis, names.get(axis), path) for axis in ("lat", "lon", "time"))
        stamps = map_axes.times(dataset, time, time_units, path)
        along = str(dataset[time].dims[0])
        day = stamps.astype("datetime64[D]")
        chosen = np.flatnonzero((day >= days[0]) & (day <= days[-1]))
        heights = map_names.in_metres(dataset, name, {along: chosen}, path)
        places = [dataset[axis].isel({along: chosen}) for axis in (lat, lon)]
        fields = [field.drop_vars(list(field.coords)) for field in places]
        if along not in heights.dims or any(not set(field.dims) <= set(heights.dims) for field in fields):
            raise Refusal(
                f"{name} in {path} has the dimensions {', '.join(map(str, heights.dims))}, which are not those of "
                f"{lat} and {lon}: choose another variable"
            )
        fields += [heights, xr.DataArray(stamps[chosen], dims=along)]
        south_north, west_east, ssh, when = (field.values.ravel() for field in xr.broadcast(*fields))
        platform = str(dataset.attrs.get("platform", "")).strip().replace(",", " ")
    inside, lon_there = _inside(south_north.astype(float), west_east.astype(float), sea)
    kept = inside & np.isfinite(ssh)
    return {
        "ssh": ssh[kept],
        "time": when[kept],
        "lat": south_north[kept].astype(float),
        "lon": lon_there[kept],
    }, platform


def _inside(lat: np.ndarray, lon: np.ndarray, sea: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Whether points lie over a cell of the grid, and their longitudes counted as the grid's are."""
    half_y, half_x = ((sea[axis].values[1] - sea[axis].values[0]) / 2 for axis in ("lat", "lon"))
    south, north = sea.lat.values[0] - half_y, sea.lat.values[-1] + half_y
    west, width = sea.lon.values[0] - half_x, sea.lon.values[-1] - sea.lon.values[0] + 2 * half_x
    offset = (lon - west) % 360
    return (lat >= south) & (lat < north) & (offset < width), west + offset


def _amid_sea(lat: np.ndarray, lon: np.ndarray, sea: xr.Dataset) -> np.ndarray:
    """Whether the four cells around each point are sea: interpolated there, maps have a value."""
    wet, places = np.isfinite(sea.ssh.values).any(axis=0), []
    for axis, values in (("lat", lat), ("lon", lon)):
        first, second = sea[axis].values[:2]
        place = np.clip((values - first) / (second - first), 0, sea.sizes[axis] - 1)
        places.append((np.floor(place).astype(int), np.ceil(place).astype(int)))
    return np.logical_and.reduce([wet[row, column] for row in places[0] for column in places[1]])


def _words(path: Path) -> set[str]:
    """Of a file's name, in small letters: dt_gulfstream_c2_phy_l3 has five."""
    return set(re.split(r"[_.\s]+", path.stem.lower()))


def _short_names(paths: Sequence[Path]) -> list[str]:
    """The words of each file's name that not all files have, such as c2 of dt_gulfstream_c2_phy_l3."""
    shared = set.intersection(*(_words(path) for path in paths)) if len(paths) > 1 else set()
    own = [[word for word in path.stem.split("_") if word.lower() not in shared] for path in paths]
    return ["_".join(words) or path.stem for words, path in zip(own, paths, strict=True)]
