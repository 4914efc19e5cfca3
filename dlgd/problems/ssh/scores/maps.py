"""Maps of sea surface height as they are scored: the truth and a prediction, checked, within a box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from dlgd.core import checks
from dlgd.core.errors import Refusal

if TYPE_CHECKING:
    import xarray as xr

DIMS = ("sample", "lat", "lon")
Box = tuple[float, float, float, float]  # south, north, west, east, in degrees


@dataclass(frozen=True)
class Maps:
    """Truth and prediction (day, lat, lon), m, float64; both are NaN on land, and in the holes of a day's truth, as
    under ice or clouds; else finite."""

    time: np.ndarray  # (day,) datetime64
    lat: np.ndarray  # degrees, ascending, like longitudes
    lon: np.ndarray
    truth: np.ndarray
    predicted: np.ndarray

    @property
    def error(self) -> np.ndarray:
        """Prediction minus truth, m, NaN where the truth is not known."""
        return self.predicted - self.truth

    @property
    def sea(self) -> np.ndarray:
        """Whether a cell is sea, bool (lat, lon): whether its truth is known on some day."""
        return np.asarray(np.isfinite(self.truth).any(axis=0))

    def on(self, days: slice) -> Maps:
        """The maps of some days."""
        return replace(self, time=self.time[days], truth=self.truth[days], predicted=self.predicted[days])

    def within(self, box: Box | None) -> Maps:
        """The maps within a box, its borders included. Raises Refusal for a box without sea."""
        if box is None:
            return self
        south, north, west, east = box
        rows = (self.lat >= south) & (self.lat <= north)
        # longitudes may count from -180 or from 0, in the maps or in the box
        columns = (self.lon - west) % 360 <= east - west
        inside = (slice(None), *np.ix_(rows, columns))
        if not self.sea[inside[1:]].any():
            raise Refusal(
                f"The box {list(box)} (south, north, west, east) has no sea in it: the maps go from {self.lat[0]:g} to "
                f"{self.lat[-1]:g} degrees north and from {self.lon[0]:g} to {self.lon[-1]:g} degrees east."
            )
        return replace(
            self,
            lat=self.lat[rows],
            lon=self.lon[columns],
            truth=self.truth[inside],
            predicted=self.predicted[inside],
        )


def maps_of(samples: xr.Dataset, prediction: np.ndarray) -> Maps:
    """Truth and prediction of the samples, without the days whose truth is NaN everywhere.

    Raises Refusal for maps that cannot be scored: the prediction must be finite where the truth is known.
    """
    if samples.sizes["sample"] == 0:
        raise Refusal("There is no sample to score: the dimension `sample` is empty.")
    predicted = shaped(samples, prediction)
    truth = samples.ssh.transpose(*DIMS).values.astype(np.float64)
    known = np.isfinite(truth)
    days = known.any(axis=(1, 2))
    if not days.any():
        raise Refusal("There is no sea cell to score: the true ssh is NaN everywhere.")
    time = samples.time.values[days]
    truth, predicted, known = truth[days], predicted[days], known[days]
    bad = ~np.isfinite(predicted) & known
    if bad.any():
        first = _day(time[bad.any(axis=(1, 2)).argmax()])
        raise Refusal(f"The prediction is not finite at sea in {bad.sum()} values, first on {first}.")
    predicted[~known] = np.nan
    return Maps(time, samples.lat.values, samples.lon.values, truth, predicted)


def known_days(samples: xr.Dataset) -> np.ndarray:
    """Bool (sample,): the days whose truth is known somewhere, which are those of `maps_of`."""
    return np.isfinite(samples.ssh).any(("lat", "lon")).values


def shaped(samples: xr.Dataset, prediction: np.ndarray) -> np.ndarray:
    """A copy of a prediction in float64. Raises Refusal unless it is (sample, lat, lon)."""
    expected = tuple(samples.sizes[name] for name in DIMS)
    if np.shape(prediction) != expected:
        raise Refusal(f"The prediction has shape {np.shape(prediction)} where (sample, lat, lon) = {expected}.")
    return np.array(prediction, np.float64)


def observed_on(samples: xr.Dataset, name: str = "observations") -> np.ndarray:
    """The observations, or another field of days, of each sample's day, (sample, lat, lon), NaN where there are none.

    Days of the calendar are compared, because the time of maps may be noon, and that of observations midnight.
    """
    observations = samples[name].transpose("day", "lat", "lon")
    number = {day: index for index, day in enumerate(observations.day.values.astype("datetime64[D]"))}
    found = np.full(tuple(samples.sizes[name] for name in DIMS), np.nan, np.float32)
    for index, day in enumerate(samples.time.values.astype("datetime64[D]")):
        if day in number:
            found[index] = observations[number[day]].values
    return found


def box_of(option: str, limits: Sequence[float] | None) -> Box | None:
    """The box that was typed. Refusal unless its four numbers make one."""
    if limits is None:
        return None
    numbers = isinstance(limits, Sequence) and all(checks.fits(limit, float) for limit in limits)
    if (
        not numbers
        or len(limits) != 4
        or not (-90 <= limits[0] < limits[1] <= 90 and limits[2] < limits[3] <= limits[2] + 360)
    ):
        raise Refusal(
            f"evaluation.scores.{option}={limits} must be null or [south, north, west, east] in degrees, such as "
            "[33,43,-65,-55]"
        )
    south, north, west, east = map(float, limits)
    return south, north, west, east


def _day(time: np.datetime64) -> str:
    return str(np.datetime_as_string(time, "D"))
