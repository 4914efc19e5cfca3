"""Sea surface height of a simulated sea, to be interpolated from the observations of simulated satellites: data=ssh."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from dlgd.core.options import from_keywords
from dlgd.problems.ssh.data.options import MapOptions
from dlgd.problems.ssh.data.sea_splits import SeaSplits
from dlgd.problems.ssh.data.source import SSHSource
from dlgd.problems.ssh.data.tiny import TinySSH
from dlgd.problems.ssh.days import check_splits


@dataclass(frozen=True, kw_only=True)
class SSHOptions(SeaSplits, MapOptions):
    """The sea with its splits, and what all data sets of sea surface height share."""


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
        super().check()
        check_splits(self.options.split_days, self.options.name, reach=self.options.reach, days=self.options.days)

    def _splits(self, time: np.ndarray) -> dict[str, slice]:
        return self.options.split_days

    def _record(self) -> xr.Dataset:
        """The sea, which is simulated once and kept in the cache, with observations."""
        sea = self.options.kept_sea(self.options.name)
        return self.options.observing.observe(sea)

    def tiny(self) -> TinySSH:
        """Random waves take the place of the simulated sea."""
        return TinySSH(self.options, land=False)
