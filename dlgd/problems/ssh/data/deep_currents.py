"""The currents of the lower layer of a simulated sea, to be inferred from the height of its surface:
data=deep_currents.

The question of Manucharyan, Siegelman and Klein (2021, J. Adv. Model. Earth Syst. 13, e2019MS001965). Samples have

    ssh (day, lat, lon)             m: maps of the surface, those of the samples' days and of some before and after
    psi_lower (sample, lat, lon)    m2/s: the streamfunction of the lower layer; u = -d psi / dy, v = d psi / dx

with coordinates day, time (sample), lat and lon in degrees. The square is periodic: what lies beyond one of its sides
is the other side. A user's own file has the same variables, or ssh (time, lat, lon) of consecutive days, of which those
with a whole window around them become samples; psi_lower may lack. Its maps are taken for periodic, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from dlgd.core import cache
from dlgd.core.constants import DAYS_PER_YEAR, SPLITS
from dlgd.core.contract import Batch, DataSource, Method, Scaling, Spec, Stream
from dlgd.core.errors import Refusal
from dlgd.core.options import from_keywords
from dlgd.core.paths import cache_folder
from dlgd.core.specs import FIRST_GUESS, SURFACE
from dlgd.problems.ssh.data import deep_files, map_samples, other_grids
from dlgd.problems.ssh.data.deep_files import TRUTH
from dlgd.problems.ssh.data.deep_options import DeepOptions
from dlgd.problems.ssh.data.periodic_windows import PeriodicStream, PeriodicWindows, places, resampled
from dlgd.problems.ssh.data.region import GRID_KM, cell_km
from dlgd.problems.ssh.data.simulated_sea import simulate
from dlgd.problems.ssh.methods.optimal_interpolation import OptimalInterpolation

FURTHER_OPTIONS: dict[str, Any] = {  # of the interpolation: those of baseline=oi_tuned
    "covariance": "gaussian", "lengths_in": "degrees", "std": None, "reach": 2.5, "most": 2000, "averaged": 2,
    "precision": "float32", "device": "cpu", "tune": False,
}  # fmt: skip
MAX_BATCH_ELEMENTS = 4_000_000  # numbers, about, in the input of a batch


@from_keywords(DeepOptions)
class DeepCurrents(DataSource):
    """See conf/data/deep_currents.yaml, and `DeepOptions`."""

    of_the_input = ("days", "network_cells")

    def __init__(self, options: DeepOptions) -> None:
        self.options = options
        self._samples: dict[str, xr.Dataset] = {}
        self._statistics: dict[str, float] = {}
        self._method: Method | None = None  # of the first guesses, once it has learned
        self._latest: tuple[xr.Dataset, np.ndarray] | None = None  # samples and their first guesses

    @property
    def spec(self) -> Spec:
        """Fields: the streamfunction below, from maps of the surface."""
        options = self.options
        days = tuple(f"ssh_{day:+d}" for day in range(-options.half, options.half + 1))
        guess = () if options.method is None else (FIRST_GUESS,)
        return Spec(
            name=options.name,
            kind="field",
            input_channels=(*days, *guess),
            groups=((SURFACE, len(days)), *((name, 1) for name in guess)),
            output_channels=(TRUTH,),
            grid=(options.points, options.points),
            units="m2/s",
            scaling=Scaling(std=self._statistics["target_std"]) if self._statistics else Scaling(),
        )

    @property
    def inputs(self) -> Sequence[str]:
        """Maps of all days near those of the samples, with the dates of both."""
        return ("ssh", "day", "time")

    def check(self) -> None:
        """Refuse options that cannot work, in one sentence each."""
        self.options.check()

    # --- samples -------------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Make or find the sea and, where they are seen, its interpolated maps."""
        if self._samples:
            return
        self.check()
        sea = self._sea()
        if self.options.seen == "interpolated":
            sea = sea.assign(ssh=(sea.ssh.dims, self._interpolated(sea), map_samples.TRUTH_ATTRS))
        days = self.options.split_days
        self._samples = {split: deep_files.cut(sea, days[split], self.options) for split in SPLITS}
        if not self._statistics:
            train = self._samples["train"]
            stds = {
                "ssh_std": train.ssh.values,
                "std": train[TRUTH].values,
                "target_std": train[TRUTH].values - self._first_guess(train),
            }
            of_grid = other_grids.statistics(sea.lat.values, sea.lon.values)
            self._statistics = {name: float(maps.std(dtype=float)) for name, maps in stds.items()} | of_grid

    def _sea(self) -> xr.Dataset:
        """Both layers, ssh and psi_lower (time, lat, lon), which are simulated once and kept in the cache."""
        return self.options.kept_sea(self.options.name, lower=True)

    def _interpolated(self, sea: xr.Dataset) -> np.ndarray:
        """Maps of all days (time, lat, lon), m, float32, made once of observations of the true surface."""
        options = self.options
        key = {
            "sea": dict(options.sea), "satellites": options.observing.names, "noise_std": options.noise_std,
            "seed": options.seed, "interpolation": dict(options.interpolation), "format": 1,
        }  # fmt: skip
        folder = cache.folder_for(cache_folder(), f"{options.name}.interpolated", key)
        with cache.lock(folder):
            return cache.get(folder / "maps.nc", lambda: self._interpolate(sea)).ssh.values

    def _interpolate(self, sea: xr.Dataset) -> xr.Dataset:
        observed = self.options.observing.observe(sea.drop_vars(TRUTH))
        whole = np.ones(sea.ssh.shape[1:], dtype=bool)
        samples = map_samples.cut(observed, slice(0, sea.sizes["time"]), 0, whole)
        std = float(sea.ssh.values.std(dtype=float))
        options: dict[str, Any] = FURTHER_OPTIONS | dict(self.options.interpolation)
        method = OptimalInterpolation(**options)
        maps = method.predict(samples.assign_attrs(name=self.options.name, mean=0.0, std=std))
        return xr.Dataset({"ssh": (sea.ssh.dims, maps.astype(np.float32))})

    def checksum(self) -> str:
        """A digest of all splits."""
        return "-".join(cache.digest(self.samples(split))[:12] for split in SPLITS)

    @property
    def statistics(self) -> dict[str, float]:
        """The standard deviations of the training split: of the maps seen, m; of psi, and of what networks are to add
        to first guesses, m2/s. Their means are 0."""
        return dict(self._statistics)

    def use_statistics(self, statistics: Mapping[str, float]) -> None:
        """Scale as at training time."""
        if not {"ssh_std", "std", "target_std"} <= set(statistics):
            name = self.options.name
            raise Refusal(f"the network was not trained on data={name}: type the data that it was trained with")
        self._statistics = dict(statistics)

    def samples(self, split: str) -> xr.Dataset:
        """The split's samples, the same object each time."""
        self.prepare()
        return self._samples[split]

    def read(self, path: Path) -> xr.Dataset:
        """A user's own samples, or a record; see the head of this module."""
        return deep_files.read(path, self.options)

    # --- tensors -------------------------------------------------------------------------------------------------

    def encode(self, samples: xr.Dataset, *, halo: int, device: torch.device | str) -> Iterator[Batch]:
        """Whole maps, with the other side of the square in their halo. Without truth, the mask is False."""
        if other_grids.differs(samples, self._statistics):
            here, there = cell_km(samples.lat.values, samples.lon.values), self._statistics[GRID_KM]
            raise Refusal(
                f"the maps have cells of {here:.3g} km and the network was trained on cells of {there:.3g} km: give "
                "maps with such cells"
            )
        windows = self._windows(samples, halo, device)
        together = max(1, MAX_BATCH_ELEMENTS // ((self.options.points + 2 * halo) ** 2 * self.options.days))
        for some in torch.arange(samples.sizes["sample"], device=device).split(together):
            yield windows.batch(some)

    def stream(self, *, halo: int, batch_size: int, seed: int, device: torch.device | str) -> Stream:
        """Whole maps of random training days."""
        return PeriodicStream(self._windows(self.samples("train"), halo, device), batch_size=batch_size, seed=seed)

    def _windows(self, samples: xr.Dataset, halo: int, device: torch.device | str) -> PeriodicWindows:
        def scaled(maps: np.ndarray, std: str) -> Tensor:
            maps = resampled(np.asarray(maps / self._statistics[std], np.float32), self.options.points)
            return torch.from_numpy(maps).to(device)

        guess = self._first_guess(samples)
        return PeriodicWindows(
            scaled(samples.ssh.values, "ssh_std"),
            scaled(samples[TRUTH].values - guess, "target_std") if TRUTH in samples else None,
            None if self.options.method is None else scaled(guess, "std"),
            centres=torch.from_numpy(places(samples)).to(device),
            days=self.options.days,
            halo=halo,
        )

    def _first_guess(self, samples: xr.Dataset) -> np.ndarray:
        """(sample, lat, lon), m2/s, or 0 without a method; those of the latest samples are kept."""
        if self.options.method is None:
            return np.zeros(())
        if self._method is None:
            self._method = self.options.method
            self._method.fit(self.samples("train"))
        if self._latest is None or self._latest[0] is not samples:
            self._latest = samples, self._method.predict(samples)
        return self._latest[1]

    def to_physical(self, prediction: Tensor, samples: xr.Dataset | None) -> np.ndarray:
        """(sample, 1, y, x) -> (sample, lat, lon) m2/s, float64. The mean over the square is 0, as that of any
        streamfunction here: currents do not depend on it."""
        psi = self._statistics["target_std"] * prediction[:, 0].detach().cpu().double().numpy()
        if samples is not None:
            psi = resampled(psi, samples.sizes["lat"]) + self._first_guess(samples)
        return psi - psi.mean((1, 2), keepdims=True)

    def tiny(self) -> TinyDeepCurrents:
        """A few months of a coarse sea, on its way to turbulence."""
        return TinyDeepCurrents(self.options)


class TinyDeepCurrents(DeepCurrents):
    """A sea of 32 x 32 points, simulated and observed anew each time.

    options: those of the data set that it stands for.
    """

    def __init__(self, options: DeepOptions) -> None:
        counts = {"train": 60, "valid": 12, "test": 24}
        years = (sum(counts.values()) + 3 * options.days) / DAYS_PER_YEAR
        small = {"years": years, "days_of_spinup": 10, "cells": 32, "seed": options.seed}
        splits = counts | {"gap": options.days, "skipped": 0}
        sea = {**options.sea, **small}
        super().__init__(**vars(replace(options, sea=sea, splits=splits, network_cells=16)))

    def _sea(self) -> xr.Dataset:
        return simulate(self.options.simulation, lower=True)

    def _interpolated(self, sea: xr.Dataset) -> np.ndarray:
        return self._interpolate(sea).ssh.values

    def tiny(self) -> TinyDeepCurrents:
        """Returns itself."""
        return self
