"""Sea surface height as Datasets: a record of maps, and samples, which are days of it.

The record has dimensions time (daily, without gaps), lat and lon (degrees, both ascending) and

    ssh (time, lat, lon)            m; NaN on land, in the holes of a day, and everywhere on a day that is missing
    observations (time, lat, lon)   m; daily means of what was observed in a cell, NaN where nothing was
    sst (time, lat, lon)            optional: degC; the temperature of the surface as it is seen, NaN below clouds
    background (lat, lon)           optional: m; the mean, from which methods and networks count heights
    track_ssh, track_time, track_lat, track_lon, track_satellite, held_out (point)
                                    optional: observations one by one, with noise. The attribute `names` of
                                    track_satellite has the satellites' names; no map has those that are held out.
                                    track_background: the background there, if there is one; track_across: km to
                                    the right of the track, of points of a swath. Attributes swath_roll,
                                    swath_baseline and swath_length_km: errors with which it was simulated

Samples have

    ssh (sample, lat, lon)          m; its coordinate time (sample)
    observations (day, lat, lon)    m; of the samples' days and of some before and after; coordinate day
    sst (day, lat, lon)             optional: degC, of the same days as the observations
    sea (lat, lon)                  whether a cell is sea
    background (lat, lon)           optional, as in the record
    track_... (point)               optional: of the same days as the observations

Both may have the coordinates of `curvilinear.py`: the points (y, x) of the grid of a person's own, to whose cells the
maps were brought.

A user's own file holds samples or a record. Without ssh, predictions cannot be scored. Without sea, a cell counts as
sea where ssh is known on 5 % of the days or more; in a file without ssh, every cell does.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from dlgd.core import netcdf
from dlgd.core.errors import Refusal
from dlgd.problems.ssh import curvilinear
from dlgd.problems.ssh.data import heights, map_axes, map_names
from dlgd.problems.ssh.days import day_numbers

TRUTH_ATTRS = {"units": "m", "standard_name": "sea_surface_height", "long_name": "sea surface height"}
OBSERVATION_ATTRS = {"units": "m", "long_name": "daily means of observed sea surface height"}
SST_ATTRS = {"units": "degC", "standard_name": "sea_surface_temperature", "long_name": "sea surface temperature"}
SEA_ATTRS = {"long_name": "sea"}
TIME_ATTRS = {"standard_name": "time"}
LAT_ATTRS = {"units": "degrees_north", "standard_name": "latitude"}
LON_ATTRS = {"units": "degrees_east", "standard_name": "longitude"}


def cut(record: xr.Dataset, days: slice, margin: int, sea: np.ndarray) -> xr.Dataset:
    """Samples of some days of a record, which may lack ssh, with the observations of `margin` days before and after; no
    map is copied."""
    near = slice(max(days.start - margin, 0), min(days.stop + margin, record.sizes["time"]))
    time = record.time.values
    samples = xr.Dataset(
        {
            "observations": (("day", "lat", "lon"), record.observations.values[near], OBSERVATION_ATTRS),
            "sea": (("lat", "lon"), sea, SEA_ATTRS),
            **({"sst": (("day", "lat", "lon"), record.sst.values[near], SST_ATTRS)} if "sst" in record else {}),
            **({"background": record.background.variable} if "background" in record else {}),
            **({"ssh": (("sample", "lat", "lon"), record.ssh.values[days], TRUTH_ATTRS)} if "ssh" in record else {}),
        },
        {
            "time": ("sample", time[days], TIME_ATTRS),
            "day": ("day", time[near], TIME_ATTRS),
            "lat": ("lat", record.lat.values, LAT_ATTRS),
            "lon": ("lon", record.lon.values, LON_ATTRS),
            **curvilinear.of(record),
        },
        record.attrs,
    )
    points = [name for name in record if record[name].dims == ("point",)]
    if not points:
        return samples
    numbers = day_numbers(record.track_time.values, time)
    tracks = record[points].isel(point=np.flatnonzero((numbers >= near.start) & (numbers < near.stop)))
    return samples.assign(tracks.drop_vars(list(tracks.coords)).data_vars)


def read(path: Path) -> xr.Dataset:
    """The samples of a file, as the head of this module describes them. Refusal where it does not fit."""
    found = netcdf.read(path)
    for name, dims in (
        ("observations", ("day", "lat", "lon")),
        ("ssh", ("sample", "lat", "lon")),
        ("sea", ("lat", "lon")),
    ):
        if name in found and (set(found[name].dims) != set(dims) or found[name].dtype.kind not in "biuf"):
            has = f"{found[name].dtype} of {', '.join(map(str, found[name].dims)) or 'no dimension'}"
            raise Refusal(f"{name} in {path} is {has}: numbers of the dimensions {', '.join(dims)} are needed")
        if name in found:
            found[name] = found[name].transpose(*dims)
    for name, ordered in (("lat", map_axes.latitudes), ("lon", map_axes.longitudes)):
        values = found[name].values if name in found.coords else np.empty(0)
        if values.dtype.kind in "iuf" and len(values) and not (np.diff(values) > 0).all():
            places, degrees = ordered(values.astype(float), map_axes.Box(), path)
            found = found.isel({name: places}).assign_coords({name: degrees})
    return found


def check_axes(found: xr.Dataset, path: Path) -> None:
    """Refuse samples without the coordinates lat, lon, day and time, or with such that do not ascend evenly."""
    for name in ("lat", "lon", "day", "time"):
        if name not in found.coords:
            raise Refusal(f"{path} lacks the coordinate {name}: it has {', '.join(map(str, found.coords)) or 'none'}")
        values = found[name].values
        if name in ("day", "time"):
            if values.dtype.kind != "M":
                raise Refusal(f"{name} in {path} must be dates, such as days since 2012-10-01")
            values = values.astype("datetime64[D]")
        elif values.dtype.kind not in "iuf":  # such as dates, from units like "days since ..."
            raise Refusal(f"{name} in {path} must be numbers, in degrees, not {values.dtype}")
        if values.ndim != 1 or (len(values) > 1 and not (values[1:] > values[:-1]).all()):
            raise Refusal(f"{name} in {path} must ascend along one dimension")
        if name in ("lat", "lon") and (
            len(values) < 2 or not np.allclose(np.diff(values), values[1] - values[0], rtol=1e-2)
        ):
            raise Refusal(f"{name} in {path} must be evenly spaced, as in training")


def complete(found: xr.Dataset, path: Path) -> xr.Dataset:
    """The samples of a file in float32 and m, with `sea`. Refusal of axes and values that cannot be used."""
    check_axes(found, path)
    for name in ("observations", "ssh"):
        if name in found:
            values = found[name].values.astype(np.float32) * np.float32(map_names.factor(found[name].variable, path))
            if np.isinf(values).any():
                raise Refusal(f"{name} in {path} has infinite values: write NaN where the height is unknown")
            heights.refuse_impossible(values, name, path)
            if not found[name].attrs.get("units"):
                heights.suspect_units(values, name, path)
            if np.isnan(values).all():
                raise Refusal(f"{name} in {path} is NaN everywhere")
            found[name] = found[name].dims, values, {**found[name].attrs, "units": "m"}
    if "sea" in found:
        sea = found.sea.values.astype(bool)
    else:
        sea = (
            np.isfinite(found.ssh.values).any(axis=0) if "ssh" in found else np.ones(found.observations.shape[1:], bool)
        )
    if not sea.any():
        raise Refusal(f"sea in {path} is nowhere 1: it must be 1 where there is sea, and 0 on land")
    return found.assign(sea=(("lat", "lon"), sea, SEA_ATTRS))
