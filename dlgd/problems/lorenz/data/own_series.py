"""data=series: a person's own series, to be forecast, identified or restored, without equations behind it."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from dlgd.core import checks
from dlgd.core.constants import SPLITS
from dlgd.core.contract import DataSource
from dlgd.core.errors import Refusal
from dlgd.core.options import from_keywords
from dlgd.problems.lorenz.data import files, own_files, recorded
from dlgd.problems.lorenz.data.options import WindowOptions
from dlgd.problems.lorenz.data.presets import TASKS
from dlgd.problems.lorenz.data.recorded import Recorded
from dlgd.problems.lorenz.data.source import Sequences

log = logging.getLogger(__name__)

TINY = 800  # steps of the synthetic series of `tiny`


@dataclass(frozen=True, kw_only=True)
class SeriesOptions(WindowOptions):
    """path: a NetCDF or CSV file; see `recorded.read`. None is refused, "" makes a small synthetic series.

    variables: names in the file, in order; None for all.
    delays: numbers of steps; what each variable was so many steps before becomes a variable of its own, called
        `x_100_before`. Where not all of a system is measured, the past stands for the rest (Takens 1981).
    dt: time between two steps, in any unit; None takes that of the file, in days where it has dates, else 1.
    window: of data.task=assimilate, number of steps of a sample.
    stride: number of steps between the beginnings of two training windows; those of the other splits do not overlap.
    gap: number of steps between two splits.
    shares: of the steps for each split, one after the other in time; together at most 1.
    observations: as of data=lorenz63; of assimilate, which values of complete windows are shown.
    resample_observations: of assimilate, whether training windows are observed anew each time.
    seed: of patterns and noise.
    """

    path: str | None
    variables: Sequence[str] | None
    delays: Sequence[int] = field(default_factory=list)  # so it is in runs from before it was an option
    dt: float | None
    window: int
    stride: int
    gap: int
    shares: Mapping[str, float]
    observations: Mapping[str, Any]
    resample_observations: bool
    seed: int


@from_keywords(SeriesOptions)
class OwnSeries(Sequences):
    """Windows without gaps of one series, the splits one after the other. See `SeriesOptions`."""

    scale_each = True
    typed: SeriesOptions

    def __init__(self, options: SeriesOptions) -> None:
        super().__init__(options, vars(options), None)

    @functools.cached_property
    def recorded(self) -> Recorded:
        """The series of the file, with its delays."""
        return recorded.embedded(self._measured, self.typed.delays)

    @functools.cached_property
    def _measured(self) -> Recorded:
        """What the file has."""
        if self.typed.path == "":
            return _synthetic()
        if self.typed.path is None:
            raise Refusal("data=series needs a file: type data.path=<a NetCDF or CSV file>")
        names = self.typed.variables
        if names is not None:
            checks.names("data.variables", names, example="[temperature,salinity]")
        path = checks.path("data.path", self.typed.path)
        if not path.exists():  # a run keeps the path as it was typed
            raise Refusal(f"data.path={path} is not there: type data.path=<a NetCDF or CSV file>, where it lies now")
        return recorded.read(path, names)

    @property
    def found_options(self) -> Mapping[str, Any]:
        """The whole path, so that runs open from any working folder."""
        return {} if self.typed.path is None else {"path": str(Path(self.typed.path).expanduser().absolute())}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the variables."""
        return self.recorded.names

    @property
    def dt(self) -> float:
        """The time between two steps: data.dt, else that of the file."""
        return self.recorded.dt if self.typed.dt is None else self.typed.dt

    @property
    def attributes(self) -> dict[str, Any]:
        """Attributes of samples, and the standard deviation of each variable, in which scores count errors."""
        options = self.typed
        known = {"name": options.name, "task": options.task, "dt": self.dt, "history": options.history}
        known |= {"leads": options.leads, "window": options.window, "stride": options.stride, "gap": options.gap}
        known |= {"noise_variance": self.observing.noise_variance, "variables": ",".join(self.names)}
        known |= files.more_observings(options)
        if self._statistics:
            known["scale"] = [self._statistics[f"std_{name}"] for name in self.names]
        return known

    def check(self) -> None:
        """Refuse options that cannot work, and files that cannot be read, in one sentence each.

        Without a path nothing is read, and `prepare` refuses.
        """
        options = self.typed
        checks.choice("data.task", options.task, TASKS)
        checks.number("data.dt", options.dt, above=0, null=True)
        for key in ("window", "stride"):
            checks.whole_number(f"data.{key}", getattr(options, key), least=1)
        for key in ("gap", "seed"):
            checks.whole_number(f"data.{key}", getattr(options, key), least=0)
        if not isinstance(options.shares, Mapping) or set(options.shares) != set(SPLITS):
            raise Refusal(f"data.shares must give {', '.join(SPLITS)}, such as data.shares.train=0.7")
        for split, share in options.shares.items():
            checks.number(f"data.shares.{split}", share, above=0, below=1)
        if sum(options.shares.values()) > 1 + 1e-9:
            raise Refusal(f"data.shares are {sum(options.shares.values()):g} together: choose 1 at most")
        if options.delays != []:
            checks.numbers("data.delays", options.delays, least=1, example="[100]")
            for delay in options.delays:
                checks.whole_number("data.delays", delay, least=1)
            if len(set(options.delays)) < len(options.delays):
                raise Refusal(f"data.delays={options.delays} has a number twice: give each once")
        names = _synthetic().names if options.path is None else self.names
        self.observing.check(names, max(self.length, options.window))  # whatever the task, so that no slip is hidden
        if options.path is not None:
            self.check_windows()
        else:
            options.check(resampled=options.resample_observations)

    def _make_series(self) -> np.ndarray:
        values = self.recorded.values
        if gaps := int(np.isnan(values).any(axis=1).sum()):
            log.info("%s: %d of %d steps have gaps; windows with gaps are left out", self.typed.path, gaps, len(values))
        return values

    def _make_starts(self, rng: np.random.RandomState) -> dict[str, np.ndarray]:
        """Return the beginnings of the windows without gaps, by split."""
        whole = np.asarray(~np.isnan(self.recorded.values).any(axis=1))
        steps, first, found = len(whole) - 2 * self.typed.gap, 0, {}
        for split in SPLITS:
            end = first + int(self.typed.shares[split] * steps)
            stride = self.typed.stride if split == "train" else self.length
            starts = np.arange(first, end - self.length + 1, stride)
            found[split] = starts[[whole[start : start + self.length].all() for start in starts]]
            if len(found[split]) == 0:
                raise Refusal(
                    f"{self.typed.path} has no window of {self.length} steps without a gap among the "
                    f"{max(0, end - first)} steps for {split}: choose a smaller data.window, data.leads or data.gap, "
                    "or other data.shares"
                )
            first = end + self.typed.gap
        train = self.recorded.values[: found["train"][-1] + self.length]
        same = np.nanmin(train, axis=0) == np.nanmax(train, axis=0)
        if still := [name for name, constant in zip(self.names, same, strict=True) if constant]:
            raise Refusal(
                f"{', '.join(still)} of {self.typed.path} does not change in the steps for train: leave it out by "
                "data.variables, or choose other data.shares"
            )
        return found

    def read(self, path: Path) -> xr.Dataset:
        """A user's own windows, see `own_files.py`; or a series in the form of that of data.path, as one sample: all of
        it, to be restored, or its last steps, which are continued."""
        if path.suffix.lower() not in (".csv", ".txt") and self._has_samples(path):
            known = self.typed.history if self.forecasts else 0
            return own_files.read(path, names=self.names, dt=self.dt, forecast=known, attrs=self.attributes)
        series = recorded.embedded(recorded.read(path, self._measured.names), self.typed.delays)
        if not np.isclose(series.dt, self.recorded.dt):
            raise Refusal(
                f"{path} has steps of {series.dt:g}, but data.path has {self.recorded.dt:g}: give equal steps"
            )
        values = series.values[None]
        if self.forecasts:
            values = values[:, -self.typed.history :]
            if values.shape[1] < self.typed.history or np.isnan(values).any():
                raise Refusal(f"the last {self.typed.history} steps of {path} must be there without a gap")
        fields = {"given" if self.forecasts else "observations": values}
        return files.dataset(fields, names=self.names, dt=self.dt, forecast=self.forecasts, attrs=self.attributes)

    def _has_samples(self, path: Path) -> bool:
        from dlgd.core import netcdf

        return bool({"given", "observations"} & set(netcdf.read(path, decode_times=False)))

    def tiny(self) -> DataSource:
        """Windows of two oscillations with noise."""
        small = {
            "path": "",
            "variables": None,
            "delays": [],
            "window": 64,
            "stride": 16,
            "gap": 0,
            "first_guess": {},
            "more_observings": {},
        }
        return OwnSeries(**(vars(self.typed) | small))


def _synthetic() -> Recorded:
    time = np.arange(TINY) / 10
    noise = np.random.default_rng(0).normal(0, 0.05, (TINY, 2))
    return Recorded(("u", "v"), np.stack((np.sin(time), np.cos(0.7 * time)), axis=-1) + noise, 0.1)
