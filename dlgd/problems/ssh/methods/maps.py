"""Maps without any covariance: the mean, the last observation, and observations joined linearly in time.

The latter two use the daily maps of observations, cell by cell. A cell without any observation gets the value of the
nearest cell (in degrees, on the same day) that has one, above its background; where no cell has one, the background.
Land is NaN.
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import xarray as xr

from dlgd.core.contract import Method
from dlgd.problems.ssh.methods.sea_points import background_of, days_of, refuse_other_data, same_grid, sea_of


class MeanMap(Method):
    """Each day's map is the mean over the training split: each cell's own, or that of all where a cell has no truth and
    on another grid than that of training. It is the background where that is all that is known."""

    name = "mean"
    learns = True

    def __init__(self) -> None:
        self._mean: xr.DataArray | None = None
        self._overall = 0.0  # m, of all cells

    def fit(self, train: xr.Dataset) -> None:
        """Compute the mean over the days."""
        refuse_other_data(train, "mean_map")
        self._overall = float(train.attrs["mean"])
        if "ssh" in train:
            self._mean = train.ssh.mean("sample").transpose("lat", "lon").astype(np.float64).fillna(self._overall)
        else:
            self._mean = xr.zeros_like(train.sea, np.float64).transpose("lat", "lon") + background_of(train)

    def predict(self, samples: xr.Dataset) -> np.ndarray:
        """(sample, lat, lon), m."""
        if self._mean is None:
            raise ValueError("mean answers only after fit")
        refuse_other_data(samples, "mean_map")
        of_cells = self._mean.values if same_grid(self._mean, samples) else self._overall
        return np.repeat(np.where(sea_of(samples), of_cells, np.nan)[None], samples.sizes["sample"], axis=0)


class Joined(Method):
    """A method that joins, cell by cell, the observations before and after a day."""

    choice: str  # as typed in baseline=...

    def fit(self, train: xr.Dataset) -> None:
        """Nothing to learn."""

    def predict(self, samples: xr.Dataset) -> np.ndarray:
        """(sample, lat, lon), m."""
        refuse_other_data(samples, self.choice)
        maps = samples.observations.transpose("day", "lat", "lon").sortby("day")
        days, times = days_of(maps.day), days_of(samples.time)
        background, otherwise = 0.0, samples.attrs["mean"]
        if "background" in samples:
            background, otherwise = background_of(samples), 0.0
            maps = maps - background
        answer = np.empty((len(times), maps.sizes["lat"], maps.sizes["lon"]))
        for row in range(maps.sizes["lat"]):  # one by one, to save memory
            answer[:, row] = self._join(days, maps[:, row].values.astype(np.float64), times)
        sea, lat, lon = sea_of(samples), maps.lat.values, maps.lon.values
        for one in answer:
            one[:] = np.where(sea, background + nearest(one, lat, lon, otherwise), np.nan)
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
    """Linear in time between the last observation of each cell before the day and the first one after it; constant
    before the first and after the last of all."""

    choice, name = "linear_maps", "linear in time"

    def _join(self, days: np.ndarray, maps: np.ndarray, times: np.ndarray) -> np.ndarray:
        earlier, before = _before(days, maps, times)
        later, after = _before(-days[::-1], maps[::-1], -times)  # the same with time reversed
        interval = -later - earlier
        with np.errstate(invalid="ignore", divide="ignore"):
            weight = np.where(interval > 0, (times[:, None] - earlier) / interval, 0.0)
        between = (1 - weight) * before + weight * after
        return np.where(np.isnan(before), after, np.where(np.isnan(after), before, between))


def _before(days: np.ndarray, maps: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Day and value of each cell's latest observation at or before the times, (time, cell); NaN where there is none."""
    numbers = np.where(np.isfinite(maps), np.arange(1, len(days) + 1)[:, None], 0)
    latest = np.concatenate((np.zeros((1, maps.shape[1]), dtype=int), np.maximum.accumulate(numbers)))
    chosen = latest[np.searchsorted(days, times, side="right")]
    padded = np.concatenate((np.full((1, maps.shape[1]), np.nan), maps))  # number 0: none
    return np.concatenate(([np.nan], days))[chosen], np.take_along_axis(padded, chosen, axis=0)


def nearest(field: np.ndarray, lat: np.ndarray, lon: np.ndarray, otherwise: float) -> np.ndarray:
    """Replace each NaN of a map (lat, lon) by the value of the nearest cell; by `otherwise` where all are NaN."""
    from scipy.ndimage import distance_transform_edt

    empty = np.isnan(field)
    if empty.all():
        return np.full_like(field, float(otherwise))
    spacing = [abs(axis[1] - axis[0]) if len(axis) > 1 else 1.0 for axis in (lat, lon)]
    places = distance_transform_edt(empty, sampling=spacing, return_distances=False, return_indices=True)
    rows, columns = np.asarray(places)
    return field[rows, columns]
