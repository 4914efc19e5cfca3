"""A small sea with land, and its files in the formats of the data challenges, of 4dvarnet-starter and of DUACS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from omegaconf import OmegaConf

from dlgd.core.paths import CONF
from dlgd.problems.ssh.data import map_axes, map_files
from dlgd.problems.ssh.data.map_axes import Box
from dlgd.problems.ssh.data.map_files import Reading
from dlgd.problems.ssh.data.netcdf import SSHNetCDF

DAYS = np.arange("2012-10-01", "2012-10-21", dtype="datetime64[D]")
LAT, LON = 33 + 0.25 * np.arange(12), -65 + 0.25 * np.arange(16)
MAPS = ("time", "lat", "lon")
SHORT = {"margin": 1, "days": 3, "patch": 8}


def truth() -> np.ndarray:
    """(20, 12, 16) m: a wave that moves, NaN on land in the corner."""
    day, y, x = np.meshgrid(np.arange(len(DAYS)), np.arange(12), np.arange(16), indexing="ij")
    ssh = 0.3 * np.sin(0.4 * x + 0.3 * y - 0.2 * day) + 0.1
    ssh[:, :3, :4] = np.nan
    return ssh


def seen(seed: int = 0) -> np.ndarray:
    """Observations (20, 12, 16) m with noise of 0.02 m, NaN in two cells of three."""
    rng = np.random.default_rng(seed)
    ssh = truth()
    return np.where(rng.random(ssh.shape) < 1 / 3, ssh + rng.normal(0, 0.02, ssh.shape), np.nan)


def fields(*, hours: int = 0, lat: np.ndarray = LAT, lon: np.ndarray = LON, **values: np.ndarray) -> xr.Dataset:
    """Maps by name, at an hour of each day."""
    stamps = DAYS.astype("datetime64[ns]") + np.timedelta64(hours, "h")
    coordinates = {"time": stamps, "lat": lat, "lon": lon}
    return xr.Dataset({name: (MAPS, value) for name, value in values.items()}, coordinates)


def starter(path: Path) -> Path:
    """natl_gf_w_5nadirs.nc of 4dvarnet-starter: both in one file."""
    fields(ssh=truth(), nadir_obs=seen()).to_netcdf(path)
    return path


def registry(folder: Path) -> tuple[Path, Path]:
    """The gridded challenge: the reference in seconds and at noon, observations in days at midnight, their names."""
    ssh, obs = folder / "ssh_y2013.1y.nc", folder / "dataset_nadir_0d.nc"
    seconds = (DAYS - DAYS[0]).astype(float) * 86400 + 43200
    fields(ssh=truth()).assign_coords(time=("time", seconds, {"units": "seconds since 2012-10-01"})).to_netcdf(ssh)
    numbers = ("time", (DAYS - DAYS[0]).astype(float), {"units": "days since 2012-10-01"})
    held = fields(ssh_obs=seen(), ssh_mod=np.where(np.isfinite(seen()), truth(), np.nan)).assign_coords(time=numbers)
    held.assign(mask=(("lat", "lon"), np.isfinite(truth()[0]).astype(np.int8))).to_netcdf(obs)
    return ssh, obs


def challenge(path: Path) -> Path:
    """dc_ref of the 2020 challenge: sossheig every six hours, here, from 00:30, on land 0 as in NEMO."""
    ssh = np.repeat(np.nan_to_num(truth()), 4, axis=0) + np.tile([-0.03, -0.01, 0.01, 0.03], 20)[:, None, None]
    ssh[:, :3, :4] = 0.0
    stamps = np.repeat(DAYS, 4).astype("datetime64[m]") + np.tile(np.arange(4) * 360 + 30, 20).astype("timedelta64[m]")
    coordinates = {"time": stamps.astype("datetime64[ns]"), "lat": LAT, "lon": LON}
    xr.Dataset({"sossheig": (MAPS, ssh.astype(np.float32))}, coordinates).to_netcdf(path)
    return path


def duacs(path: Path) -> Path:
    """CMEMS: adt packed as int16 with fill values, northern rows first, longitudes 0..360, other names of axes."""
    adt = fields(adt=truth(), lon=LON % 360).isel(lat=slice(None, None, -1))
    adt = adt.rename(lat="latitude", lon="longitude").assign(err=2 * adt.adt.rename(lat="latitude", lon="longitude"))
    adt.adt.attrs = {"standard_name": "sea_surface_height_above_geoid", "units": "m"}
    packing = {"dtype": "int16", "scale_factor": 1e-4, "_FillValue": -32767}
    adt.to_netcdf(path, encoding={"adt": packing})
    return path


def tracks(folder: Path, *, count: int = 600) -> list[Path]:
    """Three satellites as in the 2021 challenge: parts of a height, longitudes 0..360; the third one 5 m off."""
    paths = []
    for number, name in enumerate(("alg", "c2", "j3")):
        rng = np.random.default_rng(number)
        seconds = np.sort(rng.uniform(-2, 22, count)) * 86400
        lat, lon = rng.uniform(32, 37, count), rng.uniform(-67, -60, count)
        ssh = plane(lat, lon) + (5.0 if name == "j3" else 0.0)
        ssh[::50] = np.nan
        parts = {"sla_unfiltered": ssh - 0.2 + 0.05, "mdt": np.full(count, 0.2), "lwe": np.full(count, 0.05)}
        fields = {key: ("time", value, {"units": "m"}) for key, value in parts.items()}
        fields |= {"longitude": ("time", lon % 360), "latitude": ("time", lat), "sla_filtered": ("time", 0 * ssh)}
        time = {"time": ("time", seconds, {"units": "seconds since 2012-10-01 00:00:00"})}
        paths.append(folder / f"dt_gulfstream_{name}_phy_l3_2012.nc")
        xr.Dataset(fields, time).to_netcdf(paths[-1])
    return paths


def plane(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """m, by which one can tell where a point lies."""
    return 0.1 * (lat - 33) + 0.02 * (lon + 65)


def karin(path: Path) -> Path:
    """A swath of the 2022 challenge: 71 pixels beside one another, int32 in units of 0.1 mm."""
    lines = 300
    lat = np.linspace(31, 38, lines)[:, None] + 0.002 * np.arange(71)
    lon = (-64 + 0.02 * np.arange(71))[None] + np.linspace(0, 1, lines)[:, None]
    fields = {
        "ssh_true": (("num_lines", "num_pixels"), plane(lat, lon)),
        "ssh_karin": (("num_lines", "num_pixels"), plane(lat, lon)),
        "latitude": (("num_lines", "num_pixels"), lat),
        "longitude": (("num_lines", "num_pixels"), lon % 360),
    }
    stamps = {"time": ("num_lines", np.datetime64("2012-10-04T11:00", "ns") + np.arange(lines).astype("m8[s]"))}
    packing = {"dtype": "int32", "scale_factor": 1e-4, "_FillValue": 2**31 - 1}
    xr.Dataset(fields, stamps).to_netcdf(path, encoding={"ssh_karin": packing, "ssh_true": packing})
    return path


# --- read ------------------------------------------------------------------------------------------------------------


def reading(
    *,
    names: Mapping[str, str] | None = None,
    time_units: str | None = None,
    box: Sequence[float] | None = None,
    period: tuple[str, str] | None = None,
) -> Reading:
    return Reading(names=names or {}, time_units=time_units, box=Box.of(box), period=map_axes.period(period))


def read(*paths: Path, target: str | None = None, **options: object) -> xr.Dataset:
    return map_files.reference(paths, target=target, reading=reading(**options))


def observed(path: Path, sea: xr.Dataset, variable: str | None = None, **options: object) -> np.ndarray:
    return map_files.gridded([path], variable=variable, reference=sea, reading=reading(**options))


def source(path: Path | str | None, **changes: object) -> SSHNetCDF:
    """With the options of the configuration, but for short windows."""
    config = OmegaConf.load(CONF / "data" / "ssh_netcdf.yaml")
    options = OmegaConf.to_container(config.data, resolve=True)
    options = {key: value for key, value in options.items() if not key.startswith("_")}
    return SSHNetCDF(**(options | SHORT | {"path": None if path is None else str(path)} | changes))
