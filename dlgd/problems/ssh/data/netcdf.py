"""Sea surface height from your own NetCDF files: data=ssh_netcdf path=... target=... observations=..."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from dlgd.core import checks
from dlgd.core.constants import SPLITS
from dlgd.core.errors import Refusal
from dlgd.core.options import from_keywords
from dlgd.problems.ssh.data import map_axes, map_files, map_names, own_files, sst, track_files, usable_files
from dlgd.problems.ssh.data.map_axes import Box
from dlgd.problems.ssh.data.map_files import Reading
from dlgd.problems.ssh.data.map_samples import OBSERVATION_ATTRS
from dlgd.problems.ssh.data.observing import cell_means
from dlgd.problems.ssh.data.options import MapOptions
from dlgd.problems.ssh.data.source import SSHSource
from dlgd.problems.ssh.data.tiny import TinySSH
from dlgd.problems.ssh.days import consecutive

log = logging.getLogger(__name__)

NAMES = ("lat", "lon", "time", "observations")
SIMULATED = "simulated"


@dataclass(frozen=True, kw_only=True)
class SSHNetCDFOptions(MapOptions):
    """Options besides those of all data sets of maps:

    path: the files of the reference, which are maps that are known on most days but on land: a file, a folder, a
        pattern such as "maps/*.nc", or a list of these. Needed for all but predictions.
    target: the name of the heights in them, or a sum such as sla+mdt; None: it is recognized.
    observations: the name of gridded observations in the same files; or other files, with maps on the same grid or with
        points along tracks, which are averaged over cells and days; or "simulated", by the satellites. None takes
        observations that are recognized in the files, and simulates them where there are none.
    names: the names of lat, lon and time, and, in files of their own, of observations (or a sum such as
        sla_unfiltered+mdt-lwe); None for a name that is recognized.
    time_units: of files whose times have none, such as "days since 2012-10-01".
    box: [south, north, west, east] in degrees: the part of the maps that is used; None: all.
    period: [first day, last day] that are used; None: all.
    splits: train, valid and test as shares of the days, each above 0 and together at most 1, one split after the other
        with `gap` days between (None: as many as the windows need); or [first day, last day] of each.
    """

    path: str | Sequence[str] | None
    target: str | None
    observations: str | Sequence[str] | None
    names: Mapping[str, Any]
    time_units: str | None
    box: Sequence[float] | None
    period: Sequence[Any] | None
    splits: Mapping[str, Any]

    def check(self) -> None:
        """Refuse options that cannot work, in one sentence each."""
        super().check()
        unknown = [key for key in self.names if key not in NAMES]
        if unknown:
            raise Refusal(f"data.names.{unknown[0]} is unknown: names can be given to {', '.join(NAMES)}")
        for option, value in {
            **{f"names.{key}": one for key, one in self.names.items()},
            "target": self.target,
        }.items():
            if value is not None:
                checks.of_kind(f"data.{option}", value, str)
        map_axes.check_units(self.time_units)
        Box.of(self.box)
        map_axes.period(self.period)
        if set(self.splits) != {*SPLITS, "gap"}:
            raise Refusal(f"data.splits must give {', '.join(SPLITS)}, and the days of the gap between them (or null)")
        gap = self.splits["gap"]
        checks.whole_number("data.splits.gap", gap, least=0, null=True, hint="null is for as many days as needed")
        if self.dates is None:
            self._check_shares()

    @property
    def dates(self) -> dict[str, tuple[np.datetime64, np.datetime64]] | None:
        """The first and last day of each split; None where data.splits gives shares."""
        if not any(isinstance(self.splits[split], list | tuple) for split in SPLITS):
            return None
        return {split: map_axes.period(self.splits[split], f"data.splits.{split}") for split in SPLITS}

    def _check_shares(self) -> None:
        for split in SPLITS:
            share = self.splits[split]
            checks.number(f"data.splits.{split}", share, above=0, below=1, hint="or give [first day, last day]")
        if sum(self.splits[split] for split in SPLITS) > 1 + 1e-9:
            raise Refusal("data.splits.train, valid and test are shares of the days: they must not sum to more than 1")


@from_keywords(SSHNetCDFOptions)
class SSHNetCDF(SSHSource):
    """See conf/data/ssh_netcdf.yaml, and `SSHNetCDFOptions`."""

    options: SSHNetCDFOptions

    @property
    def shape(self) -> tuple[int, ...]:
        """(ny, nx) of the reference; empty before its files are read."""
        return self._samples["train"].sea.shape if self._samples else ()

    def check(self) -> None:
        """Refuse options that cannot work. Only `prepare` looks at the files, which predictions do not need."""
        super().check()
        observing = self.options.observing
        if self.options.observations not in (None, SIMULATED):  # it is the name of a satellite in the files
            observing = replace(observing, held_out=None)
        observing.check()

    def _splits(self, time: np.ndarray) -> dict[str, slice]:
        """The days of each split, from dates, or from shares of the days that the gaps leave."""
        days = time.astype("datetime64[D]")
        if self.options.dates is not None:
            return {split: self._between(days, split, *dates) for split, dates in self.options.dates.items()}
        gap = self.options.reach if self.options.splits["gap"] is None else self.options.splits["gap"]
        left = len(days) - 2 * gap
        ends = np.rint(np.cumsum([0, *(self.options.splits[split] for split in SPLITS)]) * max(left, 0)).astype(int)
        counts: dict[str, int] = dict(zip(SPLITS, np.diff(ends).tolist(), strict=True))
        if min(counts.values()) < 1:
            raise Refusal(
                f"{len(days)} days less two gaps of {gap} are too few for three splits: choose a smaller data.margin "
                "or data.days, or more files"
            )
        return consecutive(counts, gap=gap)

    def _between(self, days: np.ndarray, split: str, first: np.datetime64, last: np.datetime64) -> slice:
        start, stop = int((first - days[0]).astype(int)), int((last - days[0]).astype(int)) + 1
        if start < 0 or stop > len(days):
            raise Refusal(
                f"data.splits.{split}=[{first},{last}] is not within the days {days[0]} to {days[-1]} of the files"
            )
        return slice(start, stop)

    # --- the record ----------------------------------------------------------------------------------------------

    def _observed(self) -> xr.Dataset:
        """The reference with observations of it."""
        if self.options.path is None:
            raise Refusal(f"data={self.options.name} needs files: type path=<file, folder or pattern of the reference>")
        options = self.options
        reading = Reading(options.names, options.time_units, Box.of(options.box), map_axes.period(options.period))
        paths = map_files.files("path", self.options.path)
        reference = map_files.reference(paths, target=self.options.target, reading=reading)
        variable, observed = self._observations(paths)
        if not observed:
            log.info("data=%s: simulated satellites observe %s", self.options.name, reference.attrs["title"])
            return self.options.observing.observe(reference)
        if usable_files.first(observed, lambda path: track_files.along_track(path, options.names)):
            record = self._from_tracks(observed, reference)
        elif self.options.held_out is not None:
            raise Refusal(
                f"data.held_out={self.options.held_out} needs observations along tracks, and these are maps: type "
                "data.held_out=null"
            )
        else:
            maps = map_files.gridded(
                observed, variable=variable, reference=reference, reading=reading, editing=options.edited
            )
            record = reference.assign(observations=(("time", "lat", "lon"), maps, OBSERVATION_ATTRS))
        self._compare(record)
        return record

    def _record(self) -> xr.Dataset:
        """The reference with observations of it, and with temperatures where there are files of them."""
        return sst.added(self._observed(), self.options)

    def _observations(self, paths: Sequence[Path]) -> tuple[str | None, list[Path]]:
        """The name of gridded observations, where it is known, and their files; no files where they are simulated."""
        with map_names.opened(paths[0]) as dataset:
            names, known = {str(name) for name in dataset.variables}, map_names.recognized(dataset, "observations")
        if self.options.observations is None:
            return known, list(paths) if known is not None else []
        if self.options.observations == SIMULATED:
            return None, []
        if isinstance(self.options.observations, str) and self.options.observations in names:
            return self.options.observations, list(paths)
        try:
            return self.options.names.get("observations"), map_files.files("observations", self.options.observations)
        except Refusal as error:
            raise Refusal(f"{error}, and it is no variable of {paths[0]}: {', '.join(sorted(names))}") from error

    def _from_tracks(self, paths: Sequence[Path], reference: xr.Dataset) -> xr.Dataset:
        """The reference with points along tracks, and with their means over cells and days."""
        table = track_files.table(
            paths,
            variable=self.options.names.get("observations"),
            names=self.options.names,
            time_units=self.options.time_units,
            held_out=self.options.held_out,
            reference=reference,
            editing=self.options.edited,
        )
        maps = cell_means(table.isel(point=np.flatnonzero(~table.held_out.values)), reference)
        maps[:, ~np.isfinite(reference.ssh.values).any(axis=0)] = np.nan
        if not np.isfinite(maps).any():
            raise Refusal(f"{paths[0]} has no observation where the reference has sea: choose another data.box")
        return reference.assign({**table.data_vars, "observations": (("time", "lat", "lon"), maps, OBSERVATION_ATTRS)})

    def read(self, path: Path) -> xr.Dataset:
        """A file with maps of observations under the names of the training files, or other names in common use; the
        heights, which are the truth, may be missing. Or samples or a record, see `map_samples.py`. All of it is used,
        whatever box and period say.
        """
        options, typed = self.options, self.options.observations
        found = own_files.read(
            path,
            options.edited,
            names=options.names,
            time_units=options.time_units,
            observations=typed if isinstance(typed, str) else None,
            target=options.target,
        )
        if not self._statistics and options.path is not None:  # a classical method, for which mean and std are those
            self.prepare()  # of the training split
        return self._with_attributes(own_files.with_scaling(sst.added(found, self.options, own=path)))

    def _compare(self, record: xr.Dataset) -> None:
        """Warn where observations and reference differ so much that they may be different quantities, and of splits
        without observations."""
        difference = float(np.sqrt(np.nanmean((record.observations - record.ssh).values ** 2)))
        std = float(np.nanstd(record.ssh.values))
        if difference > std:
            log.warning(
                "observations differ from the reference by %.3g m, which itself varies by %.3g m: are both the same "
                "height in the same units?", difference, std,
            )  # fmt: skip
        observed = np.isfinite(record.observations.values).any(axis=(1, 2))
        for split, days in self._splits(record.time.values).items():
            if not observed[days].any():
                first, last = record.time.values[days][[0, -1]].astype("datetime64[D]")
                log.warning("no day of the %s split, %s to %s, has an observation", split, first, last)

    def tiny(self) -> TinySSH:
        """Random waves around an island, observed by simulated satellites."""
        return TinySSH(replace(self.options, held_out=None), land=True)
