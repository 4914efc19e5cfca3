"""A western boundary current with eddies, and tracks over it with a point each second, some of them bad."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xarray as xr

from dlgd.problems.ssh.data import map_axes, map_files
from dlgd.problems.ssh.data.map_axes import Box
from dlgd.problems.ssh.data.map_files import Reading

DAY = np.datetime64("2019-01-01", "ns")
LAT, LON = 33 + 0.25 * np.arange(41), -65 + 0.25 * np.arange(41)
DAYS = 12


def current(lat: np.ndarray, lon: np.ndarray, day: np.ndarray) -> np.ndarray:
    """m: a front of 1.2 m in 60 km that meanders, a warm and a cold ring of 0.8 m and 60 km, and an eddy of 0.3 m."""
    front = 38 + 0.8 * np.sin(2 * np.pi * (lon - 0.05 * day) / 4)
    ssh = -0.6 * np.tanh((lat - front) / 0.27)
    for height, north, east, degrees in ((0.8, 40.5, -61, 0.6), (-0.8, 35.0, -58, 0.6), (0.3, 34.2, -63, 0.8)):
        away = ((lat - north) ** 2 + ((lon - east + 0.04 * day) * np.cos(np.deg2rad(north))) ** 2) / degrees**2
        ssh = ssh + height * np.exp(-away)
    return ssh


def reference(folder: Path) -> xr.Dataset:
    """The current on a grid, read as a training file."""
    day = np.arange(DAYS)
    ssh = current(LAT[:, None], LON, day[:, None, None])
    axes = {"time": DAY + day * np.timedelta64(1, "D"), "lat": LAT, "lon": LON}
    xr.Dataset({"ssh": (tuple(axes), ssh, {"units": "m"})}, axes).to_netcdf(folder / "maps.nc")
    reading = Reading({}, None, Box(), map_axes.period(None))
    return map_files.reference([folder / "maps.nc"], target=None, reading=reading)


def points(seed: int, *, passes: int = 48, noise: float = 0.025) -> dict[str, np.ndarray]:
    """Passes of 200 points, one a second and 6 km apart, from south to north and back: time, lat, lon, ssh."""
    rng = np.random.default_rng(seed)
    columns = {"time": [], "lat": [], "lon": []}
    for number in range(passes):
        moment = DAY + np.timedelta64(round(86400 * DAYS * (number + rng.uniform(0.1, 0.9)) / passes), "s")
        along = np.linspace(0, 1, 200)
        sign = 1 if number % 2 else -1
        columns["time"].append(moment + np.arange(200) * np.timedelta64(1, "s"))
        columns["lat"].append(38 + sign * (10 * along - 5))
        columns["lon"].append(rng.uniform(-64, -57) + 3 * (along - 0.5))
    found = {key: np.concatenate(values) for key, values in columns.items()}
    day = (found["time"] - DAY) / np.timedelta64(1, "D")
    found["ssh"] = current(found["lat"], found["lon"], day) + noise * rng.standard_normal(len(day))
    return found


def spoiled(points: Mapping[str, np.ndarray], seed: int, *, share: float = 0.01) -> tuple[np.ndarray, np.ndarray]:
    """Heights with single outliers of 0.5 to 13 m of both signs, and whether each is one."""
    rng = np.random.default_rng(seed)
    bad = rng.random(len(points["ssh"])) < share
    size = rng.uniform(0.5, 13, bad.sum()) * rng.choice([-1, 1], bad.sum())
    ssh = points["ssh"].copy()
    ssh[bad] += size
    return ssh, bad


def written(path: Path, points: Mapping[str, np.ndarray], **fields: tuple) -> Path:
    """A file of a track, with fields (values, attributes)."""
    held = {name: ("time", *field) for name, field in fields.items()}
    coordinates = {
        "time": points["time"],
        "latitude": ("time", points["lat"]),
        "longitude": ("time", points["lon"] % 360),
    }
    xr.Dataset(held, coordinates).to_netcdf(path)
    return path
