"""Maps from observations along tracks alone, where no map is known: data=ssh_tracks observations=... box=..."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
import xarray as xr

from dlgd.core import checks
from dlgd.core.constants import SPLITS
from dlgd.core.contract import Batch, Stream
from dlgd.core.errors import Refusal
from dlgd.core.options import from_keywords, make_from
from dlgd.problems.ssh.data import fixed_maps, map_axes, map_files, map_names, map_samples, sst, track_files
from dlgd.problems.ssh.data.observing import cell_means
from dlgd.problems.ssh.data.options import MapOptions
from dlgd.problems.ssh.data.other_grids import ALIKE
from dlgd.problems.ssh.data.region import GRID_KM, Region
from dlgd.problems.ssh.data.source import SSHSource
from dlgd.problems.ssh.data.tiny import TinySSH
from dlgd.problems.ssh.data.usable_files import usable

log = logging.getLogger(__name__)

NAMES = ("lat", "lon", "time", "observations", "background", "land")
MEAN = "mean"
ALIKE_M = 1e-6  # m: heights that vary less are equal but for rounding
BACKGROUND_ATTRS = {"units": "m", "long_name": "background, from which heights are counted"}


@dataclass(frozen=True, kw_only=True)
class SSHTracksOptions(MapOptions):
    """Options besides days, predict, coordinates, first_guess, margin and tile, which networks must have been trained
    with:

    observations: files of points along tracks: a file, a folder, a pattern such as "tracks/*.nc", or a list of these.
        Needed unless `input` gives them.
    box: [west, east, south, north] in degrees: where maps are wanted, its borders included.
    step: between two cells of the maps, degrees of longitude and of latitude.
    period: [first day, last day] of the maps; None: all days of the files.
    held_out: a satellite by its name, or a file: its observations are in no map, and maps are scored along them.
    around: degrees around the box from which observations are used, too.
    land: a file with a mask, or with heights that are known at sea alone, so that it says what is land; "none": there
        is no land; None: by the package global-land-mask.
    background: from which heights are counted, so that a method or a network maps anomalies, which have a mean of 0:
        "mean" of the observations of the period, smoothed; a file with a mean sea surface or mean dynamic topography,
        above the same level as the observations; None: one number, the mean of all observations.
    background_km: the standard deviation of the Gaussian weights by which the mean is smoothed, km.
    names: the names of lat, lon, time, observations (or a sum such as sla_unfiltered+mdt-lwe), and of the background
        and the land in their files; None for a name that is recognized.
    time_units: of files whose times have none, such as "days since 2012-10-01".
    """

    observations: str | Sequence[str] | None
    box: Sequence[float] | None
    step: float
    period: Sequence[Any] | None
    around: float
    land: str | None
    background: str | None
    background_km: float
    names: Mapping[str, Any]
    time_units: str | None
    # of training and of simulated satellites, which there are none of
    patch: None = field(default=None, init=False)
    resample_observations: bool = field(default=False, init=False)
    regrid: bool = field(default=False, init=False)
    dropped: float = field(default=0.0, init=False)
    satellites: str = field(default="four_nadirs", init=False)
    noise_std: float = field(default=0.02, init=False)
    swath_errors: Mapping[str, float] = field(
        default_factory=lambda: {"roll": 0.0, "baseline": 0.0, "length_km": 1000.0}, init=False
    )
    seed: int = field(default=0, init=False)

    @property
    def region(self) -> Region:
        """The cells of the maps. Refusal of a box or step that makes none."""
        return Region.of(self.box, self.step)

    def check(self) -> None:
        """Refuse options that cannot work, in one sentence each."""
        super().check()
        checks.number("step", self.step, above=0, hint="it is the distance of two cells in degrees")
        if self.box is not None:  # without it, nothing can be read, but a run can be described
            _ = self.region
        map_axes.check_units(self.time_units)
        map_axes.period(self.period, "period")
        checks.number("data.around", self.around, least=0)
        checks.number("data.background_km", self.background_km, above=0)
        for name in self.names:
            checks.choice("data.names", name, NAMES)
        for option, path, words in (
            ("land", self.land, (None, fixed_maps.EVERYWHERE)),
            ("background", self.background, (None, MEAN)),
        ):
            if path not in words and not checks.path(f"data.{option}", path).is_file():
                raise Refusal(f"data.{option}={path} is no file: type the path of one, {words[1]} or null")


@from_keywords(SSHTracksOptions)
class SSHTracks(SSHSource):
    """See conf/data/ssh_tracks.yaml, and `SSHTracksOptions`. All splits are the days of the period: what learns from
    them, as tuned interpolation does, leaves some of the observations out to learn from the others."""

    options: SSHTracksOptions

    @property
    def shape(self) -> tuple[int, ...]:
        """(ny, nx); empty where no box was typed."""
        return () if self.options.box is None else self.options.region.shape

    @property
    def truth(self) -> Sequence[str]:
        """No map is known; tracks that are held out take its place."""
        return ()

    def _check_patch(self) -> None:
        """There is no training."""

    def prepare(self) -> None:
        """Read the observations. Refusal where there are none."""
        if not self._samples:
            self.check()
            self._samples = self._cut(self._record())

    def read(self, path: Path) -> xr.Dataset:
        """Samples of the observations in a file, a folder or the files of a pattern; the options say of which days and
        cells. Methods learn from them where the option `observations` names no others."""
        found = self._cut(self._record_of(map_files.files("input", str(path))))
        if self.options.observations is None:
            self._samples = found
        return found["test"]

    def _record(self) -> xr.Dataset:
        if self.options.observations is None:
            name = self.options.name
            raise Refusal(f"data={name} needs files along tracks: type observations=<file, folder or pattern>")
        return self._record_of(map_files.files("observations", self.options.observations))

    def _splits(self, time: np.ndarray) -> dict[str, slice]:
        """All of them are the days of the period."""
        return dict.fromkeys(SPLITS, slice(self.options.margin, len(time) - self.options.margin))

    def _cut(self, record: xr.Dataset) -> dict[str, xr.Dataset]:
        splits, record = self._splits(record.time.values), sst.added(record, self.options)
        return dict.fromkeys(SPLITS, map_samples.cut(record, splits["test"], self.options.margin, record.sea.values))

    def use_statistics(self, statistics: Mapping[str, float]) -> None:
        """Scale as at training time. Refusal where the network has learned from cells of another width."""
        super().use_statistics(statistics)
        options, region = self.options, self.options.region
        trained = self._statistics.get(GRID_KM)
        if trained is None:
            log.warning(
                "this run does not say how wide the cells of its training were: step=%g may not fit", options.step
            )
        elif not 1 / ALIKE < region.cell_km / trained < ALIKE:
            raise Refusal(
                f"the network was trained on cells of {trained:.3g} km, but those of step={options.step:g} are "
                f"{region.cell_km:.3g} km wide here: type step={region.step_of(trained):.2g}"
            )

    def encode(self, samples: xr.Dataset, *, halo: int, device: torch.device | str) -> Iterator[Batch]:
        """As of the data sets that networks are trained on. Refusal where no trained network has given a scaling."""
        if not self._statistics:
            self._refuse_training()
        return super().encode(samples, halo=halo, device=device)

    def stream(self, *, halo: int, batch_size: int, seed: int, device: torch.device | str) -> Stream:
        """Refused: there is nothing to train on."""
        self._refuse_training()

    def _refuse_training(self) -> NoReturn:
        name = self.options.name
        raise Refusal(
            f"data={name} has no maps to train on: train on data=ssh or data=ssh_netcdf, then type predict run="
        )

    def tiny(self) -> TinySSH:
        """Random waves around an island, observed by simulated satellites."""
        return TinySSH(make_from(MapOptions, self.options, held_out=None), land=True)

    # --- the record ----------------------------------------------------------------------------------------------

    def _record_of(self, paths: list[Path]) -> xr.Dataset:
        """The observations of files, without ssh; `margin` days before and after the period are part of it."""
        options, region = self.options, self.options.region
        wide = region.wider(options.around)
        here, near = wide.cells_of(region), fixed_maps.sea(wide, options.land, options.names)
        sea = near[here]
        if not sea.any():
            raise Refusal(f"box={checks.as_typed(options.box)} has no sea in it: type another box, or data.land=none")
        paths = self._with_held_out(paths)
        paths, period = self._days(paths)
        days = np.arange(period[0] - options.margin, period[1] + options.margin + 1)
        reference = xr.Dataset({"sea": (("lat", "lon"), near)}, map_files.coordinates(days, wide.lat, wide.lon))
        table = self._table(paths, reference, wide, period)
        hidden = table.held_out.values
        heights = table.track_ssh.values.astype(float)
        mean = float(heights[~hidden].mean())
        record = xr.Dataset({"sea": (("lat", "lon"), sea)}, map_files.coordinates(days, region.lat, region.lon))
        maps = cell_means(table.isel(point=np.flatnonzero(~hidden)), record)
        record["observations"] = ("time", "lat", "lon"), np.where(sea, maps, np.nan), map_samples.OBSERVATION_ATTRS
        level = self._background(wide, table.isel(point=np.flatnonzero(~hidden)))
        if level is not None:
            table["track_background"] = "point", fixed_maps.at_points(level, wide, table)
            record["background"] = ("lat", "lon"), level[here], BACKGROUND_ATTRS
            heights = heights - table.track_background.values
            self._compare(heights[~hidden], mean)
        std = float(heights[~hidden].std())
        if not std > ALIKE_M:
            raise Refusal(f"the observations in {paths[0]} are all the same height: choose others, or data.names")
        if options.held_out is None:
            table = table.drop_vars("held_out")
        attributes = {"name": options.name, "noise_std": options.noise_std, "mean": mean, "std": std}
        return record.assign(table.data_vars).assign_attrs(attributes)

    def _with_held_out(self, paths: list[Path]) -> list[Path]:
        """The files with the one that is held out, if a file is. Refusal where it is the only one."""
        if self.options.held_out is None:
            return paths
        held = Path(self.options.held_out).expanduser()
        if held.is_file() and held.resolve() not in {path.resolve() for path in paths}:
            paths = [*paths, held]
        if len(paths) == 1:
            raise Refusal(f"held_out={held} leaves nothing to make maps of: give the files of another satellite, too")
        return paths

    def _days(self, paths: Sequence[Path]) -> tuple[list[Path], tuple[np.datetime64, np.datetime64]]:
        """The files that have days, and the first and last day of the maps. Refusal where none is in the period."""

        def look(path: Path) -> np.ndarray:
            with map_names.opened(path) as dataset:
                name = map_names.find(dataset, "time", self.options.names.get("time"), path)
                stamps = map_axes.times(dataset, name, self.options.time_units, path, some_missing=True)
            return stamps[~np.isnat(stamps)].astype("datetime64[D]")

        of_files = usable(paths, look, needed=lambda path: str(path) == self.options.held_out)
        found = of_files.values()
        first, last = min(days.min() for days in found), max(days.max() for days in found)
        wanted = (first, last) if self.options.period is None else map_axes.period(self.options.period, "period")
        if not any(((days >= wanted[0]) & (days <= wanted[1])).any() for days in found):
            raise Refusal(
                f"period=[{wanted[0]},{wanted[1]}] has no observation: the files have days from {first} to {last}"
            )
        return list(of_files), wanted

    def _table(
        self, paths: list[Path], reference: xr.Dataset, wide: Region, period: tuple[np.datetime64, np.datetime64]
    ) -> xr.Dataset:
        """The points in the wider box, those on lakes left out. Refusal where none is of the period."""
        options = self.options
        held = "" if options.held_out is None else f" besides those of held_out={options.held_out}"
        nothing = f"no observation{held} lies in box={checks.as_typed(options.box)} from {period[0]} to {period[1]}"
        question = ": is it [west,east,south,north]?"
        try:
            table = track_files.table(
                paths,
                variable=options.names.get("observations"),
                names=options.names,
                time_units=options.time_units,
                held_out=options.held_out,
                reference=reference,
                editing=options.edited,
            )
        except track_files.NothingThere as error:
            raise Refusal(nothing + (error.left_out or question)) from error
        near_sea = fixed_maps.at_points(reference.sea.values.astype(float), wide, table)
        table = table.isel(point=np.flatnonzero(near_sea > 0))
        day = table.track_time.values.astype("datetime64[D]")
        if not (~table.held_out.values & (day >= period[0]) & (day <= period[1])).any():
            raise Refusal(nothing + question)
        return table

    def _background(self, wide: Region, used: xr.Dataset) -> np.ndarray | None:
        """The background on the cells of the wider box, (lat, lon) m; None where one number takes its place."""
        options = self.options
        if options.background is None:
            return None
        if options.background == MEAN:
            ssh, lat, lon = (used[f"track_{name}"].values.astype(float) for name in ("ssh", "lat", "lon"))
            return fixed_maps.mean_of(ssh, lat, lon, wide, options.background_km)
        return fixed_maps.background_in(Path(options.background).expanduser(), wide, options.names)

    def _compare(self, anomalies: np.ndarray, mean: float) -> None:
        """Warn where the background may be another quantity than the observations."""
        if abs(anomalies.mean()) > 2 * anomalies.std() + 0.05:
            log.warning(
                "observations lie %.3g m above the background on average, and vary by %.3g m about it (their own mean "
                "is %.3g m): are both the same height above the same level?", anomalies.mean(), anomalies.std(), mean,
            )  # fmt: skip
