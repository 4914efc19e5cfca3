"""Maps of the sea without any covariance: the mean, what was seen last, and what was seen joined in time.

They look at the daily maps of observations, cell by cell. A cell without an observation to use gets the value of the
nearest cell that has one (in degrees, the day's own), and the training split's mean where no cell has one. Land is NaN.
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import xarray as xr

from dlgd.core.contract import Method
from dlgd.problems.ssh.methods.sea_points import days_of, refuse_other_data, sea_of


class MeanMap(Method):
    """The mean of each cell over the training split, every day; of a cell without any truth, the mean of all."""

    name = "mean"
    learns = True

    def __init__(self) -> None:
        self._mean: np.ndarray | None = None

    def fit(self, train: xr.Dataset) -> None:
        """Mean over the days."""
        refuse_other_data(train, "mean_map")
        mean = train.ssh.mean("sample").transpose("lat", "lon").astype(np.float64)
        self._mean = mean.fillna(float(train.attrs["mean"])).values

    def predict(self, samples: xr.Dataset) -> np.ndarray:
        """(sample, lat, lon), m."""
        if self._mean is None:
            raise ValueError("mean answers only after fit")
        refuse_other_data(samples, "mean_map")
        return np.repeat(np.where(sea_of(samples), self._mean, np.nan)[None], samples.sizes["sample"], axis=0)


class Joined(Method):
    """What is made of each cell's last observation before and first observation after a day."""

    choice: str  # as typed in baseline=...

    def fit(self, train: xr.Dataset) -> None:
        """Nothing to learn."""

    def predict(self, samples: xr.Dataset) -> np.ndarray:
        """(sample, lat, lon), m."""
        refuse_other_data(samples, self.choice)
        maps = samples.observations.transpose("day", "lat", "lon").sortby("day")
        days, times = days_of(maps.day), days_of(samples.time)
        answer = np.empty((len(times), maps.sizes["lat"], maps.sizes["lon"]))
        for row in range(maps.sizes["lat"]):  # little memory
            answer[:, row] = self._join(days, maps[:, row].values.astype(np.float64), times)
        sea, lat, lon = sea_of(samples), maps.lat.values, maps.lon.values
        for one in answer:
            one[:] = np.where(sea, nearest(one, lat, lon, samples.attrs["mean"]), np.nan)
        return answer

    @abstractmethod
    def _join(self, days: np.ndarray, maps: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Maps (day, cell) -> (time, cell), NaN where no observation can be used."""


class LastMap(Joined):
    """Persistence: the latest observation of each cell, of the day itself or before it."""

    choice, name = "last_map", "last map"

    def _join(self, days: np.ndarray, maps: np.ndarray, times: np.ndarray) -> np.ndarray:
        return _before(days, maps, times)[1]


class LinearMaps(Joined):
    """Linear in time between the two observations of each cell that enclose the day; constant before the first and
    after the last."""

    choice, name = "linear_maps", "linear in time"

    def _join(self, days: np.ndarray, maps: np.ndarray, times: np.ndarray) -> np.ndarray:
        earlier, before = _before(days, maps, times)
        later, after = _before(-days[::-1], maps[::-1], -times)  # the same, seen from the future
        interval = -later - earlier
        with np.errstate(invalid="ignore", divide="ignore"):
            weight = np.where(interval > 0, (times[:, None] - earlier) / interval, 0.0)
        between = (1 - weight) * before + weight * after
        return np.where(np.isnan(before), after, np.where(np.isnan(after), before, between))


def _before(days: np.ndarray, maps: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Day and value of the latest observation of each cell at or before the times, (time, cell), NaN where none."""
    numbers = np.where(np.isfinite(maps), np.arange(1, len(days) + 1)[:, None], 0)
    latest = np.concatenate((np.zeros((1, maps.shape[1]), dtype=int), np.maximum.accumulate(numbers)))
    chosen = latest[np.searchsorted(days, times, side="right")]
    padded = np.concatenate((np.full((1, maps.shape[1]), np.nan), maps))  # number 0: none
    return np.concatenate(([np.nan], days))[chosen], np.take_along_axis(padded, chosen, axis=0)


def nearest(field: np.ndarray, lat: np.ndarray, lon: np.ndarray, otherwise: float) -> np.ndarray:
    """A map (lat, lon) whose NaN have become the value of the nearest cell; or a constant, where all are NaN."""
    from scipy.ndimage import distance_transform_edt

    empty = np.isnan(field)
    if empty.all():
        return np.full_like(field, float(otherwise))
    spacing = [abs(axis[1] - axis[0]) if len(axis) > 1 else 1.0 for axis in (lat, lon)]
    places = distance_transform_edt(empty, sampling=spacing, return_distances=False, return_indices=True)
    rows, columns = np.asarray(places)
    return field[rows, columns]
