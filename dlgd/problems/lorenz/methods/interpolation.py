"""Floors of assimilation: climatology, and observations interpolated in time without any equations."""

from __future__ import annotations

import numpy as np
import xarray as xr

from dlgd.core import checks
from dlgd.core.contract import Method
from dlgd.problems.lorenz.methods.windows import refuse_other_tasks

DEGREES = {"linear": 1, "cubic": 3}


class Climatology(Method):
    """Answers with the mean of each variable over the training split, always."""

    name = "climatology"
    learns = True

    def __init__(self) -> None:
        self._mean: np.ndarray | None = None

    def fit(self, train: xr.Dataset) -> None:
        """Learn the mean over all states."""
        refuse_other_tasks(train)
        self._mean = mean_of(train)

    def predict(self, samples: xr.Dataset) -> np.ndarray:
        """Return states (sample, time, variable)."""
        if self._mean is None:
            raise ValueError("climatology answers only after fit")
        return np.broadcast_to(self._mean, samples.observations.shape).copy()


class Interpolation(Method):
    """Interpolates the observations of each variable in time; it is constant before the first and after the last.

    kind: "linear", or "cubic" for the natural spline. A variable that is never observed in a window gets its mean over
    the training split.
    """

    learns = True

    def __init__(self, *, kind: str) -> None:
        checks.choice("baseline.kind", kind, DEGREES)
        self.kind, self.name = kind, f"{kind} in time"
        self._mean: np.ndarray | None = None

    def fit(self, train: xr.Dataset) -> None:
        """Learn the mean over all states, for variables that are never observed."""
        refuse_other_tasks(train)
        self._mean = mean_of(train)

    def predict(self, samples: xr.Dataset) -> np.ndarray:
        """Return states (sample, time, variable)."""
        if self._mean is None:
            raise ValueError(f"{self.name} answers only after fit")
        refuse_other_tasks(samples)
        return interpolated(samples.observations.values.astype(np.float64), self._mean, DEGREES[self.kind])


def mean_of(train: xr.Dataset) -> np.ndarray:
    """Return the mean of each variable, (variable,)."""
    return train.state.mean(("sample", "time")).values.astype(np.float64)


def interpolated(observations: np.ndarray, mean: np.ndarray, degree: int) -> np.ndarray:
    """Fill observations (sample, time, variable), NaN where there is none, by splines of degree 1 or 3.

    Series that are observed at the same steps are interpolated together.
    """
    samples, steps, variables = observations.shape
    series = observations.transpose(0, 2, 1).reshape(-1, steps)
    result = np.tile(mean, samples)[:, None].repeat(steps, axis=1)  # (series, time)
    patterns, numbers = np.unique(np.isfinite(series), axis=0, return_inverse=True)
    order = np.argsort(numbers, kind="stable")
    groups = np.split(order, np.cumsum(np.bincount(numbers, minlength=len(patterns)))[:-1])
    for pattern, rows in zip(patterns, groups, strict=True):
        (times,) = np.nonzero(pattern)
        if len(times) > 0:
            result[rows] = joined(times, series[np.ix_(rows, times)], steps, degree)
    return result.reshape(samples, variables, steps).transpose(0, 2, 1)


def joined(times: np.ndarray, values: np.ndarray, steps: int, degree: int) -> np.ndarray:
    """Return (series, steps) from values (series, len(times)) at some steps: natural splines, constant outside."""
    from scipy.interpolate import make_interp_spline

    inside = np.clip(np.arange(steps), times[0], times[-1])
    if len(times) == 1:
        return np.repeat(values, steps, axis=1)
    if len(times) == 2:  # their natural spline is a line
        degree = 1
    boundary = "natural" if degree == 3 else None
    return make_interp_spline(times, values, k=degree, bc_type=boundary, axis=1)(inside)
