"""Sea surface height of a simulated sea, to be interpolated from the observations of simulated satellites: data=ssh."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import xarray as xr

from dlgd.core import cache, checks
from dlgd.core.constants import SPLITS
from dlgd.core.errors import Refusal
from dlgd.core.options import from_keywords
from dlgd.core.paths import cache_folder
from dlgd.problems.ssh.data.options import MapOptions
from dlgd.problems.ssh.data.simulated_sea import SeaOptions, simulate
from dlgd.problems.ssh.data.simulated_sst import SSTOptions
from dlgd.problems.ssh.data.source import SSHSource
from dlgd.problems.ssh.data.tiny import TinySSH
from dlgd.problems.ssh.days import check_splits, consecutive

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class SSHOptions(MapOptions):
    """sea: the options of the simulation, see `SeaOptions`.
    splits: days of train, valid and test, which follow one another, of the gap between each two, and of those skipped
        at the beginning.
    """

    sea: Mapping[str, Any]
    splits: Mapping[str, int]

    @property
    def temperature(self) -> SSTOptions:
        """Of the surface. Refusal of an option that does not exist."""
        return SSTOptions.of(self.sst)

    @property
    def simulation(self) -> SeaOptions:
        """The options of the simulation. Refusal of one that does not exist."""
        known = [field.name for field in fields(SeaOptions)]
        for name in self.sea:
            if name not in known:
                raise Refusal(f"data.sea.{name} is unknown: {checks.among(name, known)}")
        return SeaOptions(**self.sea)


@from_keywords(SSHOptions)
class SSH(SSHSource):
    """See conf/data/ssh.yaml, and `SSHOptions`."""

    options: SSHOptions

    def __init__(self, options: SSHOptions) -> None:
        super().__init__(options)
        self.splits = {"skipped": 0} | dict(options.splits)  # which older run folders do not give

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx): the sea is a square."""
        cells = self.options.simulation.cells
        return cells, cells

    def check(self) -> None:
        """Refuse options that cannot work, in one sentence each."""
        sea = self.options.simulation
        sea.check()
        if set(self.splits) != {*SPLITS, "gap", "skipped"}:
            raise Refusal(
                f"data.splits must give the days of {', '.join(SPLITS)}, of the gap between them, and of those "
                "skipped before them"
            )
        for split, count in self.splits.items():
            least = 0 if split == "skipped" else 1
            checks.whole_number(f"data.splits.{split}", count, least=least)
        needed = self._consecutive()["test"].stop
        if needed > sea.days:
            raise Refusal(f"data.splits need {needed} days, but data.sea.years={sea.years} are {sea.days}")
        self.options.observing.check()
        self.options.temperature.check()
        super().check()
        check_splits(self._consecutive(), self.options.name, reach=self.options.reach, days=self.options.days)

    def _consecutive(self) -> dict[str, slice]:
        return consecutive(self.splits, gap=self.splits["gap"], first=self.splits["skipped"])

    def _splits(self, time: np.ndarray) -> dict[str, slice]:
        return self._consecutive()

    def _record(self) -> xr.Dataset:
        """The sea, which is simulated once and kept in the cache, with observations."""
        name, options, sst = self.options.name, self.options.simulation, self.options.temperature

        def make() -> xr.Dataset:
            log.info("data=%s: simulating %g years of a sea, which takes minutes, once", name, options.years)
            return simulate(options, sst if sst.seen else None)

        # keyed by the options as they were typed: defaults that a new version adds make no new sea
        key = {"sea": dict(self.options.sea), "format": 1} | ({"sst": sst.simulated} if sst.seen else {})
        folder = cache.folder_for(cache_folder(), name, key)
        with cache.lock(folder):
            sea = cache.get(folder / "sea.nc", make)
        del sea.attrs["digest"]  # of the file, not of what is observed
        observed = self.options.observing.observe(sea)
        return sst.observe(observed, self.options.seed) if sst.seen else observed

    def tiny(self) -> TinySSH:
        """Random waves take the place of the simulated sea."""
        return TinySSH(self.options, land=False)
