"""Simulated satellites: they observe a sea surface height that is known everywhere, along their tracks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from dlgd.core import checks
from dlgd.core.constants import SECONDS_PER_DAY
from dlgd.core.errors import Refusal
from dlgd.physics.orbits import SATELLITES, Box, Points, points_over
from dlgd.problems.ssh import seam
from dlgd.problems.ssh.data.map_samples import OBSERVATION_ATTRS
from dlgd.problems.ssh.days import day_numbers

SPACING_KM = 7.0  # between two points along a track, and across a swath
FOUR_NADIRS = ("jason", "geosat", "sentinel3", "envisat")
SETS = {
    "one_nadir": ("jason",),
    "four_nadirs": FOUR_NADIRS,
    "swot": ("swot",),
    "swot_and_four_nadirs": ("swot", *FOUR_NADIRS),
}
SWATH_ERRORS = ("roll", "baseline", "length_km")


@dataclass(frozen=True, kw_only=True)
class Observing:
    """satellites: a name of SETS, or a list of names of `orbits.SATELLITES`.
    noise_std: standard deviation of the white noise of each point, m.
    swath_errors: errors that a whole line across a swath shares. `roll` and `baseline` are their standard deviations at
        the outer edge of the swath, m: the error of the roll angle grows with the distance from the track and changes
        its sign there; that of the baseline's length grows with the square of the distance (Gaultier et al. 2016,
        J. Atmos. Oceanic Technol. 33, 119-126). Along the track both are correlated as exp(-distance / `length_km`).
    held_out: a satellite whose points stand in the table and in no map, one of `satellites` or another one; None: there
        is none.
    seed: of noise and errors, and of the place of each satellite on the first day.
    """

    satellites: str | Sequence[str]
    noise_std: float
    swath_errors: Mapping[str, float]
    held_out: str | None
    seed: int

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all satellites; a held-out one that is not among `satellites` is the last."""
        chosen = SETS.get(self.satellites, (self.satellites,)) if isinstance(self.satellites, str) else self.satellites
        return tuple(dict.fromkeys([*chosen, *([] if self.held_out is None else [self.held_out])]))

    def check(self) -> None:
        """Refuse, in one sentence, what cannot be simulated."""
        if not isinstance(self.satellites, str):
            checks.names("data.satellites", self.satellites, example="[jason,swot]")
        for name in self.names:
            if name not in SATELLITES:
                option = "held_out" if name == self.held_out else "satellites"
                sets = "" if option == "held_out" else f"{', '.join(SETS)}, or of "
                raise Refusal(f"data.{option}={name} is unknown: choose one of {sets}{', '.join(SATELLITES)}")
        if set(self.names) <= {self.held_out}:
            raise Refusal("data.satellites leaves nothing to be observed: name one that is not data.held_out")
        checks.number("data.noise_std", self.noise_std, least=0)
        if set(self.swath_errors) != set(SWATH_ERRORS):
            raise Refusal(f"data.swath_errors must give {', '.join(SWATH_ERRORS)}")
        for key, value in self.swath_errors.items():
            checks.number(f"data.swath_errors.{key}", value, least=0)
        checks.number("data.swath_errors.length_km", self.swath_errors["length_km"], above=0)
        checks.whole_number("data.seed", self.seed, least=0)

    def observe(self, record: xr.Dataset) -> xr.Dataset:
        """The record with `observations` and the table of points; see the head of `map_samples.py`."""
        self.check()
        tables = [self._points(record, number) for number in range(len(self.names))]
        columns = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
        table = xr.Dataset({name: ("point", values) for name, values in columns.items()})
        table.track_ssh.attrs.update(OBSERVATION_ATTRS, long_name="observed sea surface height")
        table.track_satellite.attrs.update(names=",".join(self.names))
        shared = {}
        if any(self.swath_errors[key] for key in ("roll", "baseline")) and table.track_across.notnull().any():
            shared = {f"swath_{key}": value for key, value in self.swath_errors.items()}
        else:
            table = table.drop_vars("track_across")
        used = table.isel(point=np.flatnonzero(~table.held_out.values))
        maps = xr.DataArray(cell_means(used, record), dims=("time", "lat", "lon"), attrs=OBSERVATION_ATTRS)
        observed = record.assign(table.data_vars).assign(observations=maps)
        return observed.assign_attrs(noise_std=self.noise_std, satellites=",".join(self.names), **shared)

    def _points(self, record: xr.Dataset, number: int) -> dict[str, np.ndarray]:
        """The columns (point,) of one satellite's table, in order of time, with the points over sea alone."""
        name = self.names[number]
        satellite = SATELLITES[name]
        # seeded by name, so that a satellite flies the same way whatever others there are
        rng = np.random.default_rng([self.seed, list(SATELLITES).index(name)])
        points = points_over(
            _box(record),
            satellite,
            duration_s=float((record.time.values[-1] - record.time.values[0]) / np.timedelta64(1, "s")),
            spacing_km=SPACING_KM,
            node_deg=rng.uniform(0, 360),
            start_s=rng.uniform(0, satellite.orbit.cycle_s),
        )
        truth = at_points(record, points)
        error = self.noise_std * rng.standard_normal(len(truth))
        if satellite.swath_km is not None:
            error += self._swath_errors(points, satellite.swath_km[1], satellite.orbit.speed_km_s, rng)
        over_sea = np.flatnonzero(np.isfinite(truth))
        columns = {
            "track_ssh": (truth + error).astype(np.float32),
            "track_time": record.time.values[0] + np.rint(1e9 * points.time_s).astype("timedelta64[ns]"),
            "track_lat": points.lat,
            "track_lon": points.lon,
            "track_across": points.across_km if satellite.swath_km is not None else np.full(len(truth), np.nan),
            "track_satellite": np.full(len(truth), number, np.int32),
            "held_out": np.full(len(truth), name == self.held_out),
        }
        return {key: values[over_sea] for key, values in columns.items()}

    def _swath_errors(self, points: Points, edge_km: float, speed_km_s: float, rng: np.random.Generator) -> np.ndarray:
        """The error of each point of a swath, m."""
        lines, line = np.unique(points.time_s, return_inverse=True)
        along = speed_km_s * lines
        across = points.across_km / edge_km
        roll, baseline = (
            self.swath_errors[key] * along_track(along, self.swath_errors["length_km"], rng)
            for key in ("roll", "baseline")
        )
        return roll[line] * across + baseline[line] * across**2


def along_track(along_km: np.ndarray, length_km: float, rng: np.random.Generator) -> np.ndarray:
    """A random series of mean 0 and variance 1 at ascending distances (n,), correlated as exp(-distance / length)."""
    correlation = np.exp(-np.diff(along_km, prepend=-np.inf) / length_km)  # with the point before; 0 for the first
    fresh = np.sqrt(1 - correlation**2) * rng.standard_normal(len(along_km))
    series, value = np.empty(len(along_km)), 0.0
    for number, (share, new) in enumerate(zip(correlation.tolist(), fresh.tolist(), strict=True)):
        value = share * value + new
        series[number] = value
    return series


def at_points(record: xr.Dataset, points: Points) -> np.ndarray:
    """ssh (point,), interpolated linearly in time, latitude and longitude; NaN beside land and unknown days."""
    from scipy.ndimage import map_coordinates

    lat = record.lat.values
    lon, maps, east = seam.closed(record.lon.values, record.ssh.values, points.lon)
    days = points.time_s / SECONDS_PER_DAY
    rows, columns = (
        (values - axis[0]) / ((axis[-1] - axis[0]) / (len(axis) - 1))
        for axis, values in ((lat, points.lat), (lon, east))
    )
    return map_coordinates(maps, [days, rows, columns], output=np.float64, order=1, mode="nearest")


def _box(record: xr.Dataset) -> Box:
    """Where a record has maps: from the centres of its first cells to those of its last ones, or all around."""
    lat, lon = record.lat.values.astype(float), record.lon.values.astype(float)
    return Box(lat[0], lat[-1], lon[0], lon[0] + 360 if seam.is_ring(lon) else lon[-1])


def cell_means(table: xr.Dataset, record: xr.Dataset) -> np.ndarray:
    """(time, lat, lon) float32: means of track_ssh over each cell and day of the record, NaN where there is no point.

    A cell reaches half a step to both sides of its coordinate, and a day half a day. Points outside are left out; maps
    all around the globe have no outside west and east.
    """
    places, shape, inside = [], tuple(record.sizes[axis] for axis in ("time", "lat", "lon")), True
    for axis, count in zip(("time", "lat", "lon"), shape, strict=True):
        if axis == "time":
            place = day_numbers(table.track_time.values, record.time.values)
        else:
            first, last = float(record[axis][0]), float(record[axis][-1])
            place = np.rint((table[f"track_{axis}"].values - first) / (last - first) * (count - 1)).astype(np.int64)
            place = place % count if axis == "lon" and seam.is_ring(record.lon.values) else place
        inside = inside & (place >= 0) & (place < count)
        places.append(place)
    flat = np.ravel_multi_index([place[inside] for place in places], shape)
    cells, which, counts = np.unique(flat, return_inverse=True, return_counts=True)
    maps = np.full(shape, np.nan, np.float32)
    maps.flat[cells] = np.bincount(which, table.track_ssh.values[inside].astype(float)) / counts
    return maps
