"""The currents of the lower layer of a simulated sea, to be inferred from the height of its surface: data=deep_currents.

The question of Manucharyan, Siegelman and Klein (2021, J. Adv. Model. Earth Syst. 13, e2019MS001965). Samples have

    ssh (day, lat, lon)             m: maps of the surface, those of the samples' days and of some before and after
    psi_lower (sample, lat, lon)    m2/s: the streamfunction of the lower layer; u = -d psi / dy, v = d psi / dx

with coordinates day, time (sample), lat and lon in degrees. The square is periodic: what lies beyond one of its sides is
the other side. A user's own file has the same variables, or ssh (time, lat, lon) of consecutive days, of which those
with a whole window around them become samples; psi_lower may lack. Its maps are taken for periodic, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from dlgd.core import cache, checks, netcdf
from dlgd.core.constants import DAYS_PER_YEAR, SPLITS
from dlgd.core.contract import Batch, DataSource, Method, Scaling, Spec, Stream
from dlgd.core.errors import Refusal
from dlgd.core.options import from_keywords, make_from
from dlgd.core.paths import cache_folder
from dlgd.core.specs import FIRST_GUESS, SURFACE
from dlgd.problems.ssh.data import heights, map_names, map_samples, other_grids
from dlgd.problems.ssh.data.observing import Observing
from dlgd.problems.ssh.data.region import GRID_KM, cell_km
from dlgd.problems.ssh.data.sea_splits import SeaSplits
from dlgd.problems.ssh.data.simulated_sea import LOWER, simulate
from dlgd.problems.ssh.days import DAY
from dlgd.problems.ssh.methods.optimal_interpolation import OptimalInterpolation

TRUTH = "psi_lower"
SEEN = ("truth", "interpolated")
INTERPOLATION = ("Lx", "Ly", "Lt", "noise")
FURTHER_OPTIONS = {  # of the interpolation: those of baseline=oi_tuned
    "covariance": "gaussian", "lengths_in": "degrees", "std": None, "reach": 2.5, "most": 2000, "averaged": 2,
    "precision": "float32", "device": "cpu", "tune": False,
}  # fmt: skip
MAX_BATCH_ELEMENTS = 4_000_000  # numbers, about, in the input of a batch


@dataclass(frozen=True, kw_only=True)
class DeepOptions(SeaSplits):
    """name: the name of the data set, as typed in data=...
    seen: the maps of the surface: the "truth", or "interpolated" from simulated satellites by optimal interpolation.
    days: days of a window of maps, an odd number; the currents are those of the day at its centre.
    network_cells: points along a side of the maps that networks see and answer with, at least 8: waves shorter than two
        of them are left out, and the currents below have few. None: all points of the sea.
    first_guess: `method`, a classical method from whose answer networks start: they see it, and learn what it misses.
        None: they start from nothing.
    interpolation: correlation lengths Lx and Ly, degrees, and time Lt, days, and noise, m, of optimal interpolation;
        its other options are those of baseline=oi_tuned.
    satellites, noise_std, seed: of the simulated satellites, see `Observing`.
    """

    name: str
    seen: str
    days: int
    network_cells: int | None
    first_guess: Mapping[str, Method | None]
    interpolation: Mapping[str, float]
    satellites: str | Sequence[str]
    noise_std: float
    seed: int

    @property
    def observing(self) -> Observing:
        """The simulated satellites, none of which is held out; the lines of a swath share no errors."""
        errors = {"roll": 0.0, "baseline": 0.0, "length_km": 1000.0}
        return make_from(Observing, self, swath_errors=errors, held_out=None)

    @property
    def half(self) -> int:
        """Days of a window before the one at its centre, and as many after it."""
        return self.days // 2

    @property
    def method(self) -> Method | None:
        """The method of the first guesses."""
        return self.first_guess["method"]

    @property
    def points(self) -> int:
        """Points along a side of the maps that networks see."""
        cells = self.simulation.cells
        return cells if self.network_cells is None else self.network_cells

    def check(self) -> None:
        """Refuse options that cannot work, in one sentence each."""
        checks.choice("data.seen", self.seen, SEEN)
        checks.odd_number("data.days", self.days, least=1)
        if set(self.first_guess) != {"method"} or not isinstance(self.method, Method | None):
            raise Refusal(
                f"data.first_guess={dict(self.first_guess)} must give a classical method: type "
                "+baseline@data.first_guess.method=wavenumber_regression, or data.first_guess.method=null"
            )
        if set(self.interpolation) != set(INTERPOLATION):
            raise Refusal(f"data.interpolation must give {', '.join(INTERPOLATION)}")
        for key, value in self.interpolation.items():
            checks.number(f"data.interpolation.{key}", value, above=0)
        self.check_sea(further=self.half)
        checks.whole_number("data.network_cells", self.network_cells, least=8, null=True, hint="null is for all")
        if self.points > (cells := self.simulation.cells):
            raise Refusal(f"data.network_cells={self.network_cells} is more than data.sea.cells={cells}: choose fewer")
        self.observing.check()
        gap, train = self.splits["gap"], self.splits["train"]
        if gap < self.days - 1:
            raise Refusal(
                f"data.splits.gap={gap} is too short for data.days={self.days}: windows of two splits would share "
                f"maps; leave {self.days - 1} days between them"
            )
        if train < self.days:
            raise Refusal(f"data.days={self.days} is more than the {train} days of the training split")


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
        self._samples = {split: self._cut(sea, days[split]) for split in SPLITS}
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
        method = OptimalInterpolation(**FURTHER_OPTIONS, **self.options.interpolation)
        maps = method.predict(samples.assign_attrs(name=self.options.name, mean=0.0, std=std))
        return xr.Dataset({"ssh": (sea.ssh.dims, maps.astype(np.float32))})

    def _cut(self, record: xr.Dataset, days: slice) -> xr.Dataset:
        """Samples of those of some days of a record, ssh and perhaps psi_lower (time, lat, lon), that have a whole window
        around them."""
        half = self.options.half
        days = slice(max(days.start, half), min(days.stop, record.sizes["time"] - half))
        near = record.isel(time=slice(days.start - half, days.stop + half))
        time = record.time.values[days]
        samples = near[["ssh"]].rename(time="day").assign_coords(time=("sample", time, map_samples.TIME_ATTRS))
        if TRUTH in record:
            samples[TRUTH] = (("sample", "lat", "lon"), record[TRUTH].values[days], LOWER)
        return samples.assign_attrs(record.attrs, name=self.options.name)

    def checksum(self) -> str:
        """A digest of all splits."""
        return "-".join(cache.digest(self.samples(split))[:12] for split in SPLITS)

    @property
    def statistics(self) -> dict[str, float]:
        """The standard deviations of the training split: of the maps seen, m; of psi, and of what networks are to add to
        first guesses, m2/s. Their means are 0."""
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
        """A user's own samples, or a record; see the head of this file."""
        found = netcdf.read(path)
        if "ssh" not in found:
            raise Refusal(f"{path} lacks ssh: it has {', '.join(map(str, found.data_vars)) or 'no variable'}")
        record = "time" in found.ssh.dims
        if record:
            found = found.rename(time="day").assign_coords(time=("day", found["time"].values))
        for name, dims in (("ssh", ("day", "lat", "lon")), (TRUTH, ("day" if record else "sample", "lat", "lon"))):
            if name not in found:
                continue
            field = found[name]
            if set(field.dims) != set(dims) or field.dtype.kind not in "iuf":
                has = f"{field.dtype} of {', '.join(map(str, field.dims)) or 'no dimension'}"
                raise Refusal(f"{name} in {path} is {has}: numbers of the dimensions {', '.join(dims)} are needed")
            if not np.isfinite(field.values).all():
                raise Refusal(f"{name} in {path} is not finite everywhere: give maps without land and gaps")
            found[name] = field.transpose(*dims).astype(np.float32)
        map_samples.check_axes(found, path)
        found["ssh"] = found.ssh * np.float32(map_names.factor(found.ssh.variable, path))
        heights.refuse_impossible(found.ssh.values, "ssh", path)
        kept = [name for name in ("ssh", TRUTH) if name in found]
        day = found.day.values.astype("datetime64[D]")
        if (np.diff(day) != DAY).any():
            raise Refusal(f"{path} must have a map of each day, without a gap between the first and the last")
        if record:
            if len(day) < self.options.days:
                raise Refusal(f"{path} has {len(day)} days of maps: at least data.days={self.options.days} are needed")
            return self._cut(found[kept].drop_vars("time").rename(day="time"), slice(0, len(day)))
        time, half = found.time.values.astype("datetime64[D]"), self.options.half * DAY
        if len(time) == 0 or time[0] - half < day[0] or time[-1] + half > day[-1]:
            raise Refusal(f"{path} must have the maps of {self.options.half} days before and after each sample")
        return found[kept].assign_attrs(found.attrs, name=self.options.name)

    # --- tensors -------------------------------------------------------------------------------------------------

    def encode(self, samples: xr.Dataset, *, halo: int, device: torch.device | str) -> Iterator[Batch]:
        """Whole maps, the other side of the square in their halo. Where the samples have no truth, the mask is False."""
        if other_grids.differs(samples, self._statistics):
            here, there = cell_km(samples.lat.values, samples.lon.values), self._statistics[GRID_KM]
            raise Refusal(
                f"the maps have cells of {here:.3g} km and the network was trained on cells of {there:.3g} km: give maps "
                "with such cells"
            )
        windows = self._windows(samples, halo, device)
        together = max(1, MAX_BATCH_ELEMENTS // ((self.options.points + 2 * halo) ** 2 * self.options.days))
        for some in torch.arange(samples.sizes["sample"], device=device).split(together):
            yield windows.batch(some)

    def stream(self, *, halo: int, batch_size: int, seed: int, device: torch.device | str) -> Stream:
        """Whole maps of random training days."""
        return DeepStream(self._windows(self.samples("train"), halo, device), batch_size=batch_size, seed=seed)

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


def places(samples: xr.Dataset) -> np.ndarray:
    """The place of each sample's day among the days of the maps, (sample,) int64."""
    return (samples.time.values.astype("datetime64[D]") - samples.day.values[0].astype("datetime64[D]")).astype(int)


def resampled(maps: np.ndarray, cells: int) -> np.ndarray:
    """Maps (..., n, n) of a periodic square at `cells` x `cells` points of it, the first one in its place: the same waves
    but for those too short for these points."""
    n = maps.shape[-1]
    if n == cells:
        return maps
    kept = (min(n, cells) - 1) // 2  # the shortest wave of an even number of points has no direction
    waves, found = np.fft.rfft2(maps), np.zeros((*maps.shape[:-2], cells, cells // 2 + 1), complex)
    rows = np.arange(-kept, kept + 1)
    found[..., rows, : kept + 1] = waves[..., rows, : kept + 1]
    return np.fft.irfft2(found * (cells / n) ** 2, s=(cells, cells)).astype(maps.dtype)


class PeriodicWindows:
    """Cuts batches out of scaled maps (day, y, x) of a periodic square.

    lower: (sample, y, x), or None where it is not known. guess: (sample, y, x), or None for no such channel. centres: (sample,) int64, the places of their days.
    """

    def __init__(
        self,
        surface: Tensor,
        lower: Tensor | None,
        guess: Tensor | None,
        *,
        centres: Tensor,
        days: int,
        halo: int,
    ) -> None:
        (_, ny, nx), device = surface.shape, surface.device
        self.surface, self.lower, self.guess, self.centres = surface, lower, guess, centres
        self._offsets = torch.arange(days, device=device) - days // 2
        self._rows = (torch.arange(-halo, ny + halo, device=device) % ny)[:, None]
        self._columns = torch.arange(-halo, nx + halo, device=device) % nx

    def batch(self, sample: Tensor) -> Batch:
        """The windows of samples (B,)."""
        days = (self.centres[sample][:, None] + self._offsets)[:, :, None, None]
        ny, nx = self.surface.shape[1:]
        target = self.surface.new_zeros(len(sample), 1, ny, nx) if self.lower is None else self.lower[sample][:, None]
        known = torch.full_like(target, self.lower is not None, dtype=torch.bool)
        seen = self.surface[days, self._rows, self._columns]
        if self.guess is not None:
            around = self.guess[sample[:, None, None, None], self._rows, self._columns]
            seen = torch.cat([seen, around], dim=1)
        return Batch(input=seen, target=target, mask=known)


class DeepStream(Stream):
    """Windows around days drawn at random; the batch of a step depends on the seed and the step alone."""

    def __init__(self, windows: PeriodicWindows, *, batch_size: int, seed: int) -> None:
        self.windows, self.batch_size, self.seed = windows, batch_size, seed
        self.steps_per_epoch = max(1, round(len(windows.centres) / batch_size))

    def batch(self, step: int) -> Batch:
        """The batch of a step."""
        drawn = np.random.default_rng((self.seed, step)).integers(len(self.windows.centres), size=self.batch_size)
        return self.windows.batch(torch.from_numpy(drawn).to(self.windows.centres.device))


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
