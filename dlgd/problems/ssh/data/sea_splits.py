"""A simulated sea and its splits, as the options of a data set: what data=ssh and data=deep_currents share."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import xarray as xr

from dlgd.core import cache, checks
from dlgd.core.constants import SPLITS
from dlgd.core.errors import Refusal
from dlgd.core.options import of_group
from dlgd.core.paths import cache_folder
from dlgd.problems.ssh.data.simulated_sea import SeaOptions, simulate
from dlgd.problems.ssh.data.simulated_sst import SSTOptions
from dlgd.problems.ssh.days import consecutive

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class SeaSplits:
    """sea: the options of the simulation, see `SeaOptions`.
    splits: days of train, valid and test, which follow one another, of the gap between each two, and of those skipped
        at the beginning.
    """

    sea: Mapping[str, Any]
    splits: Mapping[str, int]

    @property
    def simulation(self) -> SeaOptions:
        """The options of the simulation. Refusal of one that does not exist."""
        return of_group(SeaOptions, "data.sea", self.sea)

    @property
    def split_days(self) -> dict[str, slice]:
        """The days of each split."""
        splits = self._splits
        return consecutive(splits, gap=splits["gap"], first=splits["skipped"])

    @property
    def _splits(self) -> dict[str, int]:
        return {"skipped": 0} | dict(self.splits)  # which older run folders do not give

    def kept_sea(self, name: str, *, lower: bool = False, sst: SSTOptions | None = None) -> xr.Dataset:
        """The sea of `simulate`, which is simulated once and kept in the cache.

        name: of the data set. lower: whether there is the lower layer, too. sst: of its temperature, if there is one.
        """
        options = self.simulation

        def make() -> xr.Dataset:
            log.info("data=%s: simulating %g years of a sea, which takes minutes, once", name, options.years)
            return simulate(options, lower=lower, sst=sst)

        # keyed by the options as they were typed: defaults that a new version adds make no new sea
        key = {"sea": dict(self.sea), "format": 1} | ({} if sst is None else {"sst": sst.simulated})
        folder = cache.folder_for(cache_folder(), name, key)
        with cache.lock(folder):
            sea = cache.get(folder / "sea.nc", make)
        del sea.attrs["digest"]  # of the file, not of what is observed
        return sea

    def check_sea(self, *, further: int = 0) -> None:
        """Refuse a sea that cannot be simulated, or splits that need more days than it has.

        further: days after the last split that are needed, too.
        """
        sea = self.simulation
        sea.check()
        if set(self._splits) != {*SPLITS, "gap", "skipped"}:
            raise Refusal(
                f"data.splits must give the days of {', '.join(SPLITS)}, of the gap between them, and of those "
                "skipped before them"
            )
        for split, count in self._splits.items():
            least = 0 if split == "skipped" else 1
            checks.whole_number(f"data.splits.{split}", count, least=least)
        needed = self.split_days["test"].stop + further
        if needed > sea.days:
            raise Refusal(f"data.splits need {needed} days, but data.sea.years={sea.years} are {sea.days}")
