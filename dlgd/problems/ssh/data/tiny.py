"""A small sea of smooth random waves without any physics. It is ready at once: tests and `tiny` start from it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import xarray as xr

from dlgd.problems.ssh.data.map_samples import SST_ATTRS, TRUTH_ATTRS
from dlgd.problems.ssh.data.options import MapOptions
from dlgd.problems.ssh.data.source import SSHSource
from dlgd.problems.ssh.days import consecutive

STD, MEAN = 0.3, 0.1  # m
LENGTHS = (8.0, 4.0, 4.0)  # days and cells: standard deviations of the Gaussian that smooths white noise


def random_sea(*, days: int, shape: tuple[int, int], land: bool, seed: int) -> xr.Dataset:
    """Return a record without observations on cells of a quarter of a degree; `land` adds an island."""
    from scipy.ndimage import gaussian_filter

    white = np.random.default_rng(seed).standard_normal((days, *shape))
    smooth = gaussian_filter(white, LENGTHS, mode="wrap")
    ssh = (MEAN + STD * smooth / smooth.std()).astype(np.float32)
    if land:
        ssh[:, shape[0] // 3 : shape[0] // 2, shape[1] // 4 : shape[1] // 2] = np.nan
    coordinates = {
        "time": np.datetime64("2012-10-01T12", "ns") + np.arange(days) * np.timedelta64(1, "D"),
        "lat": 33.0 + 0.25 * np.arange(shape[0]),
        "lon": -65.0 + 0.25 * np.arange(shape[1]),
    }
    return xr.Dataset({"ssh": (("time", "lat", "lon"), ssh, TRUTH_ATTRS)}, coordinates)


def temperatures(record: xr.Dataset, seed: int) -> xr.DataArray:
    """sst (time, lat, lon), degC: warmer where the sea is higher, with other waves; half of the cells are hidden."""
    days, *shape = record.ssh.shape
    other, cloud = (
        random_sea(days=days, shape=(shape[0], shape[1]), land=False, seed=seed + more).ssh.values - MEAN
        for more in (1, 2)
    )
    warm = 18 + 10 * (record.ssh.values - MEAN) + 2 * other
    return xr.DataArray(np.where(cloud > 0, warm, np.nan).astype(np.float32), dims=record.ssh.dims, attrs=SST_ATTRS)


class TinySSH(SSHSource):
    """A random sea of 40 x 48 cells, observed by simulated satellites.

    options: those of the data set that it stands for. Patches are smaller, and first guesses need no method.
    land: whether the sea has an island.
    """

    counts = {"train": 60, "valid": 12, "test": 24}

    def __init__(self, options: MapOptions, *, land: bool) -> None:
        patch = None if options.patch is None else min(options.patch, 16)
        first_guess = {**options.first_guess, "method": None}  # the same channels
        super().__init__(replace(options, patch=patch, first_guess=first_guess))
        self.land = land

    @property
    def shape(self) -> tuple[int, int]:
        """Small and not square, so that tests notice axes that are exchanged."""
        return 40, 48

    def _record(self) -> xr.Dataset:
        days = self._splits(np.empty(0))["test"].stop
        record = random_sea(days=days, shape=self.shape, land=self.land, seed=self.options.seed)
        observed = self.options.observing.observe(record)
        return observed.assign(sst=temperatures(record, self.options.seed)) if self.options.sees_sst else observed

    def _splits(self, time: np.ndarray) -> dict[str, slice]:
        return consecutive(self.counts, gap=self.options.reach)

    def tiny(self) -> TinySSH:
        """Returns itself."""
        return self
