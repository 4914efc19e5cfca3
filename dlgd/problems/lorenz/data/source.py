"""What data=lorenz63 and data=lorenz96 share; see `lorenz.py`.

data.task says what is asked: `assimilate`, a trajectory from some of its values, with noise; `forecast`, the steps that
follow known ones; `identify`, the same from which a method shall find the equations. Samples are described at the head
of `files.py`; their attributes are system, its parameters (see `dlgd.physics.systems`), task, dt, name,
preset, noise_variance, burn_in (time units that scores leave out), every option, and, where first states were drawn,
background_mean (a number for each variable) and background_variance.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from dlgd.core import cache, checks
from dlgd.core.constants import SPLITS
from dlgd.core.contract import Batch, DataSource, Scaling, Stream
from dlgd.core.errors import Refusal
from dlgd.core.paths import cache_folder
from dlgd.core.specs import SequenceSpec
from dlgd.physics.integrators import Dynamics
from dlgd.physics.systems import attributes_of
from dlgd.problems.lorenz.data import files, presets
from dlgd.problems.lorenz.data.observations import Observing
from dlgd.problems.lorenz.data.options import LorenzOptions
from dlgd.problems.lorenz.data.series import Plan
from dlgd.problems.lorenz.data.stream import SequenceStream
from dlgd.problems.lorenz.data.tensors import GROUPS, STATE, SequenceTensors

log = logging.getLogger(__name__)

MAX_BATCH_ELEMENTS = 1_000_000  # values of the truth that are encoded as one batch
PATTERNS, COMPONENTS = range(2)  # keep the draws of one seed apart


class Lorenz(DataSource):
    """See conf/data/lorenz63.yaml for the options: `typed` are those of the data set, `options` those that a preset has
    too, with the preset's values where nothing was typed.

    ring: whether the variables stand on a circle.
    """

    ring: bool

    def __init__(self, options: LorenzOptions, dynamics: Dynamics) -> None:
        self.typed, self.dynamics = options, dynamics
        self.system = str(attributes_of(dynamics)["system"])
        self.preset, self.options = presets.choose(self.system, options.preset, options.task, options.of_preset)
        self.observing = Observing(**self.options["observations"])
        self._series = np.empty((0, dynamics.size))
        self._starts: dict[str, np.ndarray] = {}
        self._samples: dict[str, xr.Dataset] = {}
        self._statistics: dict[str, float] = {}

    # --- what is known before any work -----------------------------------------------------------------------

    @property
    def forecasts(self) -> bool:
        """Whether later steps are asked for, not the observed ones."""
        return self.typed.task in presets.FORECASTS

    @property
    def names(self) -> tuple[str, ...]:
        """Of the variables."""
        return tuple(f"x{i}" for i in range(self.dynamics.size)) if self.ring else ("x", "y", "z")

    @property
    def length(self) -> int:
        """Steps of a sample."""
        return self.typed.history + self.typed.leads if self.forecasts else self.options["window"]

    @property
    def plan(self) -> Plan:
        """What the recipe is asked for."""
        keys = ("dt", "stride", "gap", "seed")
        return Plan(length=self.length, counts=self.options["samples"], **{key: self.options[key] for key in keys})

    @property
    def spec(self) -> SequenceSpec:
        """Sequences; scaled by one mean and one standard deviation."""
        outputs = ("x",) if self.ring else self.names
        inputs, known = STATE if self.forecasts else GROUPS, self._statistics
        return SequenceSpec(
            name=self.typed.name,
            input_channels=tuple(f"{channel}{output}" for channel in inputs.values() for output in outputs),
            groups=tuple((group, len(outputs)) for group in inputs),
            output_channels=outputs,
            grid=(self.length, self.dynamics.size if self.ring else 1),
            whole=True,
            scaling=Scaling(mean=known["mean"], std=known["std"]) if known else Scaling(),
            context_steps=self.typed.history if self.forecasts else 0,
            dt=self.options["dt"],
            dynamics=self.dynamics,
        )

    @property
    def truth(self) -> Sequence[str]:
        """All variables together."""
        return ("state",)

    @property
    def attributes(self) -> dict[str, Any]:
        """Of samples and of the cached series; see the head of this file."""
        options = {key: value for key, value in self.options.items() if key != "observations"}
        options |= {f"observations_{key}": value for key, value in self.options["observations"].items()}
        options |= {f"samples_{split}": count for split, count in options.pop("samples").items()}
        own = {
            "name": self.typed.name,
            "task": self.typed.task,
            "preset": self.typed.preset,
            "burn_in": self.preset.burn_in,
        }
        own |= {"history": self.typed.history, "rollout": self.typed.rollout, "leads": self.typed.leads}
        own |= {"noise_variance": self.observing.noise_variance}
        found = attributes_of(self.dynamics) | own | options | self.preset.recipe.attributes(self.dynamics)
        return {key: _writable(value) for key, value in found.items()}

    def check(self) -> None:
        """Refuse options that cannot work, in one sentence each."""
        options = self.options
        checks.number("data.dt", options["dt"], above=0)
        for key in ("window", "stride"):
            checks.whole_number(f"data.{key}", options[key], least=1)
        checks.whole_number("data.gap", options["gap"], least=0)
        checks.whole_number("data.seed", options["seed"], least=0, most=2**32 - 1)
        for split in SPLITS:
            checks.whole_number(f"data.samples.{split}", options["samples"][split], least=1)
        for key in ("history", "rollout", "leads"):
            checks.whole_number(f"data.{key}", getattr(self.typed, key), least=1)
        if self.typed.rollout > self.typed.leads:
            raise Refusal(f"data.rollout={self.typed.rollout} must be at most data.leads={self.typed.leads}")
        if not self.forecasts:
            self.observing.check(self.names, self.length)
            if options["resample_observations"] and self.observing.noise_per == "series":
                raise Refusal(
                    "data.resample_observations=true gives each window noise of its own: "
                    "type data.resample_observations=false"
                )
        else:
            checks.number("data.observations.noise_variance", self.observing.noise_variance, least=0)
        self.preset.recipe.starts(self.plan, np.random.RandomState(options["seed"]))

    # --- samples -----------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Integrate, or read what was; then observe."""
        self.check()
        if self._samples:
            return
        self._series = self._kept_series()
        rng = np.random.RandomState(self.options["seed"])  # the courses' own: windows first, then noise
        self._starts = self.preset.recipe.starts(self.plan, rng)
        truth = {split: self._windows(starts) for split, starts in self._starts.items()}
        if not self._statistics:
            self._statistics = _moments(truth["train"], self.names)
        noise = self._noise(rng)
        self._samples = {split: self._observed(split, truth[split], noise[split]) for split in SPLITS}

    def _kept_series(self) -> np.ndarray:
        """(steps, N); from the cache, where each file says by its attributes how it was made."""

        def make() -> xr.Dataset:
            log.info("data=%s: integrating", self.typed.name)
            series = self.preset.recipe.run(self.dynamics, self.plan)
            state = (("step", "variable"), series, {"long_name": "true values", "units": "1"})
            return xr.Dataset({"state": state}, {"variable": list(self.names)}, self.attributes)

        if self.typed.in_memory:
            return make().state.values
        folder = cache.folder_for(cache_folder(), self.typed.name, self.attributes | {"format": 1})
        with cache.lock(folder):
            return cache.get(folder / "series.nc", make).state.values

    def _windows(self, starts: np.ndarray) -> np.ndarray:
        """(windows, T, N)."""
        return self._series[starts[:, None] + np.arange(self.length)]

    def _noise(self, rng: np.random.RandomState) -> dict[str, np.ndarray | float]:
        """By split (windows, T, N), drawn in the order of the courses: training and validation together, by
        variable.
        """
        std, size = np.sqrt(self.observing.noise_variance), self.dynamics.size
        if std == 0:
            return dict.fromkeys(SPLITS, 0.0)
        if self.observing.noise_per == "series":
            series = std * rng.standard_normal(self._series.shape)
            return {split: series[starts[:, None] + np.arange(self.length)] for split, starts in self._starts.items()}
        train, valid, test = (len(self._starts[split]) for split in SPLITS)
        known, unknown = (
            std * rng.standard_normal((count, size, self.length)).swapaxes(1, 2) for count in (train + valid, test)
        )
        return {"train": known[:train], "valid": known[train:], "test": unknown}

    def _observed(self, split: str, truth: np.ndarray, noise: np.ndarray | float) -> xr.Dataset:
        """Samples of a truth (windows, T, N)."""
        if self.forecasts:
            fields = {"given": (truth + noise)[:, : self.typed.history], "state": truth[:, self.typed.history :]}
        else:
            generator = torch.Generator().manual_seed(self._number(PATTERNS, SPLITS.index(split)))
            starts = torch.from_numpy(self._starts[split])
            seen = self.observing.seen(starts, self.length, self._allowed, generator).numpy()
            fields = {"state": truth, "observations": np.where(seen, truth + noise, np.nan)}
        return files.dataset(
            fields, names=self.names, dt=self.options["dt"], forecast=self.forecasts, attrs=self.attributes
        )

    @property
    def _allowed(self) -> Tensor:
        """Bool (N,): the variables that may be observed."""
        return self.observing.allowed(self.names, torch.Generator().manual_seed(self._number(COMPONENTS, 0)))

    def _number(self, kind: int, number: int) -> int:
        sequence = np.random.SeedSequence((self.options["seed"], kind, number))
        return int(sequence.generate_state(1, np.uint64)[0])

    def checksum(self) -> str:
        """Over the series and all that is done to it."""
        self.prepare()
        total = hashlib.sha256(json.dumps(self.attributes, sort_keys=True).encode())
        total.update(self._series.tobytes())
        return total.hexdigest()[:12]

    @property
    def statistics(self) -> dict[str, float]:
        """Mean and standard deviation of the training truth, and the mean of each variable."""
        return dict(self._statistics)

    def use_statistics(self, statistics: Mapping[str, float]) -> None:
        """Those of the training samples."""
        needed = {"mean", "std", *(f"mean_{name}" for name in self.names)}
        if not needed <= set(statistics):
            raise Refusal(
                f"the network was not trained on data={self.typed.name}: type the data that it was trained with"
            )
        self._statistics = dict(statistics)

    def samples(self, split: str) -> xr.Dataset:
        """The same observations each time."""
        self.prepare()
        return self._samples[split]

    def read(self, path: Path) -> xr.Dataset:
        """A user's own windows, of any length; see the head of `files.py`."""
        return files.read(
            path,
            names=self.names,
            dt=self.options["dt"],
            forecast=self.typed.history if self.forecasts else 0,
            attrs=self.attributes,
        )

    # --- tensors -----------------------------------------------------------------------------------------------

    @property
    def _tensors(self) -> SequenceTensors:
        known = self._statistics
        fill = [known["mean"] if self.ring else known[f"mean_{name}"] for name in self.names]
        return SequenceTensors(self.ring, known["mean"], known["std"], torch.tensor(fill, dtype=torch.float64))

    def encode(self, samples: xr.Dataset, *, halo: int, device: torch.device | str) -> Iterator[Batch]:
        """Many windows at a time, fewer of long ones."""
        assert halo == 0, "sequences have no cells around them"
        tensors, known = self._tensors, "given" if self.forecasts else "observations"
        together = max(1, MAX_BATCH_ELEMENTS // (self.dynamics.size * samples[known].shape[1]))
        for first in range(0, samples.sizes["sample"], together):
            some = samples.isel(sample=slice(first, first + together))
            given = _tensor(some[known].values, device)
            if "state" in some:
                state = _tensor(some.state.values, device)
            else:  # scaled, it is zero
                steps = samples.sizes.get("lead", self.typed.leads) if self.forecasts else given.shape[1]
                state = torch.full((len(given), steps, self.dynamics.size), tensors.mean, device=device)
            yield (tensors.forecast if self.forecasts else tensors.assimilation)(given, state)

    def stream(self, *, halo: int, batch_size: int, seed: int, device: torch.device | str) -> Stream:
        """Every training window once in an epoch; with data.resample_observations, observed anew each time."""
        assert halo == 0, "sequences have no cells around them"
        train = self.samples("train")
        if self.options["resample_observations"]:
            again = self._forecast_again if self.forecasts else self._observe_again
            make = partial(again, tensors=self._tensors, allowed=self._allowed.to(device))
        else:
            known = _tensor(train["given" if self.forecasts else "observations"].values, device)
            make = partial(self._as_given, tensors=self._tensors, known=known)
        return SequenceStream(
            series=_tensor(self._series, device),
            starts=torch.from_numpy(self._starts["train"]).to(device),
            length=self.typed.history + self.typed.rollout if self.forecasts else self.length,
            make=make,
            batch_size=batch_size,
            seed=seed,
        )

    def _as_given(
        self, chosen: Tensor, windows: Tensor, _: torch.Generator, *, tensors: SequenceTensors, known: Tensor
    ) -> Batch:
        given = known.index_select(0, chosen)
        if self.forecasts:
            return tensors.forecast(given, windows[:, self.typed.history :])
        return tensors.assimilation(given, windows)

    def _forecast_again(
        self, chosen: Tensor, windows: Tensor, generator: torch.Generator, *, tensors: SequenceTensors, allowed: Tensor
    ) -> Batch:
        given = self._noisy(windows[:, : self.typed.history], generator)
        return tensors.forecast(given, windows[:, self.typed.history :])

    def _observe_again(
        self, chosen: Tensor, windows: Tensor, generator: torch.Generator, *, tensors: SequenceTensors, allowed: Tensor
    ) -> Batch:
        # of the windows, only their number counts: none shares the noise of the series
        seen = self.observing.seen(chosen, self.length, allowed, generator)
        noisy = self._noisy(windows, generator)
        return tensors.assimilation(torch.where(seen, noisy, torch.nan), windows)

    def _noisy(self, values: Tensor, generator: torch.Generator) -> Tensor:
        noise = torch.randn(values.shape, generator=generator, device=values.device)
        return values + self.observing.noise_variance**0.5 * noise

    def to_physical(self, prediction: Tensor, samples: xr.Dataset | None) -> np.ndarray:
        """(sample, C, T, X) -> (sample, time or lead, variable), float64."""
        return self._tensors.physical(prediction.detach().cpu()).numpy()

    # --- the small version -------------------------------------------------------------------------------------

    def _small(self) -> dict[str, Any]:
        """Options of `tiny`: the same observations of sixteen windows that hold some of them, honest or of a twin
        experiment, whatever the recipe of the whole."""
        twin = bool(self.preset.recipe.attributes(self.dynamics))
        observations = self.options["observations"]
        window = min(self.options["window"], max(64, 2 * sum(self.observing.edges) + 4 * observations["every"]))
        counts = {"train": 16, "valid": 4, "test": 4}
        small = {"preset": self.typed.preset if twin else "none", "window": window, "samples": counts}
        small |= {key: self.options[key] for key in ("dt", "observations", "resample_observations", "seed")}
        return small | {"stride": None, "gap": None, "in_memory": True}


def _tensor(values: np.ndarray, device: torch.device | str) -> Tensor:
    """float32, on the device."""
    return torch.from_numpy(values.astype(np.float32)).to(device)


def _moments(truth: np.ndarray, names: tuple[str, ...]) -> dict[str, float]:
    """Of windows (windows, T, N)."""
    means = truth.mean(axis=(0, 1))
    found = {"mean": float(truth.mean()), "std": float(truth.std())}
    return found | {f"mean_{name}": float(mean) for name, mean in zip(names, means, strict=True)}


def _writable(value: Any) -> Any:
    """As NetCDF attributes can be: text, numbers and lists of numbers."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, list) and value and isinstance(value[0], str):
        return ",".join(value)
    return value
