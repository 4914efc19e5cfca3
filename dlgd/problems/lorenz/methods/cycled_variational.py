"""Cycled 4D-Var: strong-constraint 4D-Var of short windows, one after the other, as a forecasting centre runs it."""

from __future__ import annotations

from dataclasses import replace

import torch
import xarray as xr
from torch import Tensor

from dlgd.core import checks
from dlgd.problems.lorenz.methods.ensemble import Filter
from dlgd.problems.lorenz.methods.ensemble_run import Run
from dlgd.problems.lorenz.methods.least_squares import minimize
from dlgd.problems.lorenz.methods.variational_costs import StrongConstraint
from dlgd.problems.lorenz.methods.windows import Background, Windows


class CycledFourDVar(Filter):
    """Strong-constraint 4D-Var in windows that move by an observation time (Talagrand and Courtier 1987).

    Each analysis looks for the state `lag` observation times ago whose forecast fits the newest observations, near the
    one that the analysis before has left there (`Var4D` of DAPPER). With several members it is an ensemble of 4D-Vars
    (Isaksen et al. 2010): each member has a background of its own, from its own analyses, and perturbed observations;
    the answer is their mean, and their spread that of the errors.

    members: number of analyses, at least 1; one starts from the mean of the initial states, several are drawn.
    background_scale: the covariance of the background in units of that of the climate, for all windows.
    lag: number of observation times in a window, at least 1.
    tolerance: an analysis is done when a step promises to lower its cost, half of chi squared, by less.
    most_steps: largest number of steps of Levenberg-Marquardt, at least 1.
    """

    least_members = 1
    model_noise = False  # strong constraint
    remedy = "another baseline.background_scale or a larger baseline.lag"

    def __init__(
        self,
        *,
        members: int,
        background_scale: float,
        lag: int,
        tolerance: float,
        most_steps: int,
        seed: int,
        device: str,
    ) -> None:
        super().__init__(kind="cycled 4D-Var", members=members, seed=seed, device=device)
        checks.number("baseline.background_scale", background_scale, above=0, hint="1 is the covariance of the climate")
        checks.whole_number("baseline.lag", lag, least=1)
        checks.number("baseline.tolerance", tolerance, above=0)
        checks.whole_number("baseline.most_steps", most_steps, least=1)
        self.background_scale, self.lag = background_scale, lag
        self.tolerance, self.most_steps = tolerance, most_steps
        self._climate: Background | None = None

    def fit(self, train: xr.Dataset) -> None:
        """Learn the climate."""
        super().fit(train)
        self._climate = Background.learnt(train)

    def first_ensemble(self, samples: xr.Dataset, windows: Windows, generator: torch.Generator) -> Tensor:
        """Draw members (E, N, n) as a filter does; one member is the mean."""
        if self._climate is None:
            raise ValueError(f"{self.name} answers only after fit")
        if self.members > 1:
            return super().first_ensemble(samples, windows, generator)
        mean = (Background.of_samples(samples) or self._climate).mean
        return mean.to(windows.values).expand(len(windows.values), 1, -1).contiguous()

    def analyse(self, run: Run, generator: torch.Generator) -> None:
        """Correct the members `lag` observation times ago, and all later ones, by the latest observations."""
        if self._climate is None:
            raise ValueError(f"{self.name} answers only after fit")
        begin, first = run.open()
        latest = run.windows.only(run.step, begin)
        repeated = latest.take(torch.arange(len(first), device=first.device).repeat_interleave(self.members))
        values = repeated.values
        if self.members > 1:
            drawn = torch.randn(first.shape, generator=generator, dtype=torch.float64).to(first)
            noise = latest.noise_variance**0.5 * (drawn - drawn.mean(1, keepdim=True))
            values[:, -1] += noise.flatten(0, 1) * (self.members / (self.members - 1)) ** 0.5
        windows = replace(repeated, values=values)
        background = Background(first.flatten(0, 1), self.background_scale * self._climate.covariance.to(first))
        found = minimize(
            StrongConstraint(windows, background),
            background.mean,
            tolerance=self.tolerance,
            most_steps=self.most_steps,
        )
        run.redo(found.x.view_as(first))
