"""The input of methods that map the sea: a grid with its land, and observations at points or in maps.

Each sample is a day. Samples have `observations` (day, lat, lon) in m, NaN where nothing is observed, and the
coordinates `time` (sample), `day`, `lat` and `lon` in degrees; optionally `sea` (lat, lon), and a table of points along
tracks, `track_ssh`, `track_time`, `track_lat`, `track_lon`, `track_satellite` (point), in order of satellite and time;
and `track_across`, km to the right of the track, where a satellite has a swath. No method uses points that are
`held_out`.

Methods map anomalies from a background: `background` (lat, lon) and, at the points, `track_background` (point), m,
where the samples have them, else the mean of the training split, their attribute `mean`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from dlgd.core.constants import KM_PER_DEGREE, SECONDS_PER_DAY
from dlgd.core.errors import Refusal
from dlgd.problems.ssh import seam
from dlgd.problems.ssh.methods import swath_errors

BREAK_KM = 15.0  # points along a track farther apart than this are not averaged; points of 1 Hz are 7 km apart
ORIGIN = np.datetime64("2000-01-01", "ns")  # times are counted from it


@dataclass(frozen=True)
class Points:
    """Observations at places and times, float64, (n,) each."""

    days: np.ndarray  # since ORIGIN
    lat: np.ndarray  # degrees
    lon: np.ndarray
    ssh: np.ndarray  # m, above the background
    swath: np.ndarray | None = None  # (n, 6), see `swath_errors.functions`

    def take(self, some: np.ndarray | slice) -> Points:
        """Some of the points."""
        swath = None if self.swath is None else self.swath[some]
        return Points(self.days[some], self.lat[some], self.lon[some], self.ssh[some], swath)

    def __len__(self) -> int:
        return len(self.days)


def refuse_other_data(samples: xr.Dataset, baseline: str) -> None:
    """Refuse samples that are not daily maps with observations, before any work."""
    if "day" not in samples.dims or "observations" not in samples or "time" not in samples.coords:
        name = samples.attrs.get("name", "...")
        raise Refusal(
            f"baseline={baseline} makes maps from observations of days, which data={name} does not give: type "
            "data=ssh, data=ssh_netcdf or data=ssh_tracks"
        )


def days_of(times: xr.DataArray) -> np.ndarray:
    """Times as days since ORIGIN, float64."""
    return (times.values.astype("datetime64[ns]") - ORIGIN) / np.timedelta64(1, "D")


def sea_of(samples: xr.Dataset) -> np.ndarray:
    """Whether a cell is sea, bool (lat, lon): as the samples say, or where the truth is known on any day; without both,
    everywhere."""
    if "sea" in samples:
        return samples.sea.transpose("lat", "lon").values.astype(bool)
    if "ssh" not in samples:
        return np.ones((samples.sizes["lat"], samples.sizes["lon"]), dtype=bool)
    return samples.ssh.notnull().any("sample").transpose("lat", "lon").values


def background_of(samples: xr.Dataset) -> np.ndarray:
    """The field that anomalies are counted from, m: (lat, lon), or a number where the samples have none."""
    if "background" in samples:
        return samples.background.transpose("lat", "lon").values.astype(np.float64)
    return np.asarray(samples.attrs["mean"], np.float64)


def same_grid(maps: xr.DataArray, samples: xr.Dataset) -> bool:
    """Whether both have the same cells, but for rounding."""
    pairs = [(maps[axis].values, samples[axis].values) for axis in ("lat", "lon")]
    return all(one.shape == other.shape and np.allclose(one, other, rtol=0, atol=1e-3) for one, other in pairs)


def with_background(samples: xr.Dataset, mean: xr.DataArray, std: float) -> xr.Dataset:
    """The samples with a background, a mean (lat, lon) of the same cells, and the standard deviation about it; samples
    of other cells as they are. Land takes the mean of all."""
    from scipy.interpolate import RegularGridInterpolator

    mean = mean.transpose("lat", "lon")
    if not same_grid(mean, samples):
        return samples
    field = mean.fillna(mean.mean()).astype(np.float64)
    found = samples.assign(background=(("lat", "lon"), field.values)).assign_attrs(std=std)
    if "track_ssh" in samples:
        lat, lon = (mean[axis].values.astype(np.float64) for axis in ("lat", "lon"))
        lon, closed, east = seam.closed(lon, field.values, samples.track_lon.values)
        places = np.clip(samples.track_lat.values, lat[0], lat[-1]), np.clip(east, lon[0], lon[-1])
        found["track_background"] = "point", RegularGridInterpolator((lat, lon), closed)(np.stack(places, -1))
    return found


def points_of(samples: xr.Dataset, averaged: int) -> Points:
    """The points along tracks, means of `averaged` neighbours each; without a table, the cells of the daily maps."""
    if "track_ssh" not in samples:
        maps = samples.observations.transpose("day", "lat", "lon")
        values = maps.values - background_of(samples)
        day, row, column = np.nonzero(np.isfinite(values))
        lat, lon = (maps[name].values.astype(np.float64) for name in ("lat", "lon"))
        return Points(days_of(maps.day)[day], lat[row], lon[column], values[day, row, column])
    ssh = samples.track_ssh.values.astype(np.float64)
    ssh -= samples.track_background.values if "track_background" in samples else background_of(samples)
    used = np.isfinite(ssh)
    if "held_out" in samples:
        used &= ~samples.held_out.values.astype(bool)
    lat, lon = (samples[f"track_{name}"].values.astype(np.float64) for name in ("lat", "lon"))
    days = days_of(samples.track_time)
    points = Points(days, lat, lon, ssh, swath_errors.functions(samples, days)).take(used)
    return superobservations(points, samples.track_satellite.values[used], averaged)


def superobservations(points: Points, satellite: np.ndarray, averaged: int) -> Points:
    """Means of `averaged` neighbouring points of a track, in time, place and value; no mean crosses a break.

    The points of a swath stand row by row across the track, and those of a row are averaged.
    """
    if averaged == 1 or len(points) == 0:
        return points
    north = np.diff(points.lat)
    east = np.diff(points.lon) * np.cos(np.deg2rad((points.lat[1:] + points.lat[:-1]) / 2))
    broken = (np.hypot(north, east) * KM_PER_DEGREE > BREAK_KM) | (np.diff(satellite) != 0)
    broken |= np.abs(np.diff(points.days)) * SECONDS_PER_DAY > 60  # seconds: another pass over the same place
    starts = np.concatenate(([0], np.nonzero(broken)[0] + 1))
    number = np.arange(len(points)) - np.repeat(starts, np.diff(np.append(starts, len(points))))
    (first,) = np.nonzero(number % averaged == 0)  # counting starts at 0 after each break
    counts = np.diff(np.append(first, len(points)))
    means = (np.add.reduceat(x, first) / counts for x in (points.days, points.lat, points.lon, points.ssh))
    swath = None if points.swath is None else np.add.reduceat(points.swath, first) / counts[:, None]
    return Points(*means, swath=swath)
