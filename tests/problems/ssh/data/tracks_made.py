"""Tracks over open sea in the layout of CMEMS level 3, the waves that they observe, and the data set of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from omegaconf import OmegaConf

from dlgd.core.paths import CONF
from dlgd.problems.ssh.data.tracks import SSHTracks

BOX = [-62.0, -58.0, 34.0, 37.0]
FIRST = np.datetime64("2019-01-01", "ns")
NOISE = 0.02


def slope(lat, lon):
    """A mean dynamic topography, m."""
    return 0.4 - 0.3 * (lat - 35.5) + 0.05 * (lon + 60)


def waves(day, lat, lon):
    """Heights above it, m, of about 0.15 m."""
    rng = np.random.default_rng(5)
    total = 0.0
    for _ in range(12):
        east, north, omega, phase = *rng.normal(0, 1.8, 2), rng.uniform(0.05, 0.3), rng.uniform(0, 6.28)
        total = total + 0.06 * np.cos(east * lon + north * lat + omega * day + phase)
    return total


def cmems(
    folder: Path, *, satellites=("one", "two", "three"), days=12, amplitude=1.0, noise=NOISE, seed=0
) -> list[Path]:
    """A file for each satellite, with a pass a day of a point each second, here every 14 km, over a wider box."""
    folder.mkdir(exist_ok=True)
    paths = []
    for number, name in enumerate(satellites):
        rng = np.random.default_rng([seed, number])
        columns = []
        for day in range(-2, days + 2):
            along = np.linspace(0, 1, 40)
            first, last = rng.uniform(-63, -57, 2)
            seconds = 86400 * (day + rng.random()) + 2 * np.arange(40)
            columns.append((seconds, 33 + 5 * along, first + along * (last - first)))
        seconds, lat, lon = (np.concatenate(each) for each in zip(*columns, strict=True))
        sla = amplitude * waves(seconds / 86400, lat, lon) + noise * rng.normal(size=len(lat))
        fields = {"sla_unfiltered": sla + 0.01, "mdt": slope(lat, lon), "lwe": np.full(len(lat), 0.01), "dac": 0 * lat}
        paths.append(folder / f"dt_global_{name}_phy_l3_1hz.nc")
        xr.Dataset(
            {key: ("time", value, {"units": "m"}) for key, value in fields.items()},
            {
                "time": FIRST + np.rint(1e9 * seconds).astype("m8[ns]"),
                "longitude": ("time", lon % 360, {"units": "degrees_east", "standard_name": "longitude"}),
                "latitude": ("time", lat, {"units": "degrees_north", "standard_name": "latitude"}),
            },
            {"platform": name.title()},
        ).to_netcdf(paths[-1])
    return paths


def topography(path: Path) -> Path:
    """The slope on coarse cells, with longitudes from 0 to 360."""
    lat, lon = np.arange(30.0, 42.0), np.arange(290.0, 310.0)
    field = slope(lat[:, None], lon - 360)
    xr.Dataset({"mdt": (("lat", "lon"), field, {"units": "m"})}, {"lat": lat, "lon": lon}).to_netcdf(path)
    return path


def source(observations: object, **changes: object) -> SSHTracks:
    """With the options of the configuration, but for few days around the period."""
    config = OmegaConf.load(CONF / "data" / "ssh_tracks.yaml")
    options = OmegaConf.to_container(config.data, resolve=True)
    options = {key: value for key, value in options.items() if not key.startswith("_")}
    given = {"observations": observations, "box": BOX, "step": 0.5, "period": ["2019-01-03", "2019-01-08"], "margin": 4}
    return SSHTracks(**(options | given | changes))
