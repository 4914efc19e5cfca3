"""What all data sets of sea surface height share: from a record of maps to samples, tensors and back.

Records and samples are described at the head of `map_samples.py`. Samples have the attributes name, noise_std
(m, of one observation), mean and std (m, of the training split's truth). Splits are cut by time, with gaps between
them: no observation is within reach of both a training window and a sample of another split.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from dlgd.core import cache
from dlgd.core.constants import DAYS_PER_YEAR, KM_PER_DEGREE
from dlgd.core.contract import SPLITS, Batch, DataSource, Method, Scaling, Spec, Stream
from dlgd.core.errors import Refusal
from dlgd.problems.ssh.data import first_guesses as ssh_guess
from dlgd.problems.ssh.data import map_samples as ssh_samples
from dlgd.problems.ssh.data.stream import Lengths, Maps, MapStream, Windows, joined
from dlgd.problems.ssh.data.tiles import Tiles

MAX_BATCH_ELEMENTS = 4_000_000  # numbers in the input of a batch of whole maps, about
PREDICT = ("all", "centre")


class SSHSource(DataSource):
    """A source's `_record` makes or finds the sea, and its `_splits` cuts it.

    days: of a window, an odd number. predict: all of its days, or the one at the centre. patch: cells of a training
    patch on each side, None for whole maps. first_guess: km and days, standard deviations of the Gaussian weights with
    which observations are smoothed to be a network's first guess; or a method whose maps are (`first_guesses.py`),
    and how often training days are observed for it. resample_observations: whether a training window's truth is
    observed where and with the errors of another one; dropped: probability of a training window's day to be hidden.
    margin: days before and after a split of which samples have the observations. noise_std: m, of one observation.
    tile: cells on each side of the overlapping tiles in which maps are predicted, None for whole maps.
    """

    def __init__(
        self,
        *,
        name: str,
        days: int,
        predict: str,
        patch: int | None,
        coordinates: bool,
        first_guess: Mapping[str, Any],
        resample_observations: bool,
        dropped: float,
        margin: int,
        noise_std: float,
        tile: int | None,
    ) -> None:
        self.name, self.days, self.predict, self.patch = name, days, predict, patch
        self.coordinates, self.first_guess = coordinates, dict(first_guess)
        self.resample_observations, self.dropped = resample_observations, dropped
        self.margin, self.noise_std, self.tile = margin, noise_std, tile
        self._samples: dict[str, xr.Dataset] = {}
        self._statistics: dict[str, float] = {}

    @abstractmethod
    def _record(self) -> xr.Dataset:
        """The sea, made or found; the only long work."""

    @abstractmethod
    def _splits(self, time: np.ndarray) -> dict[str, slice]:
        """Of the days of the record (time,), those of each split, in order."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """(ny, nx) of the maps; empty where it is known after `prepare` only."""

    # --- what is known before any work ---------------------------------------------------------------------------

    @property
    def spec(self) -> Spec:
        """Fields, to be interpolated."""
        half = self.days // 2
        offsets = range(-half, half + 1)
        maps = [f"{kind}_{day:+d}" for kind in ("first_guess", "observation", "observed") for day in offsets]
        statics = ["sea", "x", "y", "cos_year", "sin_year"] if self.coordinates else ["sea"]
        known = self._statistics
        return Spec(
            name=self.name,
            kind="field",
            input_channels=(*maps, *statics),
            output_channels=("ssh",) if self.predict == "centre" else tuple(f"ssh_{day:+d}" for day in offsets),
            grid=self.shape,
            units="m",
            scaling=Scaling(mean=known["mean"], std=known["std"]) if known else Scaling(),
            days=self.days,
        )

    def check(self) -> None:
        """Refuse options that cannot work, in one sentence each."""
        if self.days < 1 or self.days % 2 == 0:
            raise Refusal(f"data.days={self.days} must be an odd number, such as 9")
        if self.predict not in PREDICT:
            raise Refusal(f"data.predict={self.predict} is unknown: choose one of {', '.join(PREDICT)}")
        if not 0 <= self.dropped < 1:
            raise Refusal(f"data.dropped={self.dropped} is a probability: choose 0 or more, and less than 1")
        ssh_guess.check(self.first_guess, dropped=self.dropped)
        if self.margin < self.days // 2:
            raise Refusal(f"data.margin={self.margin} must be at least {self.days // 2}, half of data.days={self.days}")
        if not self.noise_std >= 0:
            raise Refusal(f"data.noise_std={self.noise_std} must be zero or more")
        if self.tile is not None and (not isinstance(self.tile, int) or isinstance(self.tile, bool) or self.tile < 8):
            raise Refusal(f"data.tile={self.tile} must be a whole number of at least 8, or null for whole maps")
        self._check_patch()

    def _check_patch(self) -> None:
        if self.patch is None:
            return
        if not isinstance(self.patch, int) or isinstance(self.patch, bool) or self.patch < 1:
            raise Refusal(f"data.patch={self.patch} must be a whole number of at least 1, or null for whole maps")
        if self.shape and self.patch > min(self.shape):
            ny, nx = self.shape
            raise Refusal(
                f"data.patch={self.patch} does not fit maps of {ny} x {nx} cells: choose at most {min(ny, nx)}"
            )

    # --- samples -------------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Make or find the record, cut it, and learn its mean and standard deviation unless a checkpoint said them."""
        if self._samples:
            return
        self.check()
        record = self._record()
        splits = self._splits(record.time.values)
        self._check_splits(splits)
        if not self._statistics:
            truth = record.ssh.values[splits["train"]]
            self._statistics = {
                "mean": float(np.nanmean(truth, dtype=float)),
                "std": float(np.nanstd(truth, dtype=float)),
            }
        if not self._statistics["std"] > 0:
            raise Refusal(f"data={self.name}: the sea surface of the training split is flat or unknown")
        sea = np.isfinite(record.ssh.values).any(axis=0)
        cut = {split: ssh_samples.cut(record, splits[split], self.margin, sea) for split in SPLITS}
        self._samples = {split: self._with_attributes(samples) for split, samples in cut.items()}

    def _check_splits(self, splits: Mapping[str, slice]) -> None:
        """Refuse splits that a training window or a sample would reach from another one."""
        needed, end = self.margin + self.days // 2, None
        for split in sorted(SPLITS, key=lambda split: splits[split].start):  # of files, in any order
            days = splits[split]
            if days.stop - days.start < 1:
                raise Refusal(f"the {split} split of data={self.name} has no day: give it at least one")
            if end is not None and days.start - end < needed:
                raise Refusal(
                    f"the {split} split begins {days.start - end} days after the end of the one before, but "
                    f"observations are used {needed} days around: leave as many between, or choose "
                    "a smaller data.margin"
                )
            end = days.stop
        train = splits["train"]
        if train.stop - train.start < self.days:
            raise Refusal(
                f"data.days={self.days} is more than the {train.stop - train.start} days of the training split"
            )

    def _with_attributes(self, samples: xr.Dataset) -> xr.Dataset:
        return samples.assign_attrs(name=self.name, noise_std=self.noise_std, **self._statistics)

    def checksum(self) -> str:
        """Over all splits."""
        return "-".join(cache.digest(self.samples(split))[:12] for split in SPLITS)

    @property
    def statistics(self) -> dict[str, float]:
        """Mean and standard deviation of the training split's truth, m."""
        return dict(self._statistics)

    def use_statistics(self, statistics: Mapping[str, float]) -> None:
        """Those of the training samples."""
        if not {"mean", "std"} <= set(statistics):
            raise Refusal(f"the network was not trained on data={self.name}: type the data that it was trained with")
        self._statistics = {key: statistics[key] for key in ("mean", "std")}

    def samples(self, split: str) -> xr.Dataset:
        """The same each time."""
        self.prepare()
        return self._samples[split]

    def read(self, path: Path) -> xr.Dataset:
        """A user's own samples, or a record; see `map_samples.py`."""
        return self._with_attributes(ssh_samples.read(path))

    # --- tensors -------------------------------------------------------------------------------------------------

    def encode(self, samples: xr.Dataset, *, halo: int, device: torch.device | str) -> Iterator[Batch]:
        """Whole maps, or all tiles of each, some at a time; days are found by their dates. Truth that the samples do
        not have is masked."""
        days, tiles = _axis(samples), self._tiles(samples)
        windows = self._windows(samples, self._maps(samples, days, device), tiles.sizes, halo)
        area = (tiles.sizes[0] + 2 * halo) * (tiles.sizes[1] + 2 * halo)
        together = max(1, MAX_BATCH_ELEMENTS // (area * len(self.spec.input_channels)))
        day = torch.from_numpy(_places(samples.time.values, days)).to(device).repeat_interleave(len(tiles))
        top, left = tiles.corners.to(device).repeat(samples.sizes["sample"], 1).T
        for some in zip(day.split(together), top.split(together), left.split(together), strict=True):
            yield windows.batch(*some)

    def _tiles(self, samples: xr.Dataset) -> Tiles:
        """A single one, unless data.tile says how large they shall be."""
        shape = samples.sea.shape
        return Tiles(shape, size=max(shape) if self.tile is None else self.tile, overlap=(self.tile or 0) // 4)

    def stream(self, *, halo: int, batch_size: int, seed: int, device: torch.device | str) -> Stream:
        """Random patches of random days whose windows lie within the training split."""
        train = self.samples("train")
        self._check_patch()  # now that the grid is known
        days = _axis(train)
        again = self.resample_observations and self._method is None  # else a few times, before the training
        maps = self._maps(train, days, device)
        if again:
            maps = replace(maps, given=maps.given - maps.truth)
        first, last = _places(train.time.values, days)[[0, -1]]
        half = self.days // 2
        known = np.isfinite(train.ssh.values).any(axis=(1, 2))
        centres = np.arange(first + half, last + 1 - half)
        centres = centres[known[half : len(known) - half]]
        if len(centres) == 0:
            raise Refusal(f"data={self.name}: no day of the training split is known; choose a larger one")
        if self.resample_observations and not again:
            count = self.first_guess.get("observation_draws", 1)
            others = ssh_guess.shifts(train.sizes["sample"], count)[1:]
            seen = [self._maps(ssh_guess.observed_by_others(train, shift), days, device) for shift in others]
            maps, length = joined([maps, *seen]), len(days) + 1
            centres = np.concatenate([centres + number * length for number in range(count)])
        size = train.sea.shape if self.patch is None else (self.patch, self.patch)
        return MapStream(
            self._windows(train, maps, size, halo),
            centres=torch.from_numpy(centres).to(device),
            batch_size=batch_size,
            resample_observations=again,
            dropped=self.dropped,
            seed=seed,
        )

    def _windows(self, samples: xr.Dataset, maps: Maps, size: tuple[int, int], halo: int) -> Windows:
        return Windows(
            maps,
            days=self.days,
            size=size,
            halo=halo,
            lengths=self._lengths(samples),
            coordinates=self.coordinates,
            centre=self.predict == "centre",
        )

    def _lengths(self, samples: xr.Dataset) -> Lengths:
        """Cells are as wide everywhere as in the middle of the map: so smoothing is separable."""
        lat, lon = samples.lat.values, samples.lon.values
        south_north = KM_PER_DEGREE * (lat[-1] - lat[0]) / (len(lat) - 1)
        west_east = KM_PER_DEGREE * np.cos(np.deg2rad(lat.mean())) * (lon[-1] - lon[0]) / (len(lon) - 1)
        km = self.first_guess["km"]
        return Lengths(y=km / south_north, x=km / west_east, days=self.first_guess["days"])

    def _maps(self, samples: xr.Dataset, days: np.ndarray, device: torch.device | str) -> Maps:
        """Scaled maps of consecutive days."""
        mean, std = self._statistics["mean"], self._statistics["std"]

        def scaled(name: str, time: xr.DataArray) -> Tensor:
            maps = torch.full((len(days), *samples.sea.shape), torch.nan, device=device)
            if name in samples:
                values = torch.from_numpy(samples[name].values.astype(np.float32)).to(device)
                maps[torch.from_numpy(_places(time.values, days)).to(device)] = (values - mean) / std
            return maps

        year = 2 * np.pi * (days - days.astype("datetime64[Y]").astype(days.dtype)).astype(float) / DAYS_PER_YEAR
        return Maps.of(
            truth=scaled("ssh", samples.time),
            given=scaled("observations", samples.day),
            sea=torch.from_numpy(samples.sea.values).to(device),
            year=torch.from_numpy(year.astype(np.float32)).to(device),
            guess=None if self._method is None else self._guess(samples, days).to(device),
        )

    @property
    def _method(self) -> Method | None:
        """Whose maps networks start from."""
        return self.first_guess.get("method")

    def _guess(self, samples: xr.Dataset, days: np.ndarray) -> Tensor:
        """Its maps, scaled; NaN on days of the axis that no window around a sample has."""
        if self._method.learns:
            self._method.fit(self.samples("train"))
        known, answer = ssh_guess.maps(self._method, samples, half=self.days // 2)
        scaled = np.full((len(days), *samples.sea.shape), np.nan, dtype=np.float32)
        scaled[_places(known, days)] = (answer - self._statistics["mean"]) / self._statistics["std"]
        return torch.from_numpy(scaled)

    def to_physical(self, prediction: Tensor, samples: xr.Dataset | None) -> np.ndarray:
        """(sample, C, y, x), or tiles of them, -> the day in the middle, (sample, lat, lon) float64 m, NaN on land."""
        middle = prediction[:, prediction.shape[1] // 2, None].detach().cpu().double()
        if samples is not None:
            middle = self._tiles(samples).stitch(middle)
        physical = self._statistics["mean"] + self._statistics["std"] * middle[:, 0].numpy()
        return physical if samples is None else np.where(samples.sea.values, physical, np.nan)


def _axis(samples: xr.Dataset) -> np.ndarray:
    """Consecutive days (n,) from the first to the last that is known of."""
    known = np.concatenate([samples.time.values, samples.day.values]).astype("datetime64[D]")
    return np.arange(known.min(), known.max() + 1)


def _places(time: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Of each moment, the place of its day in the axis: (n,) int64."""
    return (time.astype("datetime64[D]") - days[0]).astype(np.int64)
