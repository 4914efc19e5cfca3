"""Sea surface height of a simulated sea, to be interpolated from simulated satellites: data=ssh."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from dlgd.core import cache
from dlgd.core.constants import DAYS_PER_YEAR
from dlgd.core.contract import SPLITS
from dlgd.core.errors import Refusal
from dlgd.core.paths import cache_folder
from dlgd.problems.ssh.data.map_samples import consecutive
from dlgd.problems.ssh.data.observing import Observing
from dlgd.problems.ssh.data.simulated_sea import simulate
from dlgd.problems.ssh.data.source import SSHSource
from dlgd.problems.ssh.data.tiny import TinySSH

log = logging.getLogger(__name__)

WHOLE = ("days_of_spinup", "cells", "seed")  # options of the sea that are whole numbers


class SSH(SSHSource):
    """See conf/data/ssh.yaml for the options: `sea` are those of `simulated_sea.simulate`, satellites, noise_std,
    swath_errors, held_out and seed those of `observing.Observing`, the others those of `SSHSource`.

    splits: days of train, valid and test, which follow one another, of the gap between each two, and of those skipped
    at the beginning.
    """

    def __init__(
        self,
        *,
        name: str,
        sea: Mapping[str, float],
        splits: Mapping[str, int],
        satellites: str | Sequence[str],
        noise_std: float,
        swath_errors: Mapping[str, float],
        held_out: str | None,
        days: int,
        predict: str,
        patch: int | None,
        coordinates: bool,
        first_guess: Mapping[str, Any],
        resample_observations: bool,
        dropped: float,
        margin: int,
        tile: int | None,
        seed: int,
    ) -> None:
        super().__init__(
            name=name,
            days=days,
            predict=predict,
            patch=patch,
            coordinates=coordinates,
            first_guess=first_guess,
            resample_observations=resample_observations,
            dropped=dropped,
            margin=margin,
            noise_std=noise_std,
            tile=tile,
        )
        self.sea, self.splits = dict(sea), {"skipped": 0} | dict(splits)  # which runs of before do not give
        self.observing = Observing(
            satellites=satellites, noise_std=noise_std, swath_errors=swath_errors, held_out=held_out, seed=seed
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the square."""
        return self.sea["cells"], self.sea["cells"]

    def check(self) -> None:
        """Refuse options that cannot work."""
        for key in WHOLE:
            if not isinstance(self.sea.get(key), int) or self.sea[key] < 0:
                raise Refusal(f"data.sea.{key}={self.sea.get(key)} must be a whole number, zero or more")
        if "years" not in self.sea:
            raise Refusal("data.sea must say how many years to simulate, such as data.sea.years=3")
        if set(self.splits) != {*SPLITS, "gap", "skipped"}:
            raise Refusal(
                f"data.splits must give the days of {', '.join(SPLITS)}, of the gap between them, and of those "
                "skipped before them"
            )
        for split, count in self.splits.items():
            least = 0 if split == "skipped" else 1
            if count < least:
                raise Refusal(f"data.splits.{split}={count} must be at least {least}")
        needed, there = self._consecutive()["test"].stop, round(self.sea["years"] * DAYS_PER_YEAR)
        if needed > there:
            raise Refusal(f"data.splits need {needed} days, but data.sea.years={self.sea['years']} are {there}")
        self.observing.check()
        super().check()
        self._check_splits(self._consecutive())

    def _consecutive(self) -> dict[str, slice]:
        return consecutive(self.splits, gap=self.splits["gap"], first=self.splits["skipped"])

    def _splits(self, time: np.ndarray) -> dict[str, slice]:
        return self._consecutive()

    def _record(self) -> xr.Dataset:
        """Simulated once, and observed."""

        def make() -> xr.Dataset:
            log.info("data=%s: simulating %g years of a sea, which takes minutes, once", self.name, self.sea["years"])
            return simulate(**self.sea)

        folder = cache.folder_for(cache_folder(), self.name, {"sea": self.sea, "format": 1})
        with cache.lock(folder):
            sea = cache.get(folder / "sea.nc", make)
        del sea.attrs["digest"]  # of the file, not of what is observed
        return self.observing.observe(sea)

    def tiny(self) -> TinySSH:
        """Random waves in place of the simulated sea."""
        return TinySSH(self, observing=self.observing, land=False)
