"""The particle filter: members with weights, batched over experiments."""

from __future__ import annotations

import torch
from torch import Tensor

from dlgd.core import checks
from dlgd.physics.integrators import trajectory
from dlgd.problems.lorenz.methods.ensemble import Filter
from dlgd.problems.lorenz.methods.ensemble_run import Diagnostics
from dlgd.problems.lorenz.methods.windows import Windows

LEAST_EFFECTIVE = 1.5  # number of particles of whose weights a spread is made


class ParticleFilter(Filter):
    """The bootstrap filter (Gordon et al. 1993, IEE Proc. F 140, 107), regularized (Musso et al. 2001).

    Weights are multiplied by the likelihood of the observations. Where few particles have most of the weight, they are
    resampled systematically, and copies are moved at random so that they part although the model is exact. The answer
    is the weighted mean, of an analysis before the resampling. It assumes no Gaussian, but needs a number of particles
    that grows exponentially with the number of variables: choose another method for Lorenz-96.

    members: number of particles, at least 2.
    jitter: standard deviation of a copy's move, in those of the particles times N^(-1 / (n + 4)), Scott's bandwidth
        of a kernel estimate of a density (`reg` of DAPPER); 0 for none.
    resample_below: share of N, in (0, 1], below which an effective number of particles 1 / sum w^2 leads to resampling
        (`NER` of DAPPER).
    """

    remedy = "more baseline.members or another baseline.jitter"

    def __init__(self, *, members: int, jitter: float, resample_below: float, seed: int, device: str) -> None:
        super().__init__(kind="particle filter", members=members, seed=seed, device=device)
        checks.number("baseline.jitter", jitter, least=0)
        checks.number("baseline.resample_below", resample_below, above=0, most=1)
        self.jitter, self.resample_below = jitter, resample_below

    @torch.no_grad()
    def cycles(
        self, windows: Windows, ensemble: Tensor, generator: torch.Generator, truth: Tensor | None = None
    ) -> Diagnostics:
        """Forecast and analyse in turn, from particles (E, N, n) of equal weights at the first step to the last."""
        diagnostics, stops = Diagnostics.empty(windows, self.members, truth), windows.observed.any(2).any(0)
        stops[-1] = True
        log_weights, now = torch.zeros_like(ensemble[..., 0]), 0
        diagnostics.add("forecast", ensemble[None], 0)
        for step in stops.nonzero()[:, 0].tolist():
            if step > now:
                path = trajectory(windows.dynamics, ensemble, windows.dt, step - now)[1:]
                diagnostics.add("forecast", path, now + 1, log_weights.softmax(1))
                ensemble, now = path[-1], step
            self.refuse_infinite(ensemble, step)
            observed = windows.observed[:, step]
            if not observed.any():  # the last step
                break
            misfit = (windows.values[:, step, None] - ensemble) ** 2 / windows.noise_variance
            log_weights = log_weights - (misfit * observed[:, None]).sum(2) / 2
            weights = log_weights.softmax(1)
            diagnostics.add_analysis(ensemble, step, weights)
            few = 1 / weights.square().sum(1) < self.resample_below * self.members
            if few.any():
                ensemble = torch.where(few[:, None, None], self.resampled(ensemble, weights, generator), ensemble)
                log_weights = torch.where(few[:, None], 0.0, log_weights)
        seen = diagnostics.analysed[..., None]
        diagnostics.estimate = torch.where(seen, diagnostics.analysis_mean, diagnostics.forecast_mean)
        return diagnostics

    def resampled(self, ensemble: Tensor, weights: Tensor, generator: torch.Generator) -> Tensor:
        """Return particles (E, N, n) of equal weights; each but the first copy of one is moved.

        Where one particle has nearly all the weight, the weights tell no spread: copies move by that of all particles,
        else they would be one particle for ever.
        """
        count, members, size = ensemble.shape
        start = torch.rand(count, 1, generator=generator, dtype=torch.float64).to(ensemble)
        places = (start + torch.arange(members).to(ensemble)) / members
        chosen = torch.searchsorted(weights.cumsum(1), places).clamp(max=members - 1)
        copy = torch.zeros_like(chosen, dtype=torch.bool)
        copy[:, 1:] = chosen[:, 1:] == chosen[:, :-1]
        concentrated = weights.square().sum(1, keepdim=True)
        shares = torch.where(concentrated < 1 / LEAST_EFFECTIVE, weights / (1 - concentrated), 1 / members)
        departures = ensemble - weights[:, None] @ ensemble
        values, vectors = torch.linalg.eigh(departures.mT @ (shares[..., None] * departures))
        root = self.jitter * members ** (-1 / (size + 4)) * values.clamp_min(0).sqrt()[:, :, None] * vectors.mT
        drawn = torch.randn(ensemble.shape, generator=generator, dtype=torch.float64).to(ensemble)
        kept = ensemble.gather(1, chosen[..., None].expand_as(ensemble))
        return kept + copy[..., None] * (drawn @ root)
