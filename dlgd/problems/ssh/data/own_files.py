"""A file of a person's own for `predict` and `evaluate input=`: the samples or the record that `map_samples.py`
describes, with names, units, axes and calendars as the reader of training maps takes them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xarray as xr

from dlgd.core.errors import Refusal
from dlgd.problems.ssh import curvilinear
from dlgd.problems.ssh.data import csv_points, editing, heights, map_axes, map_files, map_land, map_names, map_samples
from dlgd.problems.ssh.data.editing import Editing
from dlgd.problems.ssh.data.map_axes import Box
from dlgd.problems.ssh.data.map_files import Opened, Reading

log = logging.getLogger(__name__)

SAMPLED = "ssh_mod"  # in files of the data challenges: the truth at observed points, and nowhere else
POINTS = ("ssh", "time", "lat", "lon", "satellite")


def read(
    path: Path,
    edited: Editing,
    *,
    names: Mapping[str, str | None] | None = None,
    time_units: str | None = None,
    observations: str | None = None,
    target: str | None = None,
) -> xr.Dataset:
    """The samples of a file; all of it is used.

    edited: which observations are left out. names: of lat, lon and time; time_units: of files whose times have none.
    observations, target: what the training files call these, which a file may, too. Raises Refusal where it does not
    fit.
    """
    if csv_points.is_csv(path):
        raise Refusal(
            f"{path} is a CSV file, which can hold points along tracks for data=ssh_netcdf observations=: here a "
            "NetCDF file with daily maps is needed"
        )
    with map_names.opened(path) as dataset:
        variable = observations if observations in dataset.variables else None
        variable = variable or map_names.recognized(dataset, "observations")
        if variable is None:
            has = ", ".join(map(str, dataset.data_vars)) or "no variable"
            raise Refusal(f"{path} lacks observations: it has {has}")
        for axis in ("lat", "lon", "time") if names is None else ():
            if not map_names.is_there(dataset, axis):
                has = ", ".join(map(str, dataset.coords)) or "none"
                raise Refusal(f"{path} lacks the coordinate {axis}: it has {has}")
        of_samples, kind = "day" in dataset[variable].dims, heights.kind(dataset, variable)
        truth = next((name for name in (target, "ssh") if name and map_names.has(dataset, name)), None)
        truth = truth or (map_names.recognized(dataset, "target") if target is None else None)
    if of_samples:
        found = map_samples.read(path)
    else:
        reading = Reading(names or {}, time_units, Box(), map_axes.period(None))
        file = map_files.look(path, "observations", variable, reading)
        found = _record(path, file, None if truth in (variable, SAMPLED) else truth, reading)
    found = map_samples.complete(found, path)
    said = f"observations of {path}"
    editing.edit_maps(found.observations.values, found.lat.values, found.lon.values, kind, edited, said)
    return found


def with_scaling(samples: xr.Dataset) -> xr.Dataset:
    """The samples with the mean and the standard deviation of their observations, m, as attributes: what classical
    methods take where no training split has given any. Where nothing is observed they have none."""
    values = samples.observations.values
    if not np.isfinite(values).any():
        return samples
    mean, std = (float(of(values, dtype=float)) for of in (np.nanmean, np.nanstd))
    return samples.assign_attrs(mean=mean, std=std)


def _record(path: Path, file: Opened, truth: str | None, reading: Reading) -> xr.Dataset:
    """A record as samples: each of its days is one."""
    if not len(file.days):
        raise Refusal(f"{path} has no day of observations")
    present = np.unique(file.days)
    axis = np.arange(present[0], present[-1] + 1)
    chosen = (present - axis[0]).astype(int)
    metres: dict[str, str] = {"units": "m"}
    fields: dict[str, tuple[tuple[str, ...], np.ndarray, dict[str, str]]] = {
        "observations": (("day", "lat", "lon"), map_files.maps([file], axis)[chosen], metres)
    }
    known = None if truth is None else map_files.look(path, "target", truth, reading)
    sea: np.ndarray | None = None
    if known is not None:
        values = map_files.maps([known], axis)[chosen]
        if np.isfinite(values).any():
            map_land.mask_land(values, path)
        fields["ssh"] = ("sample", "lat", "lon"), values, metres
    with map_names.opened(path) as dataset:
        stamps = map_axes.times(dataset, map_names.find(dataset, "time", reading.names.get("time"), path),
                                reading.time_units, path)  # fmt: skip
        once = len(stamps) == len(present)  # else several maps a day became one, of noon
        time = stamps[np.argsort(stamps)] if once else present + map_files.NOON
        if "sea" in dataset and set(dataset.sea.dims) == set(file.dims[1:]):
            whether = dataset.sea.transpose(*file.dims[1:]).values[np.ix_(file.rows, file.columns)]
            sea = there = np.nan_to_num(whether.astype(float)) != 0
            fields["sea"] = ("lat", "lon"), file.regular(np.where(there, 1.0, 0.0)) >= 0.5, {}
        points = _points(dataset, file.lon, path)
    time = time.astype("datetime64[ns]")
    coordinates = {"day": ("day", time), "time": ("sample", time), "lat": ("lat", file.lat), "lon": ("lon", file.lon)}
    if file.regridding is not None:
        coordinates |= known.points if known is not None else curvilinear.coordinates(file.regridding.points, sea)
    return xr.Dataset(fields, coordinates, {"title": path.name}).assign(points)


def _points(dataset: xr.Dataset, lon: np.ndarray, path: Path) -> dict[str, xr.Variable]:
    """The table of points that a record may have, its longitudes counted as those of the maps are."""
    if not all(f"track_{name}" in dataset and dataset[f"track_{name}"].dims == ("point",) for name in POINTS):
        return {}
    middle = (lon[0] + lon[-1]) / 2
    columns = {
        "ssh": map_names.in_metres(dataset, "track_ssh", {}, path).values,
        "time": map_axes.times(dataset, "track_time", None, path),
        "lat": dataset.track_lat.values,
        "lon": middle + (dataset.track_lon.values - middle + 180) % 360 - 180,
        "satellite": dataset.track_satellite.values,
    }
    found = {f"track_{name}": xr.Variable("point", values) for name, values in columns.items()}
    found["track_satellite"].attrs = dict(dataset.track_satellite.attrs)
    held = dataset.held_out.values.astype(bool) if "held_out" in dataset else np.zeros(len(columns["ssh"]), bool)
    return found | {"held_out": xr.Variable("point", held)}
