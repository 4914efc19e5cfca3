"""Ensemble Kalman filters and a smoother, batched over windows or repeated twin experiments.

Each forecasts all members of all experiments in one call and analyses them in one batch. Members are inflated after the
analysis, about their mean, and, if asked, rotated at random: the conventions of DAPPER (Raanes et al. 2024, J. Open
Source Softw. 9, 5150), so that its settings mean the same here.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from dlgd.core import checks
from dlgd.core.contract import DataSource, Method
from dlgd.core.errors import Refusal
from dlgd.problems.lorenz.data.source import Sequences
from dlgd.problems.lorenz.methods.compiled_analysis import rotated_cycles
from dlgd.problems.lorenz.methods.ensemble_run import Diagnostics, Run
from dlgd.problems.lorenz.methods.ensemble_updates import (
    TAPERS,
    perturbed,
    rotation,
    square_root,
    symmetric,
    triangular,
    weights_on_ring,
)
from dlgd.problems.lorenz.methods.windows import Background, Windows, states_of, windows_of
from dlgd.training.device import check_method_device

log = logging.getLogger(__name__)

# numbers of the members of the experiments that run together, with the earlier states that may be corrected
MAX_BATCH_ELEMENTS = 2**23


class Filter(Method):
    """What all of them share.

    members: N, at least 2.
    inflation: factor of the members' departures from their mean after each analysis; 1 changes nothing.
    rotated: whether members are rotated at random after each analysis, which keeps their mean and covariance.
    lag: number of observation times by which an analysis corrects earlier states.
    model_noise: whether members of a stochastic model get its noise, each its own.
    seed: of the initial ensemble, of perturbed observations and of rotations.
    device: cpu or cuda.
    """

    learns = True  # the initial ensemble, where the samples do not say its distribution
    least_members = 2
    rotated = False
    lag = 0
    model_noise = True
    remedy = "more baseline.members, a larger baseline.inflation or baseline=enks"  # where it loses the truth

    def __init__(self, *, kind: str, members: int, inflation: float | None = None, seed: int, device: str) -> None:
        checks.whole_number("baseline.members", members, least=self.least_members)
        if inflation is not None:  # None of filters without it
            checks.number("baseline.inflation", inflation, above=0, hint="1 changes nothing")
        check_method_device(device)
        self.name = f"{kind} {members}" + ("" if inflation is None else f", inflation {inflation:g}")
        self.members, self.inflation = members, 1.0 if inflation is None else inflation
        self.seed, self.device = seed, device
        self._states: Tensor | None = None  # (number, n), of the training split
        self._latest: tuple[xr.Dataset, Diagnostics] | None = None

    def update(self, departures: Tensor, innovation: Tensor, observed: Tensor, generator: torch.Generator) -> Tensor:
        """Return weights from Y (E, N, n) and d (E, n), 0 where `observed` (E, n) is false: see ensemble_updates.

        Filters whose analysis is more than that have an `analyse` of their own.
        """
        raise NotImplementedError

    def fit(self, train: xr.Dataset) -> None:
        """Keep the training states, from which the initial ensemble is drawn."""
        self._states = states_of(train)

    def predict(self, samples: xr.Dataset) -> np.ndarray:
        """Return (sample, time, variable): means of forecasts and, at observed times, analyses; or of a smoother."""
        return self.diagnostics(samples).estimate.cpu().numpy()

    def scores(self, samples: xr.Dataset) -> dict[str, float]:
        """Return rmse_f, rmse_a, spread_f, spread_a and, of a smoother, rmse_s: see `Diagnostics.scores`; of stochastic
        models those of `MemberScores`, too.

        Warns where analyses are worse than the observations that they have seen.
        """
        found = self.diagnostics(samples)
        scores = found.scores(burn_in := float(samples.attrs.get("burn_in", 0.0)), smoothed=self.lag > 0)
        windows = windows_of(samples, self.device)
        error = found.error_where(windows.observed, burn_in)
        if error > windows.noise_variance:
            log.warning(
                "%s is worse than its own observations: where these are, its analyses have a mean squared error of "
                "%.3g, and the observations %.3g: try %s",
                self.name,
                error,
                windows.noise_variance,
                self.remedy,
            )
        return scores

    def error_std(self, samples: xr.Dataset) -> np.ndarray | None:
        """Return the standard deviations of the members, of stochastic models."""
        of_members = self.diagnostics(samples).of_members
        return None if of_members is None else of_members.variance.sqrt().cpu().numpy()

    def ranks(self, samples: xr.Dataset) -> np.ndarray | None:
        """Return the rank histogram (N + 1,) of the truth among the members after analyses, of stochastic models at all
        steps; None without a truth."""
        if "state" not in samples:
            return None
        return self.diagnostics(samples).ranks(float(samples.attrs.get("burn_in", 0.0))).cpu().numpy()

    def diagnostics(self, samples: xr.Dataset) -> Diagnostics:
        """Run all experiments, once for the same samples."""
        if self._latest is None or self._latest[0] is not samples:
            windows, generator = self.windows(samples), torch.Generator().manual_seed(self.seed)
            cycles = windows.observed.any(2).any(0).sum()
            steps = max(1, self.lag) * windows.values.shape[1] / max(1, int(cycles))  # that may be corrected
            count = max(1, int(MAX_BATCH_ELEMENTS / (self.members * windows.dynamics.size * steps)))
            experiments = []
            for rows in (slice(n, n + count) for n in range(0, len(windows.values), count)):
                some = windows.take(rows)
                truth = torch.from_numpy(samples.state.values[rows]).to(some.values) if "state" in samples else None
                experiments.append(self.cycles(some, self.first_ensemble(samples, some, generator), generator, truth))
            self._latest = (samples, Diagnostics.joined(experiments))
        return self._latest[1]

    def windows(self, samples: xr.Dataset) -> Windows:
        """Return the observations, and the model with which members are forecast."""
        return windows_of(samples, self.device)

    def first_ensemble(self, samples: xr.Dataset, windows: Windows, generator: torch.Generator) -> Tensor:
        """Draw members (E, N, n) from the distribution of the initial state, or among the training states."""
        background, count = Background.of_samples(samples), len(windows.values)
        if background is not None:
            ensemble = background.draw(count, self.members, generator)
        elif self._states is None:
            raise ValueError(f"{self.name} answers only after fit")
        else:
            ensemble = self._states[torch.randint(len(self._states), (count, self.members), generator=generator)]
        return ensemble.to(windows.values)

    @torch.no_grad()
    def cycles(
        self, windows: Windows, ensemble: Tensor, generator: torch.Generator, truth: Tensor | None = None
    ) -> Diagnostics:
        """Forecast and analyse in turn, from the ensemble (E, N, n) at the first step to the last step."""
        noise = generator if self.model_noise else None
        run = Run(windows, ensemble, lag=self.lag, truth=truth, noise=noise)
        for step in windows.observed.any(2).any(0).nonzero()[:, 0].tolist():
            self.refuse_infinite(run.forecast(step), step)
            self.analyse(run, generator)
        return run.finish()

    def analyse(self, run: Run, generator: torch.Generator) -> None:
        """Correct the members at the latest step of the run by its observations."""
        departures, innovation, observed = run.seen(run.members)
        analysis = run.analyse(self.update(departures, innovation, observed, generator))
        run.go_on_with(self.spread_out(analysis, observed, generator))

    def refuse_infinite(self, ensemble: Tensor, step: int) -> None:
        """Refuse members that have left the range of numbers."""
        if not torch.isfinite(ensemble).all():
            raise Refusal(f"The members of {self.name} are not finite any more at step {step}: try {self.remedy}")

    def spread_out(self, analysis: Tensor, observed: Tensor, generator: torch.Generator) -> Tensor:
        """Return the members (E, N, n) inflated where something was observed, and rotated.

        One rotation serves all experiments; it does not change the distribution of each.
        """
        mean = analysis.mean(1, keepdim=True)
        inflation = 1 + (self.inflation - 1) * observed.any(1).to(analysis)
        departures = inflation[:, None, None] * (analysis - mean)
        if self.rotated:
            departures = rotation(self.members, generator).to(departures) @ departures
        return mean + departures


class EnKF(Filter):
    """The stochastic filter, with perturbed observations (Burgers et al. 1998, Mon. Weather Rev. 126, 1719)."""

    def __init__(self, *, members: int, inflation: float, seed: int, device: str, model_noise: bool = True) -> None:
        super().__init__(kind="EnKF", members=members, inflation=inflation, seed=seed, device=device)
        self.model_noise = model_noise

    def update(self, departures: Tensor, innovation: Tensor, observed: Tensor, generator: torch.Generator) -> Tensor:
        """Return the same weights for all variables."""
        return perturbed(departures, innovation, observed, generator)


class ETKF(Filter):
    """The square root filter (Bishop et al. 2001; Hunt et al. 2007, Physica D 230, 112), without localization."""

    def __init__(
        self, *, members: int, inflation: float, rotated: bool, seed: int, device: str, model_noise: bool = True
    ) -> None:
        super().__init__(kind="ETKF", members=members, inflation=inflation, seed=seed, device=device)
        self.rotated, self.model_noise = rotated, model_noise

    @torch.no_grad()
    def cycles(
        self, windows: Windows, ensemble: Tensor, generator: torch.Generator, truth: Tensor | None = None
    ) -> Diagnostics:
        """Forecast and analyse in turn, from the ensemble (E, N, n) at the first step to the last step."""
        if self.rotated and windows.values.device.type == "cpu" and not windows.stochastic:
            return rotated_cycles(windows, ensemble, generator, truth, self.inflation, self.refuse_infinite)
        return super().cycles(windows, ensemble, generator, truth)

    def update(self, departures: Tensor, innovation: Tensor, observed: Tensor, generator: torch.Generator) -> Tensor:
        """Return the same weights for all variables; members that are rotated anyway may have any square root."""
        return triangular(departures, innovation) if self.rotated else symmetric(departures, innovation)


class LETKF(Filter):
    """The square root filter of each variable of a ring with the observations around it (Hunt et al. 2007).

    radius: in variables, the standard deviation of the Gaussian that the taper resembles, or the width of a step.
    taper: how observations count less with their distance, "gaspari_cohn" or "step"; see `weights_on_ring`.
    """

    def __init__(
        self, *, members: int, inflation: float, rotated: bool, radius: float, taper: str, seed: int, device: str
    ) -> None:
        super().__init__(kind="LETKF", members=members, inflation=inflation, seed=seed, device=device)
        checks.choice("baseline.taper", taper, TAPERS)
        checks.number("baseline.radius", radius, above=0, hint="it counts variables on either side")
        self.rotated, self.radius, self.taper = rotated, radius, taper

    def check(self, data: DataSource) -> None:
        """Refuse variables that do not stand on a ring."""
        if isinstance(data, Sequences):
            self._refuse(data.attributes)

    def diagnostics(self, samples: xr.Dataset) -> Diagnostics:
        """Run all experiments; refuses variables that do not stand on a ring."""
        self._refuse(samples.attrs)
        return super().diagnostics(samples)

    def _refuse(self, attributes: Mapping[str, Any]) -> None:
        if "lorenz63" in attributes.get("system", ""):
            raise Refusal("baseline=letkf localizes on a ring of variables: type data=lorenz96, or baseline=etkf")

    def update(self, departures: Tensor, innovation: Tensor, observed: Tensor, generator: torch.Generator) -> Tensor:
        """Return weights for each variable."""
        size = departures.shape[-1]
        tapered = weights_on_ring(size, self.radius, self.taper).to(departures)  # (variable, observation)
        local = departures[:, None] * tapered[:, None]  # (E, variable, N, observation)
        return square_root(local @ departures.mT[:, None], (local @ innovation[:, None, :, None])[..., 0])


class EnKS(Filter):
    """The ensemble smoother (Evensen and van Leeuwen 2000, Mon. Weather Rev. 128, 1852) on top of a filter.

    update: of the filter, "stochastic" or "square_root".
    lag: number of observation times before an analysis from which on it corrects the states.
    Members are never rotated, which would break their link with earlier states.
    """

    def __init__(
        self,
        *,
        update: str,
        members: int,
        inflation: float,
        lag: int,
        seed: int,
        device: str,
        model_noise: bool = True,
    ) -> None:
        super().__init__(kind="EnKS", members=members, inflation=inflation, seed=seed, device=device)
        self.model_noise = model_noise
        checks.whole_number("baseline.lag", lag, least=1)
        checks.choice("baseline.update", update, ("stochastic", "square_root"))
        self.lag, self._stochastic = lag, update == "stochastic"

    def update(self, departures: Tensor, innovation: Tensor, observed: Tensor, generator: torch.Generator) -> Tensor:
        """Return the same weights for all variables."""
        if self._stochastic:
            return perturbed(departures, innovation, observed, generator)
        return symmetric(departures, innovation)
