"""What all data sets of sea surface height share: the way from a record of maps to samples, to tensors, and back.

The head of `map_samples.py` describes records and samples. Samples have the attributes name, noise_std (m, of one
observation), mean and std (m, of the training split's truth). Splits are cut by time, with gaps between them: a
training window and a sample of another split never use the same observation.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from dlgd.core import cache
from dlgd.core.constants import DAYS_PER_YEAR, KM_PER_DEGREE, SPLITS
from dlgd.core.contract import Batch, DataSource, Method, Scaling, Stream
from dlgd.core.errors import Refusal
from dlgd.core.specs import MapSpec
from dlgd.problems.ssh.data import first_guesses, graph, map_samples, other_grids, own_files, sst
from dlgd.problems.ssh.data.options import MapOptions
from dlgd.problems.ssh.data.region import GRID_KM
from dlgd.problems.ssh.data.stream import Lengths, Maps, MapStream, Windows, channel_groups, joined
from dlgd.problems.ssh.data.tiles import Tiles
from dlgd.problems.ssh.days import axis, check_splits, of_year, places
from dlgd.problems.ssh.seam import is_ring

KEPT = ("mean", "std", sst.MEAN, sst.STD, GRID_KM, other_grids.SOUTH, other_grids.NORTH)  # statistics of a training
MAX_BATCH_ELEMENTS = 4_000_000  # numbers, about, in the input of a batch of whole maps


class SSHSource(DataSource):
    """A data set of maps. A subclass makes or finds the record in `_record`, and says in `_splits` where it is cut."""

    of_the_input = ("days", "predict", "coordinates")

    def __init__(self, options: MapOptions) -> None:
        self.options = options
        self._samples: dict[str, xr.Dataset] = {}
        self._statistics: dict[str, float] = {}
        self._seen: tuple[xr.Dataset, xr.Dataset] | None = None  # samples, and what a network saw of them

    @abstractmethod
    def _record(self) -> xr.Dataset:
        """The record of the sea with its observations, made or found; the only long work."""

    @abstractmethod
    def _splits(self, time: np.ndarray) -> dict[str, slice]:
        """The days of each split, as slices of the record's days (time,)."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """(ny, nx) of the maps; empty before `prepare` where only the files tell it."""

    # --- what is known before any work ---------------------------------------------------------------------------

    @property
    def spec(self) -> MapSpec:
        """Maps that are to be interpolated."""
        options, known = self.options, self._statistics
        groups = channel_groups(options.days, sst=options.sees_sst, coordinates=options.coordinates)
        days = tuple(f"ssh_{day:+d}" for day in range(-options.half, options.half + 1))
        return MapSpec(
            name=options.name,
            input_channels=tuple(channel for channels in groups.values() for channel in channels),
            groups=tuple((group, len(channels)) for group, channels in groups.items()),
            output_channels=("ssh",) if options.predict == "centre" else days,
            grid=self.shape,
            units="m",
            scaling=Scaling(mean=known["mean"], std=known["std"]) if known else Scaling(),
            days=options.days,
        )

    @property
    def truth(self) -> Sequence[str]:
        """One variable has all days."""
        return ("ssh",)

    @property
    def inputs(self) -> Sequence[str]:
        """Observations of all days near those of the samples, with the dates of both."""
        return ("observations", *([sst.NAME] if self.options.sees_sst else []), "day", "time")

    def check(self) -> None:
        """Refuse options that cannot work, in one sentence each."""
        self.options.check()
        self._check_patch()

    def _check_patch(self) -> None:
        """Refuse a patch that is larger than the maps, where their size is known."""
        patch = self.options.patch
        if patch is not None and self.shape and patch > min(self.shape):
            ny, nx = self.shape
            raise Refusal(f"data.patch={patch} does not fit maps of {ny} x {nx} cells: choose at most {min(ny, nx)}")

    # --- samples -------------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Make or find the record and cut it into splits. Mean and standard deviation are those of the training split
        unless a checkpoint has given them."""
        if self._samples:
            return
        self.check()
        record = self._record()
        splits = self._splits(record.time.values)
        check_splits(splits, self.options.name, reach=self.options.reach, days=self.options.days)
        if not self._statistics:
            truth = record.ssh.values[splits["train"]]
            mean, std = (float(of(truth, dtype=float)) for of in (np.nanmean, np.nanstd))
            of_grid = other_grids.statistics(record.lat.values, record.lon.values)
            self._statistics = {"mean": mean, "std": std} | of_grid | sst.statistics(record, splits["train"])
        if not self._statistics["std"] > 0:
            raise Refusal(f"data={self.options.name}: the sea surface of the training split is flat or unknown")
        sea = np.isfinite(record.ssh.values).any(axis=0)
        cut = {split: map_samples.cut(record, splits[split], self.options.margin, sea) for split in SPLITS}
        self._samples = {split: self._with_attributes(samples) for split, samples in cut.items()}

    def _with_attributes(self, samples: xr.Dataset) -> xr.Dataset:
        scaling = {key: self._statistics[key] for key in ("mean", "std") if key in self._statistics}
        return samples.assign_attrs(name=self.options.name, noise_std=self.options.noise_std, **scaling)

    def checksum(self) -> str:
        """A digest of all splits."""
        return "-".join(cache.digest(self.samples(split))[:12] for split in SPLITS)

    @property
    def statistics(self) -> dict[str, float]:
        """The mean and standard deviation of the training split's truth, m, and the width of its cells."""
        return dict(self._statistics)

    def use_statistics(self, statistics: Mapping[str, float]) -> None:
        """Scale by the mean and standard deviation of the training split, as at training time."""
        if not {"mean", "std"} <= set(statistics):
            name = self.options.name
            raise Refusal(f"the network was not trained on data={name}: type the data that it was trained with")
        self._statistics = {key: statistics[key] for key in KEPT if key in statistics}

    def samples(self, split: str) -> xr.Dataset:
        """The split's samples, the same object each time; see `map_samples.py`."""
        self.prepare()
        return self._samples[split]

    def read(self, path: Path) -> xr.Dataset:
        """A user's own samples, or a record; see `map_samples.py`."""
        found = sst.added(own_files.read(path, self.options.edited), self.options, own=path)
        return self._with_attributes(own_files.with_scaling(found))

    # --- tensors -------------------------------------------------------------------------------------------------

    def encode(self, samples: xr.Dataset, *, halo: int, device: torch.device | str) -> Iterator[Batch]:
        """Whole maps, or all tiles of each map, in batches; days are found by their dates. Where the samples have no
        truth, the mask is False."""
        samples = self._as_trained(samples)
        days, tiles = axis(samples), self._tiles(samples)
        windows = self._windows(samples, self._maps(samples, days, device), tiles.sizes, halo)
        area = (tiles.sizes[0] + 2 * halo) * (tiles.sizes[1] + 2 * halo)
        together = max(1, MAX_BATCH_ELEMENTS // (area * len(self.spec.input_channels)))
        day = torch.from_numpy(places(samples.time.values, days)).to(device).repeat_interleave(len(tiles))
        top, left = tiles.corners.to(device).repeat(samples.sizes["sample"], 1).T
        for some in zip(day.split(together), top.split(together), left.split(together), strict=True):
            yield windows.batch(*some)

    def _as_trained(self, samples: xr.Dataset) -> xr.Dataset:
        """The samples as the network sees them: with data.regrid, on cells as wide as those of its training."""
        options = self.options
        if self._seen is None or self._seen[0] is not samples:
            other_grids.warn(samples, self._statistics, regrid=options.regrid, coordinates=options.coordinates)
            differ = options.regrid and other_grids.differs(samples, self._statistics)
            self._seen = samples, other_grids.as_trained(samples, self._statistics[GRID_KM]) if differ else samples
        return self._seen[1]

    def _tiles(self, samples: xr.Dataset) -> Tiles:
        """Tiles of data.tile cells; without that option, one tile as large as the map."""
        shape = samples.sea.shape
        tile = self.options.tile
        return Tiles(shape, size=max(shape) if tile is None else tile, overlap=(tile or 0) // 4)

    def stream(self, *, halo: int, batch_size: int, seed: int, device: torch.device | str) -> Stream:
        """Random patches of random days; their windows lie within the training split."""
        train, options = self.samples("train"), self.options
        self._check_patch()  # the grid is known now
        days = axis(train)
        # where a method makes first guesses, observations are resampled a few times, before the training
        again = options.resample_observations and self._method is None
        maps = self._maps(train, days, device)
        if again:
            maps = replace(maps, observations=maps.observations - maps.truth)
        first, last = places(train.time.values, days)[[0, -1]]
        half = options.half
        known = np.isfinite(train.ssh.values).any(axis=(1, 2))
        centres = np.arange(first + half, last + 1 - half)
        centres = centres[known[half : len(known) - half]]
        if len(centres) == 0:
            raise Refusal(f"data={options.name}: no day of the training split is known; choose a larger one")
        if options.resample_observations and not again:
            count = options.first_guess.get("observation_draws", 1)
            others = first_guesses.shifts(train.sizes["sample"], count)[1:]
            seen = [self._maps(first_guesses.observed_by_others(train, shift), days, device) for shift in others]
            maps, length = joined([maps, *seen]), len(days) + 1
            centres = np.concatenate([centres + number * length for number in range(count)])
        size = train.sea.shape if options.patch is None else (options.patch, options.patch)
        return MapStream(
            self._windows(train, maps, size, halo),
            centres=torch.from_numpy(centres).to(device),
            batch_size=batch_size,
            resample_observations=again,
            dropped=options.dropped,
            seed=seed,
        )

    def _windows(self, samples: xr.Dataset, maps: Maps, size: tuple[int, int], halo: int) -> Windows:
        return Windows(
            maps,
            days=self.options.days,
            size=size,
            halo=halo,
            lengths=self._lengths(samples),
            coordinates=self.options.coordinates,
            centre=self.options.predict == "centre",
            ring=is_ring(samples.lon.values),
        )

    def _lengths(self, samples: xr.Dataset) -> Lengths:
        """Lengths of the smoothing in cells. All cells count as wide as those in the middle of the map, so that the
        smoothing is separable."""
        lat, lon = samples.lat.values, samples.lon.values
        south_north = KM_PER_DEGREE * (lat[-1] - lat[0]) / (len(lat) - 1)
        west_east = KM_PER_DEGREE * np.cos(np.deg2rad(lat.mean())) * (lon[-1] - lon[0]) / (len(lon) - 1)
        km = self.options.first_guess["km"]
        return Lengths(y=km / south_north, x=km / west_east, days=self.options.first_guess["days"])

    def _maps(self, samples: xr.Dataset, days: np.ndarray, device: torch.device | str) -> Maps:
        """Scaled maps of the consecutive days `days`; NaN where the samples have nothing."""
        known = self._statistics
        level = torch.as_tensor(self._level(samples), dtype=torch.float32, device=device)

        def scaled(name: str, time: xr.DataArray, level: Tensor | float = level, std: float = known["std"]) -> Tensor:
            maps = torch.full((len(days), *samples.sea.shape), torch.nan, device=device)
            if name in samples:
                values = torch.from_numpy(samples[name].values.astype(np.float32)).to(device)
                maps[torch.from_numpy(places(time.values, days)).to(device)] = (values - level) / std
            return maps

        year = 2 * np.pi * of_year(days) / DAYS_PER_YEAR
        return Maps.of(
            truth=scaled("ssh", samples.time),
            observations=scaled("observations", samples.day),
            sea=torch.from_numpy(samples.sea.values).to(device),
            year=torch.from_numpy(year.astype(np.float32)).to(device),
            guess=None if self._method is None else self._guess(self._method, samples, days).to(device),
            sst=scaled(sst.NAME, samples.day, known[sst.MEAN], known[sst.STD]) if self.options.sees_sst else None,
        )

    @property
    def _method(self) -> Method | None:
        """The method whose maps networks start from; None where they start from smoothed observations."""
        return self.options.first_guess.get("method")

    def _level(self, samples: xr.Dataset | None) -> np.ndarray | float:
        """The height, m, that networks see as 0: the samples' background (lat, lon), or the training split's mean."""
        if samples is None or "background" not in samples:
            return self._statistics["mean"]
        return samples.background.values

    def _guess(self, method: Method, samples: xr.Dataset, days: np.ndarray) -> Tensor:
        """The method's maps, scaled; NaN on days of the axis that no window around a sample has."""
        train = partial(self.samples, "train")
        known, answer = first_guesses.maps(method, samples, half=self.options.half, train=train)
        scaled = np.full((len(days), *samples.sea.shape), np.nan, dtype=np.float32)
        scaled[places(known, days)] = (answer - self._level(samples)) / self._statistics["std"]
        return torch.from_numpy(scaled)

    def to_physical(self, prediction: Tensor, samples: xr.Dataset | None) -> np.ndarray:
        """(sample, C, y, x), or tiles of them, -> the day in the middle, (sample, lat, lon) float64 m, NaN on land."""
        middle = prediction[:, prediction.shape[1] // 2, None].detach().cpu().double()
        if samples is None:
            return self._level(None) + self._statistics["std"] * middle[:, 0].numpy()
        seen = self._as_trained(samples)
        physical = self._level(seen) + self._statistics["std"] * self._tiles(seen).stitch(middle)[:, 0].numpy()
        if seen is not samples:
            physical = other_grids.returned(np.where(seen.sea.values, physical, np.nan), seen, samples)
        return np.where(samples.sea.values, physical, np.nan)

    def physical_graph(self, *, halo: int, samples: xr.Dataset | None) -> graph.MapGraph | None:
        """The graph of `graph.py` for maps with the cells of the samples; None where maps are predicted in tiles."""
        if self.options.tile is not None:
            return None
        if samples is None or "background" in samples:
            raise Refusal((graph.NO_MAPS if samples is None else graph.BACKGROUND).format(name=self.options.name))
        train = partial(self.samples, "train")
        lengths, ring = self._lengths(samples), is_ring(samples.lon.values)
        return graph.MapGraph(self.options, self._statistics, lengths, halo=halo, ring=ring, train=train)
