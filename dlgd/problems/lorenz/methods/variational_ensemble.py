"""An ensemble of 4D-Vars: samples of what the trajectory may be, whose mean and spread are the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from dlgd.core import checks
from dlgd.problems.lorenz.methods.least_squares import minimize
from dlgd.problems.lorenz.methods.variational import WeakFourDVar
from dlgd.problems.lorenz.methods.variational_costs import WeakConstraint
from dlgd.problems.lorenz.methods.windows import Background, Windows


class FourDVarEnsemble(WeakFourDVar):
    """Weak-constraint 4D-Var of each window, N times (EDA; Isaksen et al. 2010, ECMWF Tech. Memo. 636).

    A window is solved as it is; then N times, from that solution on, with perturbed observations and a perturbed mean
    of the background, as their errors are distributed and with sums of zero over the members. In a linear system the
    members are samples of the posterior (randomized maximum likelihood), and their mean is its mean. The model has no
    error, so it is not perturbed.

    members: N, at least 2.
    annealing, start, background, starts, tolerance, most_steps, seed, device: of each, see `WeakFourDVar`.
    """

    def __init__(
        self,
        *,
        members: int,
        annealing: Sequence[float],
        start: str,
        background: bool,
        starts: int,
        tolerance: float,
        most_steps: int,
        seed: int,
        device: str,
    ) -> None:
        checks.whole_number("baseline.members", members, least=2)
        super().__init__(
            annealing=annealing,
            start=start,
            background=background,
            starts=starts,
            tolerance=tolerance,
            most_steps=most_steps,
            seed=seed,
            device=device,
        )
        self.name, self.members = f"ensemble of {members} 4D-Vars", members
        self._latest: tuple[xr.Dataset, Tensor, Tensor] | None = None

    def predict(self, samples: xr.Dataset) -> np.ndarray:
        """Return the means (sample, time, variable) of the members."""
        return self.mean_and_std(samples)[0].cpu().numpy()

    def error_std(self, samples: xr.Dataset) -> np.ndarray:
        """Return the standard deviations (sample, time, variable) of the members."""
        return self.mean_and_std(samples)[1].cpu().numpy()

    def scores(self, samples: xr.Dataset) -> dict[str, float]:
        """Return spread_a, at the times with an observation, defined as that of filters."""
        seen = samples.observations.notnull().any("variable").values.astype(float)
        seen *= np.arange(seen.shape[1]) * float(samples.attrs["dt"]) >= float(samples.attrs.get("burn_in", 0.0)) - 1e-9
        spread = np.sqrt((self.error_std(samples) ** 2).mean(-1))
        return {"spread_a": float(((spread * seen).sum(1) / seen.sum(1)).mean())}

    def mean_and_std(self, samples: xr.Dataset) -> tuple[Tensor, Tensor]:
        """Return both, (B, T, n), of all windows; minimizes once for the same samples."""
        if self._latest is None or self._latest[0] is not samples:
            windows, prior = self.given(samples)
            generator = torch.Generator().manual_seed(self.seed)
            root = torch.linalg.cholesky(prior.covariance)
            shifts = self._perturbations(len(prior.mean), generator).to(prior.mean) @ root.T
            priors = [Background(prior.mean + shift, prior.covariance) for shift in shifts]
            pairs = [self.ensemble(chunk, prior, priors, generator) for chunk in self.chunks(windows)]
            mean, std = (torch.cat(each) for each in zip(*pairs, strict=True))
            self._latest = (samples, mean, std)
        return self._latest[1:]

    def ensemble(
        self, windows: Windows, prior: Background, priors: Sequence[Background], generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation (B, T, n) of a few windows; each member has a background of its own."""
        control = self.solve(windows, prior).x
        mean, squares = torch.zeros_like(control), torch.zeros_like(control)
        noise = self._perturbations(windows.values.numel(), generator).to(mean) * windows.noise_variance**0.5
        for number, background in enumerate(priors):
            perturbed = replace(windows, values=windows.values + noise[number].view_as(mean) * windows.observed)
            cost = WeakConstraint(perturbed, background if self.background else None, self.annealing[-1])
            found = minimize(cost, control, tolerance=self.tolerance, most_steps=self.most_steps).x
            change = found - mean
            mean = mean + change / (number + 1)
            squares = squares + change * (found - mean)  # Welford 1962
        return mean, (squares / (self.members - 1)).sqrt()

    def _perturbations(self, count: int, generator: torch.Generator) -> Tensor:
        """Return normal numbers (N, count) of variance 1, which sum to 0 over the members."""
        drawn = torch.randn(self.members, count, generator=generator, dtype=torch.float64)
        return (drawn - drawn.mean(0)) * (self.members / (self.members - 1)) ** 0.5
