"""Windows of a series, with or without equations behind it: what data=lorenz63, data=lorenz96 and data=series share.

data.task says what is asked: `assimilate`, a trajectory from some of its values, with noise; `forecast`, the steps that
follow known ones; `identify`, the same, where a method is to find the equations. `files.py` describes the samples.
"""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from dlgd.core.constants import SPLITS
from dlgd.core.contract import Batch, DataSource, Scaling, Stream
from dlgd.core.errors import Refusal
from dlgd.core.specs import SequenceSpec
from dlgd.physics.integrators import Dynamics
from dlgd.problems.lorenz.data import files, graph, own_files, presets, training_batches, windows
from dlgd.problems.lorenz.data.first_guesses import FirstGuesses
from dlgd.problems.lorenz.data.observations import Observing
from dlgd.problems.lorenz.data.observings import Observings
from dlgd.problems.lorenz.data.options import WindowOptions
from dlgd.problems.lorenz.data.stream import SequenceStream
from dlgd.problems.lorenz.data.tensors import GROUPS, STATE, SequenceTensors, on_device

MAX_BATCH_ELEMENTS = 1_000_000  # values of the truth that are encoded as one batch
PATTERNS, COMPONENTS, DRAWS = range(3)  # keep the draws of one seed apart


class Sequences(DataSource):
    """Windows of one series (steps, N).

    `typed` are the options as typed. `options` are those that a preset gives, too, with its values in place of None.
    dynamics: the equations behind the series; None where they are not known.
    ring: whether the variables stand on a circle. scale_each: whether each variable is scaled by itself, because they
    have different units.
    """

    ring = False
    scale_each = False

    def __init__(self, typed: WindowOptions, options: Mapping[str, Any], dynamics: Dynamics | None) -> None:
        self.typed, self.options, self.dynamics = typed, options, dynamics
        self.observings = Observings.of(options["observations"], typed.more_observings)
        self.observing = self.observings.each[0]
        self._series = np.empty((0, 0))
        self._starts: dict[str, np.ndarray] = {}
        self._samples: dict[str, xr.Dataset] = {}
        self._statistics: dict[str, float] = {}
        self._guesses = FirstGuesses(typed.first_guess, name=typed.name, train=lambda: self.samples("train"))

    # --- what is known before any work -----------------------------------------------------------------------

    @property
    def forecasts(self) -> bool:
        """Whether the task is to predict later steps."""
        return self.typed.task in presets.FORECASTS

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """The names of the variables."""

    @property
    @abstractmethod
    def dt(self) -> float:
        """The time between two steps."""

    @property
    @abstractmethod
    def attributes(self) -> dict[str, Any]:
        """The attributes of samples; see `files.py`."""

    @property
    def length(self) -> int:
        """Steps of a sample."""
        return self.typed.history + self.typed.leads if self.forecasts else self.options["window"]

    @property
    def spec(self) -> SequenceSpec:
        """Sequences; scaled by one mean and one standard deviation, or by those of each variable."""
        outputs = ("x",) if self.ring else self.names
        inputs, known = STATE if self.forecasts else GROUPS, self._statistics
        return SequenceSpec(
            name=self.typed.name,
            input_channels=tuple(f"{channel}{output}" for channel in inputs.values() for output in outputs),
            groups=tuple((group, len(outputs)) for group in inputs),
            output_channels=outputs,
            grid=(self.length, len(self.names) if self.ring else 1),
            whole=True,
            scaling=Scaling(mean=known["mean"], std=known["std"]) if known and not self.scale_each else Scaling(),
            context_steps=self.typed.history if self.forecasts else 0,
            dt=self.dt,
            dynamics=self.dynamics,
        )

    @property
    def truth(self) -> Sequence[str]:
        """All variables together."""
        return ("state",)

    def check_windows(self) -> None:
        """Refuse options of windows and their observations that cannot work, in one sentence each."""
        options = self.options
        resampled = options["resample_observations"]
        self.typed.check(resampled=resampled)
        if not self.forecasts:
            self.observings.check(self.names, self.length)
            if resampled and self.observing.noise_per == "series":
                raise Refusal(
                    "data.resample_observations=true gives each window noise of its own: "
                    "type data.resample_observations=false"
                )
        else:
            self.observing.check_noise()
        self._make_starts(np.random.RandomState(options["seed"]))

    # --- samples -----------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Make the series, or read it; then observe its windows."""
        if self._samples:
            return
        self.check()
        self._series = self._make_series()
        rng = np.random.RandomState(self.options["seed"])  # the courses' own: windows, then noise
        self._starts = self._make_starts(rng)
        truth = {split: windows.cut(self._series, starts, self.length) for split, starts in self._starts.items()}
        noise = windows.noise_by_split(
            rng,
            variance=self.observing.noise_variance,
            of_series=self.observing.noise_per == "series",
            series=self._series,
            starts=self._starts,
            length=self.length,
        )
        if self.observing.noise_on == "all":
            self._series, truth, noise = windows.measured(self._series, self._starts, truth, noise)
        if not self._statistics:
            self._statistics = windows.statistics_of(truth["train"], self.names, of_each=self.scale_each)
        self._samples = {split: self._observed(split, truth[split], noise[split]) for split in SPLITS}

    @abstractmethod
    def _make_series(self) -> np.ndarray:
        """Return the series (steps, N)."""

    @abstractmethod
    def _make_starts(self, rng: np.random.RandomState) -> dict[str, np.ndarray]:
        """Return, by split, the step at which each window begins, (windows,); Refusal where they do not fit."""

    def _observed(self, split: str, truth: np.ndarray, noise: np.ndarray | float) -> xr.Dataset:
        """Return the samples of a truth (windows, T, N)."""
        if self.forecasts:
            fields = {"given": (truth + noise)[:, : self.typed.history], "state": truth[:, self.typed.history :]}
        else:
            starts, allowed = torch.from_numpy(self._starts[split]), self._allowed(self.observing)
            generator = torch.Generator().manual_seed(self._seed(PATTERNS, SPLITS.index(split)))
            seen = self.observing.seen(starts, self.length, allowed, generator).numpy()
            fields = {"state": truth, "observations": np.where(seen, truth + noise, np.nan)}
        return self._dataset(fields)

    def _dataset(self, fields: Mapping[str, np.ndarray]) -> xr.Dataset:
        return files.dataset(fields, names=self.names, dt=self.dt, forecast=self.forecasts, attrs=self.attributes)

    def _draws(self) -> Iterator[xr.Dataset]:
        """Yield the training split as often as data.first_guess.observation_draws says: with its own observations,
        then observed anew; with several observings, anew each time."""
        train, several = self.samples("train"), self.observings.several
        if not several:
            yield train
        truth, starts = train.state.values, torch.from_numpy(self._starts["train"])
        variances = self.observings.variances(numbers := torch.arange(len(starts))).double().numpy()
        for draw in range(0 if several else 1, self._guesses.draws):
            seed = self._seed(DRAWS, draw)
            noise = np.sqrt(variances)[:, None, None] * np.random.default_rng(seed).standard_normal(truth.shape)
            of_seed = torch.Generator().manual_seed(seed)
            seen = self.observings.seen(numbers, starts, self.length, self._allowed, of_seed).numpy()
            observed = self._dataset({"state": truth, "observations": np.where(seen, truth + noise, np.nan)})
            yield observed.assign(noise_variance=("sample", variances)) if several else observed

    def _allowed(self, observing: Observing) -> Tensor:
        """Return, bool (N,), the variables that may be observed."""
        return observing.allowed(self.names, torch.Generator().manual_seed(self._seed(COMPONENTS, 0)))

    def _seed(self, kind: int, number: int) -> int:
        return int(np.random.SeedSequence((self.options["seed"], kind, number)).generate_state(1, np.uint64)[0])

    def checksum(self) -> str:
        """A digest of the series and of all options."""
        self.prepare()
        total = hashlib.sha256(json.dumps(files.as_first_named(self.attributes), sort_keys=True).encode())
        total.update(self._series.tobytes())
        return total.hexdigest()[:12]

    @property
    def statistics(self) -> dict[str, float]:
        """Mean and standard deviation of the training truth, and the mean of each variable; if each is scaled by
        itself, its standard deviation, too."""
        return dict(self._statistics)

    def use_statistics(self, statistics: Mapping[str, float]) -> None:
        """Scale with the statistics of the training samples."""
        each = ("mean", "std") if self.scale_each else ("mean",)
        needed = {"mean", "std", *(f"{key}_{name}" for key in each for name in self.names)}
        if not needed <= set(statistics):
            raise Refusal(
                f"the network was not trained on data={self.typed.name}: type the data that it was trained with"
            )
        self._statistics = dict(statistics)

    def samples(self, split: str) -> xr.Dataset:
        """The split; its observations are the same each time."""
        self.prepare()
        return self._samples[split]

    def read(self, path: Path) -> xr.Dataset:
        """A user's own windows, of any length; see `own_files.py`."""
        return own_files.read(
            path,
            names=self.names,
            dt=self.dt,
            forecast=self.typed.history if self.forecasts else 0,
            attrs=self.attributes,
        )

    # --- tensors -----------------------------------------------------------------------------------------------

    @property
    def _tensors(self) -> SequenceTensors:
        known = self._statistics
        fill = [known["mean"] if self.ring else known[f"mean_{name}"] for name in self.names]
        mean, std = known["mean"], known["std"]
        if self.scale_each:
            mean, std = (torch.tensor([known[f"{key}_{name}"] for name in self.names]) for key in ("mean", "std"))
        return SequenceTensors(self.ring, mean, std, torch.tensor(fill, dtype=torch.float64))

    def encode(self, samples: xr.Dataset, *, halo: int, device: torch.device | str) -> Iterator[Batch]:
        """At most MAX_BATCH_ELEMENTS values at a time."""
        assert halo == 0, "sequences have no cells around them"
        tensors, known = self._tensors, "given" if self.forecasts else "observations"
        together = max(1, MAX_BATCH_ELEMENTS // (len(self.names) * samples[known].shape[1]))
        guesses = self._guesses.of(samples)
        for first in range(0, samples.sizes["sample"], together):
            some = samples.isel(sample=slice(first, first + together))
            inputs = on_device(some[known].values, device)
            if "state" in some:
                state = on_device(some.state.values, device)
            else:  # scaled, it is zero
                steps = samples.sizes.get("lead", self.typed.leads) if self.forecasts else inputs.shape[1]
                state = torch.zeros((len(inputs), steps, len(self.names)), device=device) + tensors.mean_of(inputs)
            if self.forecasts:
                yield tensors.forecast(inputs, state)
            else:
                guess = None if guesses is None else on_device(guesses[first : first + together], device)
                yield tensors.assimilation(inputs, state, guess)

    def stream(self, *, halo: int, batch_size: int, seed: int, device: torch.device | str) -> Stream:
        """Every training window once in an epoch; with data.resample_observations, observed anew each time, or, with a
        method of data.first_guess, as one of its draws."""
        assert halo == 0, "sequences have no cells around them"
        train, tensors, make = self.samples("train"), self._tensors, training_batches
        resampled = self.options["resample_observations"]
        if self.forecasts and not resampled:
            batch = partial(make.with_known_steps, tensors=tensors, known=on_device(train.given.values, device))
        elif not self.forecasts and (self._guesses.method is not None or not resampled):
            drawn = self._guesses.with_observations(self._draws(), device)
            batch = partial(make.with_known_observations, tensors=tensors, **drawn)
        elif self.forecasts:
            history, variance = self.typed.history, self.observing.noise_variance
            batch = partial(make.with_new_noise, tensors=tensors, history=history, variance=variance)
        else:
            how = {"observings": self.observings, "allowed": self._allowed}
            batch = partial(make.with_new_observations, tensors=tensors, **how)
        return SequenceStream(
            series=on_device(self._series, device),
            starts=torch.from_numpy(self._starts["train"]).to(device),
            length=self.typed.history + self.typed.rollout if self.forecasts else self.length,
            make=batch,
            batch_size=batch_size,
            seed=seed,
        )

    def to_physical(self, prediction: Tensor, samples: xr.Dataset | None) -> np.ndarray:
        """Return a prediction (sample, C, T, X) as states (sample, time or lead, variable), float64."""
        return self._tensors.physical(prediction.detach().cpu()).numpy()

    def physical_graph(self, *, halo: int, samples: xr.Dataset | None) -> graph.SequenceGraph:
        """The graph of `graph.py`."""
        leads = self.typed.leads if self.forecasts else None
        guess = None if self._guesses.method is None else self._guesses.of
        return graph.SequenceGraph(self._tensors, leads=leads, variables=self.names, dt=self.dt, guess=guess)
