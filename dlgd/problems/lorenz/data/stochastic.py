"""data=stochastic_lorenz63: windows of a stochastic system whose forcing is given, with a model that is right or wrong.

Each window is a trajectory of its own, with its own parameters. Samples have, beside those of `files.py`,

    forcing (sample, time)           what methods are told of W of `dlgd.physics.stochastic_lorenz`
    parameters (sample, parameter)   what they are told of its PARAMETERS
    true_parameters (sample, parameter)     the truth, for scores alone

data.model says how true that is. Networks get both as further input channels.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from dlgd.core import cache, checks, netcdf
from dlgd.core.constants import SPLITS
from dlgd.core.contract import Batch, DataSource, Stream
from dlgd.core.errors import Refusal
from dlgd.core.options import from_keywords
from dlgd.core.paths import cache_folder
from dlgd.core.progress import progress
from dlgd.core.specs import SequenceSpec
from dlgd.physics.stochastic_lorenz import PARAMETERS, USUAL, ornstein_uhlenbeck, simulate
from dlgd.problems.lorenz.data import own_files, windows
from dlgd.problems.lorenz.data.options import WindowOptions
from dlgd.problems.lorenz.data.source import Sequences
from dlgd.problems.lorenz.data.stream import SequenceStream
from dlgd.problems.lorenz.data.tensors import on_device
from dlgd.problems.lorenz.data.told import TOLD, VARYING, ToldGraph, appended, with_channels

log = logging.getLogger(__name__)

MODELS = ("right", "biased", "unknown")
# of data.model=biased: the factors of the parameters but the exponent, which is 1; the error of the forcing, an
# Ornstein-Uhlenbeck process of this memory and variance; and the share of X that is in it
FACTORS, LINEAR = (0.85, 0.85, 1.15, 0.85), 1.0
MEMORY, VARIANCE, LEAK = 5.0, 0.5, 0.1
DIMS = TOLD | {"true_parameters": ("sample", "parameter")}
TRUTH, ERRORS = range(2)  # keep the draws of one seed apart


@dataclass(frozen=True, kw_only=True)
class StochasticOptions(WindowOptions):
    """model: what methods are told: `right`, the true parameters and forcing; `biased`, wrong ones and an exponent of
    1, in the training windows, too; `unknown`, the true forcing, and for each window the usual parameters.

    spread: sigma, rho and beta of a window are the usual ones times numbers that are uniform within 1 -+ spread.
    dt: time of a step of Euler and Maruyama, which is part of the system.
    window: number of steps of a sample. spin_up: of steps before it.
    samples: number of windows of each split.
    observations: as of data=lorenz63.
    resample_observations: whether training windows are observed anew each time.
    seed: of parameters, trajectories, errors of the model, and noise.
    in_memory: whether the trajectories stay out of the cache.
    """

    task: str = "assimilate"
    history: int = 1
    rollout: int = 1
    leads: int = 1
    model: str
    spread: float
    dt: float
    window: int
    spin_up: int
    samples: Mapping[str, int]
    observations: Mapping[str, Any]
    resample_observations: bool
    seed: int
    in_memory: bool = False


@from_keywords(StochasticOptions)
class StochasticLorenz63(Sequences):
    """Windows that do not overlap; the series is one window after the other. See `StochasticOptions`."""

    typed: StochasticOptions

    def __init__(self, options: StochasticOptions) -> None:
        super().__init__(options, vars(options), None)
        self._told: dict[str, dict[str, np.ndarray]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the variables of the state."""
        return ("x", "y", "z")

    @property
    def dt(self) -> float:
        """The time between two steps, in time units of the equations."""
        return self.typed.dt

    @property
    def spec(self) -> SequenceSpec:
        """Sequences with two more groups of input channels: forcing, parameters."""
        spec, names = super().spec, PARAMETERS[:VARYING]
        channels, groups = (*spec.input_channels, "forcing", *names), (("forcing", 1), ("parameters", len(names)))
        return replace(spec, input_channels=channels, groups=(*spec.groups, *groups))

    @property
    def inputs(self) -> Sequence[str]:
        """What a prediction needs."""
        return ("observations", *TOLD)

    @property
    def attributes(self) -> dict[str, Any]:
        """The attributes of samples."""
        options = self.typed
        known: dict[str, Any] = {"system": "stochastic_lorenz63", "name": options.name, "task": options.task}
        known |= {key: getattr(options, key) for key in ("model", "spread", "dt", "window", "spin_up", "seed")}
        known |= {f"samples_{split}": options.samples[split] for split in SPLITS}
        known |= {f"observations_{key}": value for key, value in options.observations.items()}
        known |= {"resample_observations": options.resample_observations, "burn_in": 0.0}
        known = {key: int(value) if isinstance(value, bool) else value for key, value in known.items()}
        return known | {"noise_variance": self.observing.noise_variance}

    def check(self) -> None:
        """Refuse options that cannot work, in one sentence each."""
        options = self.typed
        checks.choice("data.task", options.task, ("assimilate",))
        checks.choice("data.model", options.model, MODELS)
        checks.number("data.spread", options.spread, least=0, below=1)
        checks.number("data.dt", options.dt, above=0)
        checks.whole_number("data.window", options.window, least=2)
        for key in ("spin_up", "seed"):
            checks.whole_number(f"data.{key}", getattr(options, key), least=0)
        if not isinstance(options.samples, Mapping) or set(options.samples) != set(SPLITS):
            raise Refusal(f"data.samples must give {', '.join(SPLITS)}, such as data.samples.train=1000")
        for split in SPLITS:
            checks.whole_number(f"data.samples.{split}", options.samples[split], least=1)
        if self.observing.noise_per == "series":
            raise Refusal("data.observations.noise_per=series is for windows that overlap: type window")
        self.check_windows()

    # --- samples -----------------------------------------------------------------------------------------------

    def _make_series(self) -> np.ndarray:
        def make() -> xr.Dataset:
            return self._simulated()

        if self.typed.in_memory:
            found = make()
        else:
            ours = ("system", "spread", "dt", "window", "spin_up", "seed", *(f"samples_{split}" for split in SPLITS))
            folder = cache.folder_for(cache_folder(), self.typed.name, {key: self.attributes[key] for key in ours})
            with cache.lock(folder):
                found = cache.get(folder / "windows.nc", make)
        series, parameters = found.state.values, found.parameters.values
        for split, starts in self._make_starts(np.random.RandomState()).items():
            true = windows.cut(series, starts, self.length)
            self._told[split] = self._errors(split, true, parameters[starts // self.length])
        return np.ascontiguousarray(series[:, :3])

    def _simulated(self) -> xr.Dataset:
        """Return all windows, one after the other, and their parameters."""
        options = self.typed
        paths, parameters = [], []
        numbers = [(number, window) for number, split in enumerate(SPLITS) for window in range(options.samples[split])]
        for of in progress(numbers, f"data={options.name}: windows"):
            rng = np.random.default_rng((options.seed, TRUTH, *of))
            own = np.array(USUAL)
            own[:VARYING] *= rng.uniform(1 - options.spread, 1 + options.spread, VARYING)
            path = simulate(own, rng, dt=options.dt, steps=options.window, spin_up=options.spin_up)
            if not np.isfinite(path).all():
                raise Refusal(f"data.dt={options.dt} is too long for the equations: the states are not finite any more")
            paths.append(path)
            parameters.append(own)
        state = (("step", "variable"), np.concatenate(paths), {"long_name": "true values", "units": "1"})
        return xr.Dataset({"state": state, "parameters": (("window", "parameter"), np.stack(parameters))})

    def _errors(self, split: str, true: np.ndarray, parameters: np.ndarray) -> dict[str, np.ndarray]:
        """Return what methods are told of windows (windows, T, 4) and of their parameters (windows, 5)."""
        forcing, true_parameters = true[..., 3], parameters
        if self.typed.model == "unknown":
            parameters = np.broadcast_to(USUAL, parameters.shape).copy()
        elif self.typed.model == "biased":
            rng = np.random.default_rng((self.typed.seed, ERRORS, SPLITS.index(split)))
            error = ornstein_uhlenbeck(rng, *forcing.shape, dt=self.dt, time=MEMORY, std=VARIANCE**0.5)
            forcing = forcing + error + LEAK * true[..., 0]
            parameters = np.concatenate((parameters[:, :-1] * FACTORS, np.full((len(true), 1), LINEAR)), axis=1)
        return {"forcing": forcing, "parameters": parameters, "true_parameters": true_parameters}

    def _make_starts(self, rng: np.random.RandomState) -> dict[str, np.ndarray]:
        counts = [self.typed.samples[split] for split in SPLITS]
        ends = np.cumsum(counts)
        return {
            split: self.length * np.arange(end - count, end)
            for split, count, end in zip(SPLITS, counts, ends, strict=True)
        }

    def _observed(self, split: str, truth: np.ndarray, noise: np.ndarray | float) -> xr.Dataset:
        return self._with_told(super()._observed(split, truth, noise), self._told[split])

    def _draws(self) -> Iterator[xr.Dataset]:
        return (self._with_told(draw, self._told["train"]) for draw in super()._draws())

    def _with_told(self, samples: xr.Dataset, given: Mapping[str, np.ndarray]) -> xr.Dataset:
        named = samples.assign_coords(parameter=list(PARAMETERS))
        return named.assign({name: (DIMS[name], values, {"units": "1"}) for name, values in given.items()})

    def read(self, path: Path) -> xr.Dataset:
        """A user's own windows, of any length, with `forcing` and `parameters`; see `own_files.py` and the module."""
        samples, found = super().read(path), netcdf.read(path, decode_times=False)
        sizes = {"sample": samples.sizes["sample"], "time": samples.sizes["time"], "parameter": len(PARAMETERS)}
        given = {}
        for name, dims in TOLD.items():
            wanted = {dim: sizes[dim] for dim in dims}
            if name not in found or dict(found[name].sizes) != wanted:
                shape = ", ".join(f"{dim}={size}" for dim, size in wanted.items())
                raise Refusal(f"{path} needs {name} ({shape}); parameters are {', '.join(PARAMETERS)}")
            given[name] = found[name].transpose(*dims).values.astype(np.float64)
            if not np.isfinite(given[name]).all():
                raise Refusal(f"{name} in {path} has NaN or infinite values: every value must be known")
            own_files.refuse_fills(given[name], name, path)
        return self._with_told(samples, given)

    # --- tensors -----------------------------------------------------------------------------------------------

    def encode(self, samples: xr.Dataset, *, halo: int, device: torch.device | str) -> Iterator[Batch]:
        """See `Sequences.encode`."""
        first = 0
        for batch in super().encode(samples, halo=halo, device=device):
            some = samples.isel(sample=slice(first, first + len(batch)))
            yield appended(batch, *(on_device(some[name].values, device) for name in TOLD))
            first += len(batch)

    def stream(self, *, halo: int, batch_size: int, seed: int, device: torch.device | str) -> Stream:
        """See `Sequences.stream`."""
        stream = super().stream(halo=halo, batch_size=batch_size, seed=seed, device=device)
        assert isinstance(stream, SequenceStream)
        told = {name: on_device(self._told["train"][name], device) for name in TOLD}
        stream.make = partial(with_channels, make=stream.make, **told)
        return stream

    def physical_graph(self, *, halo: int, samples: xr.Dataset | None) -> ToldGraph:
        """The graph of `told.py`."""
        guess = None if self._guesses.method is None else self._guesses.of
        return ToldGraph(self._tensors, leads=None, variables=self.names, dt=self.dt, guess=guess)

    def tiny(self) -> DataSource:
        """Sixteen windows for training."""
        small = {"samples": {"train": 16, "valid": 4, "test": 4}, "spin_up": 1000, "first_guess": {}, "in_memory": True}
        return StochasticLorenz63(**(vars(self.typed) | small))
