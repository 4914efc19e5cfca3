"""Sea surface height of a simulated sea, to be interpolated from the observations of simulated satellites: data=ssh."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from dlgd.core.options import from_keywords
from dlgd.problems.ssh.data.options import MapOptions
from dlgd.problems.ssh.data.sea_splits import SeaSplits
from dlgd.problems.ssh.data.simulated_sst import SSTOptions
from dlgd.problems.ssh.data.source import SSHSource
from dlgd.problems.ssh.data.tiny import TinySSH
from dlgd.problems.ssh.days import check_splits


@dataclass(frozen=True, kw_only=True)
class SSHOptions(SeaSplits, MapOptions):
    """The sea with its splits, and what all data sets of sea surface height share."""

    @property
    def temperature(self) -> SSTOptions:
        """Of the surface. Refusal of an option that does not exist."""
        return SSTOptions.of(self.sst)


@from_keywords(SSHOptions)
class SSH(SSHSource):
    """See conf/data/ssh.yaml, and `SSHOptions`."""

    options: SSHOptions

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx): the sea is a square."""
        cells = self.options.simulation.cells
        return cells, cells

    def check(self) -> None:
        """Refuse options that cannot work, in one sentence each."""
        self.options.check_sea()
        self.options.observing.check()
        self.options.temperature.check()
        super().check()
        check_splits(self.options.split_days, self.options.name, reach=self.options.reach, days=self.options.days)

    def _splits(self, time: np.ndarray) -> dict[str, slice]:
        return self.options.split_days

    def _record(self) -> xr.Dataset:
        """The sea, which is simulated once and kept in the cache, with observations."""
        options = self.options
        sst = options.temperature
        observed = options.observing.observe(options.kept_sea(options.name, sst=sst if sst.seen else None))
        return sst.observe(observed, options.seed) if sst.seen else observed

    def tiny(self) -> TinySSH:
        """Random waves take the place of the simulated sea."""
        return TinySSH(self.options, land=False)
