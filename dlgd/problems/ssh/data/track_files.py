"""Observations along the tracks of satellites, from NetCDF files: a table of points, in order of satellite and time.

Height, latitude and longitude of a file have the dimension of its times, (time), or another one too, (time, across), as
in a swath. All of a file is from one satellite, whose name is its attribute `platform` or, without it, in its own name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from dlgd.core.errors import Refusal
from dlgd.problems.ssh.data import map_axes, map_names


class NothingThere(Refusal):
    """No file has an observation in the box and the days that are wanted."""


def along_track(path: Path, names: Mapping[str, str | None]) -> bool:
    """Whether a file's latitudes have the dimension of its times: along tracks they have, in maps they have not."""
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
    reference: xr.Dataset,
) -> xr.Dataset:
    """track_ssh (m), track_time, track_lat, track_lon, track_satellite and held_out (point): the points over the cells
    and the days of `reference`. Maps are scored with the held-out points: of these, only points amid sea cells stay.

    variable: the name of the heights, or a sum of names; None: it is recognized. names: of lat, lon and time.
    time_units: of files whose times have none.
    held_out: a satellite whose points no map may have, a word of the names of its files, or one of them.
    """
    found, satellites, withheld = [], [], []
    for path, short in zip(paths, _short_names(paths), strict=True):
        points, platform = _points(path, variable, names, time_units, reference)
        satellites.append(platform or short)
        withheld.append(
            held_out is not None and held_out.lower() in {satellites[-1].lower(), *_words(path), str(path).lower()}
        )
        found.append(points)
    if held_out is not None and not any(withheld):
        raise Refusal(f"data.held_out={held_out} is none of the satellites {', '.join(dict.fromkeys(satellites))}")
    numbers = {name: number for number, name in enumerate(dict.fromkeys(satellites))}
    counts = [len(points["time"]) for points in found]
    columns = {key: np.concatenate([points[key] for points in found]) for key in found[0]}
    columns["satellite"] = np.repeat([numbers[name] for name in satellites], counts)
    hidden = np.repeat(withheld, counts)
    kept = ~hidden | _amid_sea(columns["lat"], columns["lon"], reference)
    columns, hidden = {key: values[kept] for key, values in columns.items()}, hidden[kept]
    if not len(hidden) or hidden.all():
        held = "that is not held out " if held_out is not None else ""
        raise NothingThere(f"{paths[0]} has no observation {held}in the box and the days of the reference")
    order = np.lexsort((columns["time"], columns["satellite"]))
    tracks = {f"track_{key}": ("point", values[order]) for key, values in columns.items()}
    dataset = xr.Dataset(tracks | {"held_out": ("point", hidden[order])})
    dataset.track_ssh.attrs["units"] = "m"
    dataset.track_satellite.attrs["names"] = ",".join(numbers)
    return dataset


def _points(
    path: Path, variable: str | None, names: Mapping[str, str | None], time_units: str | None, reference: xr.Dataset
) -> tuple[dict[str, np.ndarray], str]:
    """ssh, time, lat and lon (n,) of a file, and its satellite; only the days of the reference are read."""
    days = reference.time.values.astype("datetime64[D]")
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
    inside, lon_there = _inside(south_north.astype(float), west_east.astype(float), reference)
    kept = inside & np.isfinite(ssh)
    return {
        "ssh": ssh[kept],
        "time": when[kept],
        "lat": south_north[kept].astype(float),
        "lon": lon_there[kept],
    }, platform


def _inside(lat: np.ndarray, lon: np.ndarray, reference: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Whether points lie over a cell of the grid, and their longitudes, counted as those of the grid are."""
    half_y, half_x = ((reference[axis].values[1] - reference[axis].values[0]) / 2 for axis in ("lat", "lon"))
    south, north = reference.lat.values[0] - half_y, reference.lat.values[-1] + half_y
    west, width = reference.lon.values[0] - half_x, reference.lon.values[-1] - reference.lon.values[0] + 2 * half_x
    offset = (lon - west) % 360
    return (lat >= south) & (lat < north) & (offset < width), west + offset


def _amid_sea(lat: np.ndarray, lon: np.ndarray, reference: xr.Dataset) -> np.ndarray:
    """Whether the four cells around each point are sea, so that a map that is interpolated there has a value."""
    known = "sea" in reference
    is_sea, places = reference.sea.values if known else np.isfinite(reference.ssh.values).any(axis=0), []
    for axis, values in (("lat", lat), ("lon", lon)):
        first, second = reference[axis].values[:2]
        place = np.clip((values - first) / (second - first), 0, reference.sizes[axis] - 1)
        places.append((np.floor(place).astype(int), np.ceil(place).astype(int)))
    return np.logical_and.reduce([is_sea[row, column] for row in places[0] for column in places[1]])


def _words(path: Path) -> set[str]:
    """The words of a file's name in small letters: dt_gulfstream_c2_phy_l3 has five."""
    return set(re.split(r"[_.\s]+", path.stem.lower()))


def _short_names(paths: Sequence[Path]) -> list[str]:
    """The words of each file's name that some other file does not have, such as c2 of dt_gulfstream_c2_phy_l3."""
    shared = set.intersection(*(_words(path) for path in paths)) if len(paths) > 1 else set()
    own = [[word for word in path.stem.split("_") if word.lower() not in shared] for path in paths]
    return ["_".join(words) or path.stem for words, path in zip(own, paths, strict=True)]
