"""Optimal interpolation of sea surface height in space and time: the classical method of altimetry.

`oi_posterior` has the equations, `covariances` the covariances, and `oi_tiles` the choice of observations.
"""

from __future__ import annotations

import functools
import itertools
import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr

from dlgd.core import cache, checks
from dlgd.core.constants import KM_PER_DEGREE
from dlgd.core.contract import Method
from dlgd.core.errors import Refusal
from dlgd.core.paths import cache_folder
from dlgd.core.progress import line_timer
from dlgd.core.timing import timed
from dlgd.problems.ssh.methods import swath_errors as swaths
from dlgd.problems.ssh.methods.covariances import COVARIANCES
from dlgd.problems.ssh.methods.oi_posterior import Grid, Prior, Selection, posterior
from dlgd.problems.ssh.methods.oi_search import NOTHING_TO_TUNE, left_out, search
from dlgd.problems.ssh.methods.sea_points import (
    Points,
    background_of,
    days_of,
    points_of,
    refuse_other_data,
    sea_of,
    with_background,
)
from dlgd.problems.ssh.scores.tracks import track_of
from dlgd.training.device import check_method_device

log = logging.getLogger(__name__)

UNITS = ("degrees", "km")
MEAN = "mean"
PRECISIONS = {"float64": torch.float64, "float32": torch.float32}
STRETCHES, DAYS = 4, 5  # of training days, by which parameters are tuned
EXPECTED = 24  # maps with expected errors: enough for a figure of them
LEAST_NOISE = 0.01  # over std: tuning tries no smaller noise


class OptimalInterpolation(Method):
    """Answers with the posterior mean of each day's map, from the points along tracks if there is a table of them,
    else from the daily maps of observations. The background is removed first and added at the end: see `sea_points`.

    covariance: gaussian, matern12, matern32 or matern52, see `covariances`.
    lengths_in: "degrees" of longitude for Lx and of latitude for Ly; or "km", where Lx holds at the middle latitude.
    Lx, Ly: correlation lengths west-east and south-north.
    Lt: correlation time, days.
    noise: standard deviation of the errors of the observations, after they are averaged, m.
    std: standard deviation of the sea, m; None: that of the training split, which expected errors need. Maps depend on
        noise / std alone.
    reach: a tile of the map uses observations within so many correlation lengths and times.
    most: observations that a tile uses at most, the nearest; time grows with their cube.
    averaged: neighbouring points of a track that become one observation, see `superobservations`; 1: none.
    precision: float64, or float32, which is twice as fast and may fail where noise is small.
    device: cpu or cuda.
    background: "mean": anomalies are counted from each cell's mean over the training split, on its grid, where samples
        have no background of their own; None: from the mean of all.
    swath_errors: errors that the lines of a swath share, see `swath_errors.SwathErrors`: those with which they were
        "simulated"; standard deviations at the edge of the swath, m, of any of constant, linear, quadratic, left and
        right, with their length_km along the track; or None: errors are white noise.
    tune: whether to tune Lx and Ly (by a common factor), Lt and noise. It starts from the values of these options and
        minimizes the RMSE against the truth on 20 days spread over the training split. Three numbers are too few to
        adapt much to these days. Where there is no truth, it leaves the observations of a satellite out of each four
        days, of the next one out of the next four, and minimizes the RMSE along them; with one satellite, every fourth
        of its passes is left out.
    """

    def __init__(
        self,
        *,
        covariance: str,
        lengths_in: str,
        Lx: float,
        Ly: float,
        Lt: float,
        noise: float,
        std: float | None,
        reach: float,
        most: int,
        averaged: int,
        precision: str,
        device: str,
        tune: bool,
        background: str | None = None,  # as in older runs
        swath_errors: str | Mapping[str, Any] | None = None,
    ) -> None:
        for name, value, known in (
            ("covariance", covariance, COVARIANCES),
            ("lengths_in", lengths_in, UNITS),
            ("precision", precision, tuple(PRECISIONS)),
        ):
            checks.choice(f"baseline.{name}", value, known)
        for name, value in {"Lx": Lx, "Ly": Ly, "Lt": Lt, "noise": noise, "reach": reach}.items():
            checks.number(f"baseline.{name}", value, above=0)
        checks.number("baseline.std", std, above=0, null=True)
        checks.whole_number("baseline.most", most, least=1)
        checks.whole_number("baseline.averaged", averaged, least=1)
        if background is not None:
            checks.choice("baseline.background", background, (MEAN,))
        swaths.option(swath_errors)
        check_method_device(device)
        self.name, self.tune, self.background = ("OI, tuned" if tune else "OI"), tune, background
        self.learns = tune or background is not None
        self.covariance, self.std, self.averaged = covariance, std, averaged
        self.swath_errors = swath_errors
        self.parameters, self.lengths_in = (Lx, Ly, Lt, noise), lengths_in
        self._options = {  # on which tuned parameters depend
            "start": [float(one) for one in self.parameters], "covariance": covariance, "lengths_in": lengths_in,
            "std": std, "reach": reach, "most": most, "averaged": averaged, "precision": precision,
            "swath_errors": dict(swath_errors) if isinstance(swath_errors, Mapping) else swath_errors,
        }  # fmt: skip
        self._posterior = functools.partial(
            posterior, selection=Selection(reach, most), precision=PRECISIONS[precision], device=device
        )
        self._train: xr.Dataset | None = None
        self._mean: xr.DataArray | None = None  # (lat, lon), of the training split
        self._std: float | None = None  # about it, m
        self._latest: tuple[xr.Dataset, np.ndarray] | None = None  # samples and their `error_maps`

    def fit(self, train: xr.Dataset) -> None:
        """Keep the training split: parameters are tuned when the first maps are asked for."""
        refuse_other_data(train, "oi")
        self._mean = train.ssh.mean("sample") if self.background is not None and "ssh" in train else None
        self._std = None if self._mean is None else float((train.ssh - self._mean).std())
        self._train = self._anomalous(train)

    def predict(self, samples: xr.Dataset) -> np.ndarray:
        """(sample, lat, lon), m, float64, NaN on land."""
        swaths.warn_of_none(self.swath_errors, samples)
        samples = self._anomalous(samples)
        prior = self.prior(samples)
        title = f"{self.name}: groups of the {samples.sizes['sample']} maps"
        maps, seconds = timed(
            lambda: self._posterior(prior, points_of(samples, self.averaged), _grid_of(samples), title=title)
        )
        self.seconds_per_sample = seconds / samples.sizes["sample"]  # without the tuning
        return background_of(samples) + maps[0]

    def error_std(self, samples: xr.Dataset) -> np.ndarray | None:
        """(sample, lat, lon), m: the standard deviation of the field given the observations.

        It takes several times as long as the map: some samples, evenly spread, have it, and the others NaN. None where
        `std` was typed: maps depend on its ratio to the noise alone, so that it need not be the sea's.
        """
        if self.std is not None:
            return None
        if self._latest is not None and self._latest[0] is samples:
            return self._latest[1]
        some = np.unique(np.linspace(0, samples.sizes["sample"] - 1, EXPECTED).astype(int))
        answer = np.full(tuple(samples.sizes[name] for name in ("sample", "lat", "lon")), np.nan)
        answer[some] = self._error_maps(samples.isel(sample=some))
        return answer

    def error_maps(self, samples: xr.Dataset) -> np.ndarray:
        """The same as `error_std` for all samples, also where `std` was typed."""
        self._latest = (samples, self._error_maps(samples))
        usual = float(samples.attrs["std"])
        if self.std is not None and not 2 / 3 < self.std / usual < 3 / 2:
            log.warning(
                "%s: expected errors are those of a sea with a standard deviation of %.3g m: type baseline.std=null "
                "for that of the data, %.3g m", self.name, self.std, usual,
            )  # fmt: skip
        return self._latest[1]

    def _error_maps(self, samples: xr.Dataset) -> np.ndarray:
        samples = self._anomalous(samples)
        prior = self.prior(samples)
        title = f"{self.name}: expected errors, groups of the {samples.sizes['sample']} maps"
        points = points_of(samples, self.averaged)
        maps = self._posterior(prior, points, _grid_of(samples), with_variance=True, title=title)
        return np.sqrt(maps[1])

    def _anomalous(self, samples: xr.Dataset) -> xr.Dataset:
        """The samples, with the mean of the training split as their background if that is wanted and they have none."""
        if self._mean is None or self._std is None or "background" in samples:
            return samples
        return with_background(samples, self._mean, self._std)

    def prior(self, samples: xr.Dataset) -> Prior:
        """The assumptions about these samples, with tuned parameters where they are tuned."""
        refuse_other_data(samples, "oi")
        if self.tune and self._train is None:
            raise ValueError(f"{self.name} answers only after fit")
        return self._prior(self._tuned if self.tune else self.parameters, samples)

    def _prior(self, parameters: Sequence[float], samples: xr.Dataset) -> Prior:
        Lx, Ly, Lt, noise = parameters
        if self.lengths_in == "km":
            middle = np.deg2rad(float(samples.lat.min() + samples.lat.max()) / 2)
            Lx, Ly = Lx / (KM_PER_DEGREE * math.cos(middle)), Ly / KM_PER_DEGREE
        std = float(samples.attrs["std"]) if self.std is None else self.std
        return Prior(self.covariance, (Lt, Ly, Lx), noise, std, swaths.assumed(self.swath_errors, samples))

    @functools.cached_property
    def _tuned(self) -> tuple[float, ...]:
        """Lx, Ly, Lt and noise with the least error on some days of the training split, which are kept in the cache."""
        train = self._train
        assert train is not None, "fit comes first"
        own = {key: train.attrs[key] for key in ("mean", "std")}
        key = {"train": cache.digest(train), **own, "options": self._options, "version": 1}
        kept = cache.folder_for(cache_folder(), "oi-tuned", key) / "parameters.nc"
        known = kept.exists()
        found = cache.get(kept, lambda: xr.Dataset({"parameters": ("parameter", list(self._tune(train)))}))
        Lx, Ly, lt, amplitude = found.parameters.values.tolist()
        if known:
            log.info(
                "OI: Lx %.3g, Ly %.3g %s, Lt %.3g days, noise %.3g m, which were tuned on these training days before",
                Lx, Ly, self.lengths_in, lt, amplitude,
            )  # fmt: skip
        return Lx, Ly, lt, amplitude

    def _tune(self, train: xr.Dataset) -> tuple[float, ...]:
        """Search for them."""
        last = max(0, train.sizes["sample"] - DAYS)
        starts = np.unique(np.linspace(0, last, STRETCHES).astype(int))
        stretches = [train.isel(sample=slice(start, start + DAYS)).load() for start in starts]
        if "ssh" not in train:
            stretches = [left_out(stretch, turn) for turn, stretch in enumerate(stretches)]
        points = [points_of(stretch, self.averaged) for stretch in stretches]
        (Lx, Ly, Lt, noise), tried, is_time = self.parameters, itertools.count(1), line_timer()

        def cost(parameters: Sequence[float]) -> float:
            factor, lt, amplitude = parameters
            prior = self._prior((factor * Lx, factor * Ly, lt, amplitude), train)
            if amplitude < LEAST_NOISE * prior.std:
                return math.inf
            rmse, number = self._rmse(prior, points, stretches), next(tried)
            if is_time():
                log.info("OI: set %d of lengths and noise has an RMSE of %.4g m", number, rmse)
            return rmse

        where = f"on {STRETCHES * DAYS} training days" if "ssh" in train else "along observations that are left out"
        log.info("OI: tuning lengths and noise %s, which takes minutes", where)
        before = cost((1.0, Lt, noise))
        (factor, lt, amplitude), after = search(cost, (1.0, Lt, noise))
        log.info(
            "OI: Lx %.3g, Ly %.3g %s, Lt %.3g days, noise %.3g m; the RMSE of these days is %.4g m, and was %.4g m",
            factor * Lx, factor * Ly, self.lengths_in, lt, amplitude, after, before,
        )  # fmt: skip
        return factor * Lx, factor * Ly, lt, amplitude

    def _rmse(self, prior: Prior, points: Sequence[Points], stretches: Sequence[xr.Dataset]) -> float:
        """The RMSE of the stretches of days against the truth, wherever it is known, or along what was left out."""
        squares = []
        for own, stretch in zip(points, stretches, strict=True):
            maps = background_of(stretch) + self._posterior(prior, own, _grid_of(stretch))[0]
            if "ssh" in stretch:
                error = maps - stretch.ssh.transpose("sample", "lat", "lon").values
            else:
                track = track_of(stretch, maps)
                error = track.mapped - track.observed
            squares.append(error[np.isfinite(error)] ** 2)
        if sum(map(len, squares)) == 0:
            raise Refusal(NOTHING_TO_TUNE)
        return float(np.sqrt(np.concatenate(squares).mean()))


def _grid_of(samples: xr.Dataset) -> Grid:
    lat, lon = (samples[name].values.astype(np.float64) for name in ("lat", "lon"))
    return Grid(days_of(samples.time), lat, lon, sea_of(samples))
