"""A sea surface height that is known everywhere, observed by simulated satellites along their tracks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from dlgd.core import checks
from dlgd.core.constants import SECONDS_PER_DAY
from dlgd.core.errors import Refusal
from dlgd.physics.orbits import SATELLITES, Box, Points, points_over
from dlgd.problems.ssh.data.map_samples import OBSERVATIONS, day_numbers

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
    """satellites: a name of SETS, or names of `orbits.SATELLITES`. noise_std: m, of each point, white.

    swath_errors: standard deviations in m at the outer edge of a swath of errors that a whole line across it has in
    common: `roll` grows with the distance from the track and changes its sign there, `baseline` (its dilation) grows
    with the square of the distance (Gaultier et al. 2016, J. Atmos. Oceanic Technol. 33, 119-126); along the track both
    are correlated as exp(-distance / length_km).

    held_out: a further satellite that is in the table of points but in no map, or one of `satellites` that is taken out
    of the maps; None for none. seed: of noise and errors, and of where each satellite is on the first day.
    """

    satellites: str | Sequence[str]
    noise_std: float
    swath_errors: Mapping[str, float]
    held_out: str | None
    seed: int

    @property
    def names(self) -> tuple[str, ...]:
        """Of all satellites, the held-out one being the last if it is not among the others."""
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

    def observe(self, sea: xr.Dataset) -> xr.Dataset:
        """The record with `observations` and the table of points; see the head of `map_samples.py`."""
        self.check()
        tables = [self._points(sea, number) for number in range(len(self.names))]
        columns = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
        table = xr.Dataset({name: ("point", values) for name, values in columns.items()})
        table.track_ssh.attrs.update(OBSERVATIONS, long_name="observed sea surface height")
        table.track_satellite.attrs.update(names=",".join(self.names))
        used = table.isel(point=np.flatnonzero(~table.held_out.values))
        maps = xr.DataArray(cell_means(used, sea), dims=("time", "lat", "lon"), attrs=OBSERVATIONS)
        observed = sea.assign(table.data_vars).assign(observations=maps)
        return observed.assign_attrs(noise_std=self.noise_std, satellites=",".join(self.names))

    def _points(self, sea: xr.Dataset, number: int) -> dict[str, np.ndarray]:
        """Columns (point,) of one satellite's table, in order of time, over the sea alone."""
        name = self.names[number]
        satellite = SATELLITES[name]
        # by name, so that a satellite flies where it does whatever others there are
        rng = np.random.default_rng([self.seed, list(SATELLITES).index(name)])
        points = points_over(
            Box(*(float(sea[axis][end]) for axis in ("lat", "lon") for end in (0, -1))),
            satellite,
            duration_s=float((sea.time.values[-1] - sea.time.values[0]) / np.timedelta64(1, "s")),
            spacing_km=SPACING_KM,
            node_deg=rng.uniform(0, 360),
            start_s=rng.uniform(0, satellite.orbit.cycle_s),
        )
        truth = at_points(sea, points)
        error = self.noise_std * rng.standard_normal(len(truth))
        if satellite.swath_km is not None:
            error += self._swath_errors(points, satellite.swath_km[1], satellite.orbit.speed_km_s, rng)
        over_sea = np.flatnonzero(np.isfinite(truth))
        columns = {
            "track_ssh": (truth + error).astype(np.float32),
            "track_time": sea.time.values[0] + np.rint(1e9 * points.time_s).astype("timedelta64[ns]"),
            "track_lat": points.lat,
            "track_lon": points.lon,
            "track_satellite": np.full(len(truth), number, np.int32),
            "held_out": np.full(len(truth), name == self.held_out),
        }
        return {key: values[over_sea] for key, values in columns.items()}

    def _swath_errors(self, points: Points, edge_km: float, speed_km_s: float, rng: np.random.Generator) -> np.ndarray:
        """Of each point, m."""
        lines, line = np.unique(points.time_s, return_inverse=True)
        along = speed_km_s * lines
        across = points.across_km / edge_km
        roll, baseline = (
            self.swath_errors[key] * along_track(along, self.swath_errors["length_km"], rng)
            for key in ("roll", "baseline")
        )
        return roll[line] * across + baseline[line] * across**2


def along_track(along_km: np.ndarray, length_km: float, rng: np.random.Generator) -> np.ndarray:
    """A series of mean 0 and variance 1 at ascending distances (n,), correlated as exp(-distance / length)."""
    kept = np.exp(-np.diff(along_km, prepend=-np.inf) / length_km)  # nothing, of the first
    fresh = np.sqrt(1 - kept**2) * rng.standard_normal(len(along_km))
    series, value = np.empty(len(along_km)), 0.0
    for number, (share, new) in enumerate(zip(kept.tolist(), fresh.tolist(), strict=True)):
        value = share * value + new
        series[number] = value
    return series


def at_points(sea: xr.Dataset, points: Points) -> np.ndarray:
    """ssh (points,) by linear interpolation in time, latitude and longitude; NaN beside land and unknown days."""
    from scipy.ndimage import map_coordinates

    days = points.time_s / SECONDS_PER_DAY
    rows, columns = (
        (values - float(sea[axis][0])) / (float(sea[axis][-1] - sea[axis][0]) / (sea.sizes[axis] - 1))
        for axis, values in (("lat", points.lat), ("lon", points.lon))
    )
    return map_coordinates(sea.ssh.values, [days, rows, columns], output=np.float64, order=1, mode="nearest")


def cell_means(table: xr.Dataset, sea: xr.Dataset) -> np.ndarray:
    """(time, lat, lon) float32: means of track_ssh over each cell and day of the record, NaN where there is no point.

    A cell reaches half a step, and a day half a day, to both sides of its coordinate; points elsewhere are left out.
    """
    places, shape, inside = [], tuple(sea.sizes[axis] for axis in ("time", "lat", "lon")), True
    for axis, count in zip(("time", "lat", "lon"), shape, strict=True):
        if axis == "time":
            place = day_numbers(table.track_time.values, sea.time.values)
        else:
            first, last = float(sea[axis][0]), float(sea[axis][-1])
            place = np.rint((table[f"track_{axis}"].values - first) / (last - first) * (count - 1)).astype(np.int64)
        inside = inside & (place >= 0) & (place < count)
        places.append(place)
    flat = np.ravel_multi_index([place[inside] for place in places], shape)
    cells, which, counts = np.unique(flat, return_inverse=True, return_counts=True)
    maps = np.full(shape, np.nan, np.float32)
    maps.flat[cells] = np.bincount(which, table.track_ssh.values[inside].astype(float)) / counts
    return maps
