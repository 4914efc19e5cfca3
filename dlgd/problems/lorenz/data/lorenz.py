"""The systems of Lorenz of 1963 and 1996: data=lorenz63, data=lorenz96; see `source.py`."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from dlgd.core import cache
from dlgd.core.contract import DataSource
from dlgd.core.options import from_keywords
from dlgd.core.paths import cache_folder
from dlgd.physics.integrators import Dynamics
from dlgd.physics.lorenz import Lorenz63, Lorenz96
from dlgd.physics.systems import attributes_of
from dlgd.problems.lorenz.data import files, presets
from dlgd.problems.lorenz.data.options import LorenzOptions
from dlgd.problems.lorenz.data.series import Plan
from dlgd.problems.lorenz.data.source import Sequences

log = logging.getLogger(__name__)


class Lorenz(Sequences):
    """Windows of one series of a system; see `LorenzOptions` for the options."""

    dynamics: Dynamics
    typed: LorenzOptions

    def __init__(self, options: LorenzOptions, dynamics: Dynamics) -> None:
        self.system = str(attributes_of(dynamics)["system"])
        self.preset, chosen = presets.choose(self.system, options.preset, options.task, options.of_preset)
        super().__init__(options, chosen, dynamics)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the variables."""
        return tuple(f"x{i}" for i in range(self.dynamics.size)) if self.ring else ("x", "y", "z")

    @property
    def dt(self) -> float:
        """The time between two steps, in time units of the equations."""
        return self.options["dt"]

    @property
    def plan(self) -> Plan:
        """The options of the series and of its windows."""
        keys = ("dt", "stride", "gap", "seed")
        return Plan(length=self.length, counts=self.options["samples"], **{key: self.options[key] for key in keys})

    @property
    def attributes(self) -> dict[str, Any]:
        """The attributes of samples and of the cached series; see `files.py`."""
        return files.attributes(self.typed, self.options, self.preset, self.dynamics)

    def check(self) -> None:
        """Refuse options that cannot work, in one sentence each."""
        presets.check(self.options)
        self.check_windows()

    def _make_series(self) -> np.ndarray:
        """Return the series (steps, N), from the cache if its file has the same attributes."""

        def make() -> xr.Dataset:
            log.info("data=%s: integrating", self.typed.name)
            series = self.preset.recipe.run(self.dynamics, self.plan)
            state = (("step", "variable"), series, {"long_name": "true values", "units": "1"})
            return xr.Dataset({"state": state}, {"variable": list(self.names)}, self.attributes)

        if self.typed.in_memory:
            return make().state.values
        folder = cache.folder_for(cache_folder(), self.typed.name, files.cache_key(self.attributes, self.dynamics))
        with cache.lock(folder):
            return cache.get(folder / "series.nc", make).state.values

    def _make_starts(self, rng: np.random.RandomState) -> dict[str, np.ndarray]:
        return self.preset.recipe.starts(self.plan, rng)

    def _small(self) -> dict[str, Any]:
        """Options of `tiny`: the same observations in sixteen windows that are long enough to hold some of them.

        The series is that of a twin experiment where the data set has one, else one run.
        """
        twin = bool(self.preset.recipe.attributes(self.dynamics))
        observations = self.options["observations"]
        window = min(self.options["window"], max(64, 2 * sum(self.observing.edges) + 4 * observations["every"]))
        counts = {"train": 16, "valid": 4, "test": 4}
        small = {"preset": self.typed.preset if twin else "none", "window": window, "samples": counts}
        small |= {key: self.options[key] for key in ("dt", "observations", "resample_observations", "seed")}
        return small | {"stride": None, "gap": None, "first_guess": {}, "more_observings": {}, "in_memory": True}


@dataclass(frozen=True, kw_only=True)
class Lorenz63Options(LorenzOptions):
    """sigma, rho, beta: the parameters of the equations, without unit, as Lorenz (1963) calls them."""

    sigma: float
    rho: float
    beta: float


@from_keywords(Lorenz63Options)
class Lorenz63Data(Lorenz):
    """Three variables, which are the channels. See `Lorenz63Options`."""

    ring = False

    def __init__(self, options: Lorenz63Options) -> None:
        super().__init__(options, Lorenz63(sigma=options.sigma, rho=options.rho, beta=options.beta))

    def tiny(self) -> DataSource:
        """Sixteen windows for training."""
        return Lorenz63Data(**(vars(self.typed) | self._small()))


@dataclass(frozen=True, kw_only=True)
class Lorenz96Options(LorenzOptions):
    """size: number of variables on the circle. forcing: F of the equations of Lorenz (1996); 8 is chaotic."""

    size: int
    forcing: float


@from_keywords(Lorenz96Options)
class Lorenz96Data(Lorenz):
    """Variables on a circle, which is the axis X. See `Lorenz96Options`."""

    ring = True

    def __init__(self, options: Lorenz96Options) -> None:
        super().__init__(options, Lorenz96(size=options.size, forcing=options.forcing))

    def tiny(self) -> DataSource:
        """Sixteen windows for training."""
        return Lorenz96Data(**(vars(self.typed) | self._small()))
