"""Passes of SWOT and of Sentinel-6 over a small sea, in the layouts of their products."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

LINES, PIXELS = 60, 9
SWATH = ("num_lines", "num_pixels")
START = np.datetime64("2012-10-04T11:00", "ns")
METRES = {"units": "m"}
GEOID, MDT, TIDE, ROLL = -40.0, 0.4, 0.3, 0.02  # m, the last for each km from the track
MASKS = np.array([2, 128, 32768, 131072, 536870912, 2147483648], np.uint32)
MEANINGS = (
    "suspect_large_ssh_std suspect_num_pt_avg degraded_ssb_not_computable degraded_beam_used bad_range bad_not_usable"
)
ELLIPSOID = {"units": "m", "standard_name": "sea surface height above reference ellipsoid"}
SUSPECT, DEGRADED, BAD = 130, 131072, 2147483648


def anomaly(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """m."""
    return 0.05 * (lat - 34) - 0.03 * (lon % 360 - 297)


def places(across_km: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Latitudes and longitudes, 0 to 360, of a pass to the north, (lines, pixels)."""
    lat = np.linspace(33.1, 35.6, LINES)[:, None] + 0 * across_km
    lon = 297 + np.linspace(0, 0.4, LINES)[:, None] + across_km / 93
    return lat, lon


def swath(across_km: np.ndarray, **more: tuple) -> xr.Dataset:
    lat, lon = places(across_km)
    fields = {
        "latitude": (SWATH, lat, {"units": "degrees_north"}),
        "longitude": (SWATH, lon, {"units": "degrees_east"}),
        "time": ("num_lines", 3.0 * np.arange(LINES), {"units": f"seconds since {START}"}),
        "cross_track_distance": (SWATH, 1e3 * across_km + 0 * lat, METRES),
        **more,
    }
    return xr.Dataset(fields)


def level_2(across_km: np.ndarray, *, anomalies: bool = True, level: str | None = "geoid") -> xr.Dataset:
    """Expert or unsmoothed: line 3 is suspect, line 4 degraded, line 5 bad; roughness is bad in all of line 7."""
    lat, lon = places(across_km)
    sla, constant = anomaly(lat, lon), np.ones(lat.shape)
    flag, other = np.zeros(lat.shape, np.uint32), np.zeros(lat.shape, np.uint32)
    flag[3], flag[4], flag[5], other[7] = SUSPECT, DEGRADED, BAD + SUSPECT, BAD
    attributes = {"flag_masks": MASKS, "flag_meanings": MEANINGS}
    roll = ROLL * across_km + 0 * lat
    high = sla - roll + MDT + GEOID + TIDE  # the mean sea surface is that of the geoid and the topography
    fields = {
        "ssh_karin": (SWATH, high + 0.01, ELLIPSOID),
        "ssh_karin_2": (SWATH, high, ELLIPSOID),
        "ssh_karin_2_qual": (SWATH, flag, attributes),
        "height_cor_xover": (SWATH, roll, METRES),
        "ocean_tide_fes": (SWATH, TIDE * constant, METRES),
        "sig0_karin_2": (SWATH, 12 * constant, {"units": "1"}),
        "sig0_karin_2_qual": (SWATH, other, attributes),
    }
    if level is not None:
        fields[level] = (SWATH, (GEOID if level == "geoid" else GEOID + MDT) * constant, METRES)
    if anomalies:
        fields |= {
            "ssha_karin": (SWATH, sla - roll + 0.01, METRES),
            "ssha_karin_2": (SWATH, sla - roll, METRES),
            "ssha_karin_2_qual": (SWATH, flag, attributes),
            "mean_dynamic_topography": (SWATH, MDT * constant, METRES),
        }
    return swath(across_km, **fields).assign_attrs(mission_name="SWOT")


ACROSS = np.linspace(10, 60, PIXELS)


def expert_2(path: Path, **options: bool | str | None) -> Path:
    """SWOT_L2_LR_SSH_Expert."""
    level_2(np.concatenate([-ACROSS[::-1], ACROSS]), **options).to_netcdf(path)  # pyright: ignore[reportArgumentType]
    return path


def unsmoothed_2(path: Path) -> Path:
    """SWOT_L2_LR_SSH_Unsmoothed: each half of the swath in a group of its own."""
    xr.Dataset(attrs={"mission_name": "SWOT"}).to_netcdf(path)
    for group, across in (("left", -ACROSS[::-1]), ("right", ACROSS)):
        level_2(across).to_netcdf(path, mode="a", group=group)
    return path


def expert_3(path: Path, *, name: str = "ssha_filtered", missing: slice | list[int] | None = None) -> Path:
    """SWOT_L3_LR_SSH_Expert: line 5 is edited; missing: lines without a time."""
    across = np.concatenate([-ACROSS[::-1], [0.0], ACROSS])
    lat, lon = places(across)
    flag = np.zeros(lat.shape, np.uint8)
    flag[5] = 100
    stamps = 3.0 * np.arange(LINES)
    if missing is not None:
        stamps[missing] = np.nan
    found = swath(
        across,
        **{name: (SWATH, anomaly(lat, lon), METRES)},
        mdt=(SWATH, MDT + 0 * lat, METRES),
        quality_flag=(SWATH, flag, {"flag_values": np.array([0, 100], np.uint8), "flag_meanings": "good land"}),
        time=("num_lines", stamps, {"units": f"seconds since {START}"}),
    )
    packing = {
        "time": {"_FillValue": 9.969209968386869e36},
        name: {"dtype": "int32", "scale_factor": 1e-4, "_FillValue": 2**31 - 1},
    }
    found.assign_attrs(platform="SWOT").to_netcdf(path, encoding=packing)
    return path


def sentinel_6(path: Path) -> Path:
    """P4 2 LR: a point a second in data_01, its anomaly in data_01/ku; points of data_20 must not be read."""
    lat, lon = (values[:, 0] for values in places(np.zeros(1)))
    stamps = {"time": ("time", 1.0 * np.arange(LINES), {"units": f"seconds since {START}"})}
    flag = np.zeros(LINES, np.int8)
    flag[5] = 1
    xr.Dataset(attrs={"mission_name": "Sentinel-6A"}).to_netcdf(path)
    of_points = {
        "latitude": ("time", lat),
        "longitude": ("time", lon),
        "mean_dynamic_topography": ("time", MDT + 0 * lat, METRES),
    }
    xr.Dataset(of_points, stamps).to_netcdf(path, mode="a", group="data_01")
    measured = {
        "ssha": ("time", anomaly(lat, lon), METRES),
        "range_ocean": ("time", 1.3e6 + 0 * lat, METRES),
        "range_ocean_qual": ("time", flag, {"flag_values": np.array([0, 1], np.int8), "flag_meanings": "good bad"}),
        "swh_ocean": ("time", 2 + 0 * lat, METRES),
        "swh_ocean_qual": ("time", 1 - flag, {"flag_values": np.array([0, 1], np.int8), "flag_meanings": "good bad"}),
    }
    xr.Dataset(measured).to_netcdf(path, mode="a", group="data_01/ku")
    xr.Dataset({"latitude": ("time", np.zeros(3))}).to_netcdf(path, mode="a", group="data_20/ku")
    return path
