"""Observations along the tracks of satellites, from NetCDF or CSV files: a table of points, in order of satellite and
time. What `editing.py` finds wrong is left out.

Height, latitude and longitude of a file have the dimension of its times, (time), or another one too, (time, across), as
in a swath. All of a file is from one satellite, whose name is its attribute `platform` or, without it, in its own name.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from dlgd.core.errors import Refusal
from dlgd.problems.ssh.data import editing as rules
from dlgd.problems.ssh.data import heights, map_axes, map_names, products, quality_flags, region
from dlgd.problems.ssh.data.editing import Editing
from dlgd.problems.ssh.data.heights import Kind
from dlgd.problems.ssh.data.usable_files import usable

log = logging.getLogger(__name__)

ACROSS = "cross_track_distance"  # m, of swaths


@dataclass(frozen=True)
class Points:
    """What a file has in the box and on the days that are wanted.

    columns: ssh (m), time, lat, lon and across, km to the right of the track or NaN, each (n,). height and group: where
    the heights are from. platform: the satellite's name; "" where the file gives none. kind:
    what the heights are. labelled: whether they have units. rejected: by flag, how many points it says are bad.
    flagged: how many any flag does; missing: how many have no height; neither are among the n. span: the first and the
    last day of all the file.
    """

    columns: dict[str, np.ndarray]
    height: str
    group: str | None
    platform: str
    kind: Kind
    labelled: bool
    rejected: Mapping[str, int]
    flagged: int
    missing: int
    span: tuple[np.datetime64, np.datetime64]

    def __len__(self) -> int:
        return len(self.columns["ssh"])


class NothingThere(Refusal):
    """No file has an observation in the box and the days that are wanted.

    left_out: how many were there, and why they do not count; "" where none was there.
    """

    def __init__(self, sentence: str, left_out: str) -> None:
        super().__init__(sentence + left_out)
        self.left_out = left_out


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
    editing: Editing | None = None,
) -> xr.Dataset:
    """track_ssh (m), track_time, track_lat, track_lon, track_satellite and held_out (point): the points over the cells
    and the days of `reference`. Maps are scored with the held-out points: of these, only points amid sea cells stay.

    variable: the name of the heights, or a sum of names; None: it is recognized. names: of lat, lon and time.
    time_units: of files whose times have none.
    held_out: a satellite whose points no map may have, a word of the names of its files, or one of them.
    editing: which points are left out; None: those of its defaults. Raises Refusal where no file can be used.
    """
    editing = Editing() if editing is None else editing

    def look(path: Path) -> list[Points]:
        groups = map_names.groups(path)
        return [_points(path, group, variable, names, time_units, reference, editing) for group in groups]

    of_files = usable(dict.fromkeys(paths), look, needed=lambda path: str(path) == held_out)
    paths = [path for path in paths if path in of_files]
    shorts = dict(zip(paths, products.short_names(paths), strict=True))
    pairs = [(path, points) for path in paths for points in of_files[path]]
    found, satellites = [points for _, points in pairs], [points.platform or shorts[path] for path, points in pairs]
    withheld = [
        held_out is not None and held_out.lower() in {name.lower(), *products.words(path), str(path).lower()}
        for name, (path, _) in zip(satellites, pairs, strict=True)
    ]
    if held_out is not None and not any(withheld):
        raise Refusal(f"data.held_out={held_out} is none of the satellites {', '.join(dict.fromkeys(satellites))}")
    numbers = {name: number for number, name in enumerate(dict.fromkeys(satellites))}
    _tell_heights(paths, found if variable is None else ())
    counts = [len(points) for points in found]
    columns = {key: np.concatenate([points.columns[key] for points in found]) for key in found[0].columns}
    columns["satellite"] = np.repeat([numbers[name] for name in satellites], counts)
    columns["held_out"] = np.repeat(withheld, counts)
    order = np.lexsort((columns["time"], columns["satellite"]))
    once = ~rules.repeated(columns)[order]
    if not once.all():
        log.warning("%s: %d of %d points are repeated, and count once", paths[0].parent, (~once).sum(), len(once))
    order = order[once]
    kinds = np.repeat(np.arange(len(found)), counts)[order]
    columns = {key: values[order] for key, values in columns.items()}
    good = _edited(columns, kinds, found, editing, str(paths[0].parent if len(paths) > 1 else paths[0]), list(numbers))
    kept = good & (~columns["held_out"] | region.amid_sea(columns["lat"], columns["lon"], reference))
    columns = {key: values[kept] for key, values in columns.items()}
    if columns["held_out"].all():
        left_out = _left_out(found, 0 if held_out is not None else len(order))
        raise NothingThere(_none_there(paths[0], found, reference, held_out is not None), left_out)
    columns = {key: values for key, values in columns.items() if key != "across" or np.isfinite(values).any()}
    tracks = {key if key == "held_out" else f"track_{key}": ("point", values) for key, values in columns.items()}
    dataset = xr.Dataset(tracks)
    dataset.track_ssh.attrs["units"] = "m"
    dataset.track_satellite.attrs["names"] = ",".join(numbers)
    return dataset


def _tell_heights(paths: Sequence[Path], found: Sequence[Points]) -> None:
    """Say which heights of a product were taken, and from which groups."""
    chosen = dict.fromkeys((points.height, points.group) for points in found)
    if any(group or products.is_told(name) for name, group in chosen):
        log.info("%s: heights are %s", paths[0].parent if len(paths) > 1 else paths[0], products.told(chosen))
    anomalies, others = (
        list(dict.fromkeys(points.height for points in found if (points.kind == heights.ANOMALY) == whether))
        for whether in (True, False)
    )
    if anomalies and others:
        log.warning(
            "%s: files differ in their heights, which are anomalies (%s) and others (%s): a mean dynamic topography "
            "lies between them; type data.names.observations for one that all have",
            paths[0].parent, ", ".join(anomalies), ", ".join(others),
        )  # fmt: skip


def _edited(
    columns: Mapping[str, np.ndarray],
    file: np.ndarray,
    found: Sequence[Points],
    editing: Editing,
    said: str,
    satellites: Sequence[str],
) -> np.ndarray:
    """Bool (n,): which points pass the rules; told with numbers, flags included, which have been left out already.

    file: (n,), the number in `found` of each point's file. said: where the points are from. satellites: their names.
    """
    flags = dict.fromkeys(flag for points in found for flag in points.rejected)
    if flags:
        flagged = sum(points.flagged for points in found)
        by = ", ".join(f"{sum(points.rejected.get(flag, 0) for points in found)} by {flag}" for flag in flags)
        log.log(
            logging.WARNING if flagged > rules.ALARM * (len(file) + flagged) else logging.INFO,
            "%s: quality flags reject %d of %d heights: %s (data.editing.flags)",
            said, flagged, len(file) + flagged, by,
        )  # fmt: skip
    unlabelled = np.isin(file, [number for number, points in enumerate(found) if not points.labelled])
    heights.suspect_units(columns["ssh"][unlabelled], "the height", Path(said))
    good = np.ones(len(file), bool)
    for kind in dict.fromkeys(points.kind for points in found):
        of_it = np.isin(file, [number for number, points in enumerate(found) if points.kind == kind])
        good[of_it] = ~rules.too_high(columns["ssh"][of_it], kind, editing, said)
    left = {key: values[good] for key, values in columns.items()}
    good[good] = ~rules.outliers(left, editing, said, satellites=satellites)
    return good


def _none_there(path: Path, found: Sequence[Points], reference: xr.Dataset, held: bool) -> str:
    """Why there is no point, with the days of the files and of the reference."""
    first, last = min(points.span[0] for points in found), max(points.span[1] for points in found)
    days = reference.time.values.astype("datetime64[D]")
    south, north, west, east = (float(reference[axis].values[end]) for axis in ("lat", "lon") for end in (0, -1))
    what = "that is not held out " if held else ""
    return (
        f"{path} has no observation {what}in the box and the days of the reference: the files hold the days {first} to "
        f"{last}, and {days[0]} to {days[-1]} from {south:g} to {north:g} N and {west:g} to {east:g} E are needed"
    )


def _left_out(found: Sequence[Points], read: int) -> str:
    """How many points of the files do not count, and why. read: how many were there before they were edited."""
    missing, flagged = (sum(getattr(points, name) for points in found) for name in ("missing", "flagged"))
    said = f"; {missing} points there have no height" if missing else ""
    said += f"; {flagged} were rejected by flags (data.editing.flags)" if flagged else ""
    return said + (f"; {read} were there before they were edited" if read else "")


def _points(
    path: Path,
    group: str | None,
    variable: str | None,
    names: Mapping[str, str | None],
    time_units: str | None,
    reference: xr.Dataset,
    editing: Editing,
) -> Points:
    """The points of a file or of a group of it; only the days of the reference are read, and of swaths only lines with
    points in the box."""
    days = reference.time.values.astype("datetime64[D]")
    with map_names.opened(path, group) as dataset:
        name = map_names.find(dataset, "track", variable, path)
        terms = map_names.summands(dataset, name)
        name = products.above_level(dataset, terms, typed=variable is not None, where=path) or name
        lat, lon, time = (map_names.find(dataset, axis, names.get(axis), path) for axis in ("lat", "lon", "time"))
        stamps = map_axes.line_times(dataset, time, time_units, path)
        along = str(dataset[time].dims[0])
        if along not in dataset[lat].dims:
            raise Refusal(
                f"{path} holds maps, or no points along tracks: {lat} has the dimensions "
                f"{', '.join(map(str, dataset[lat].dims)) or 'none'} without {along}, that of {time}; leave it out, or "
                "read it with data=ssh_netcdf path="
            )
        day = stamps.astype("datetime64[D]")
        chosen = np.flatnonzero((day >= days[0]) & (day <= days[-1]))  # NaT is neither
        if dataset[lat].ndim > 1:
            y, x = (dataset[axis].isel({along: chosen}).transpose(along, ...).values for axis in (lat, lon))
            chosen = chosen[region.inside(y, x, reference)[0].any(axis=1)]
        flags, fields = _fields(dataset, name, (lat, lon), (along, chosen), editing, path)
        fields = [*fields, xr.DataArray(stamps[chosen], dims=along), *flags.values()]
        south_north, west_east, ssh, across, when, *bad = (field.values.ravel() for field in xr.broadcast(*fields))
        platform = str(dataset.attrs.get("platform") or dataset.attrs.get("mission_name", ""))
        kind, labelled = heights.kind(dataset, name), heights.labelled(dataset, name)
    inside, lon_there = region.inside(south_north.astype(float), west_east.astype(float), reference)
    there = inside & np.isfinite(ssh)
    rejected = {flag: int((each & there).sum()) for flag, each in zip(flags, bad, strict=True)}
    kept = there & ~np.logical_or.reduce([np.zeros(len(there), bool), *bad])
    products.refuse_high(name, ssh[kept], path)
    heights.refuse_impossible(ssh[kept], name, path)
    columns = {
        "ssh": ssh[kept],
        "time": when[kept],
        "lat": south_north[kept].astype(float),
        "lon": lon_there[kept],
        "across": across[kept].astype(float),
    }
    return Points(
        columns,
        name,
        group,
        platform.strip().replace(",", " "),
        kind,
        labelled,
        rejected,
        int(there.sum() - kept.sum()),
        int((inside & ~np.isfinite(ssh)).sum()),
        (np.nanmin(day), np.nanmax(day)),
    )


def _fields(
    dataset: xr.Dataset,
    name: str,
    places: tuple[str, str],
    lines: tuple[str, np.ndarray],
    editing: Editing,
    path: Path,
) -> tuple[Mapping[str, xr.DataArray], list[xr.DataArray]]:
    """What quality flags reject, by their names, and latitude, longitude, height (m) and distance across (km).

    places: the names of latitude and longitude. lines: the dimension along the track, and which of it are read.
    """
    along, chosen = lines
    read = map_names.in_metres(dataset, name, {along: chosen}, path)
    axes = [dataset[axis].isel({along: chosen}) for axis in places]
    axes = [field.drop_vars(list(field.coords)) for field in axes]
    wide = [dim for dim in read.dims if read.sizes[dim] > 1 and dim not in {*axes[0].dims, *axes[1].dims, along}]
    if along not in read.dims or wide or any(not set(field.dims) <= set(read.dims) for field in axes):
        raise Refusal(
            f"{name} in {path} has the dimensions {', '.join(map(str, read.dims))}, which are not those of "
            f"{' and '.join(places)}: choose another variable"
        )
    terms = [term for _, term in map_names.summands(dataset, name)]
    flags = quality_flags.rejected(dataset, read, lines, editing.flags, path, terms=terms)
    across = xr.DataArray(np.nan)
    if ACROSS in dataset.variables and set(dataset[ACROSS].dims) <= set(read.dims):
        across = map_names.in_metres(dataset, ACROSS, {along: chosen}, path) / 1e3
    return flags, [*axes, read, across]
