"""The particle filter: members with weights, batched over experiments."""

from __future__ import annotations

import torch
from torch import Tensor

from dlgd.core import checks
from dlgd.problems.lorenz.methods.ensemble import Filter
from dlgd.problems.lorenz.methods.ensemble_run import Diagnostics
from dlgd.problems.lorenz.methods.ensemble_scores import DRAWN, MemberScores
from dlgd.problems.lorenz.methods.windows import Windows

LEAST_EFFECTIVE = 1.5  # number of particles of whose weights a spread is made


class ParticleFilter(Filter):
    """The bootstrap filter (Gordon et al. 1993, IEE Proc. F 140, 107), regularized (Musso et al. 2001).

    Weights are multiplied by the likelihood of the observations. Where few particles have most of the weight, they are
    resampled systematically, and copies are moved at random so that they part although the model is exact. The answer
    is the weighted mean, of an analysis before the resampling. It assumes no Gaussian, but needs a number of particles
    that grows exponentially with the number of variables: choose another method for Lorenz-96.

    With a lag it is a smoother: particles keep their recent past, which weights and resampling act on, too (Kitagawa
    1996, J. Comput. Graph. Stat. 5, 1).

    members: number of particles, at least 2.
    jitter: standard deviation of a copy's move, in those of the particles times N^(-1 / (n + 4)), Scott's bandwidth
        of a kernel estimate of a density (`reg` of DAPPER); 0 for none.
    resample_below: share of N, in (0, 1], below which an effective number of particles 1 / sum w^2 leads to resampling
        (`NER` of DAPPER).
    lag: number of observation times after a state that correct it; 0 for a filter.
    model_noise: see `Filter`; copies part by it, so that no jitter is needed.
    """

    remedy = "more baseline.members or another baseline.jitter"

    def __init__(
        self,
        *,
        members: int,
        jitter: float,
        resample_below: float,
        seed: int,
        device: str,
        lag: int = 0,
        model_noise: bool = True,
    ) -> None:
        kind = "particle filter" if lag == 0 else "particle smoother"
        super().__init__(kind=kind, members=members, seed=seed, device=device)
        checks.whole_number("baseline.lag", lag, least=0)
        self.lag, self.model_noise = lag, model_noise
        checks.number("baseline.jitter", jitter, least=0)
        checks.number("baseline.resample_below", resample_below, above=0, most=1)
        self.jitter, self.resample_below = jitter, resample_below

    @torch.no_grad()
    def cycles(
        self, windows: Windows, ensemble: Tensor, generator: torch.Generator, truth: Tensor | None = None
    ) -> Diagnostics:
        """Forecast and analyse in turn, from particles (E, N, n) of equal weights at the first step to the last."""
        diagnostics, stops = Diagnostics.empty(windows, self.members, truth), windows.observed.any(2).any(0)
        if windows.stochastic:
            diagnostics.of_members = MemberScores.empty(windows.values, DRAWN)
        stops[-1] = True
        log_weights, recent, begin = torch.zeros_like(ensemble[..., 0]), ensemble[None], 0
        noise, analyses = generator if self.model_noise else None, []
        diagnostics.add("forecast", recent, 0)
        diagnostics.estimate[:, 0] = diagnostics.forecast_mean[:, 0]
        for step in stops.nonzero()[:, 0].tolist():
            now = begin + len(recent) - 1
            if step > now:
                path = windows.forecast(recent[-1], now, step - now, noise=noise)[1:]
                diagnostics.add("forecast", path, now + 1, log_weights.softmax(1))
                diagnostics.estimate[:, now + 1 : step + 1] = diagnostics.forecast_mean[:, now + 1 : step + 1]
                recent = torch.cat((recent, path))
            self.refuse_infinite(recent[-1], step)
            observed = windows.observed[:, step]
            if not observed.any():  # the last step
                break
            analyses.append(step)
            settled = analyses[-1 - self.lag] - begin if len(analyses) > self.lag else 0
            self._describe(diagnostics, recent[:settled], begin, log_weights, generator)
            recent, begin = recent[settled:], begin + settled
            misfit = (windows.values[:, step, None] - recent[-1]) ** 2 / windows.noise_variance
            log_weights = log_weights - (misfit * observed[:, None]).sum(2) / 2
            weights = log_weights.softmax(1)
            diagnostics.add_analysis(recent[-1], step, weights)
            means = (weights[:, None] @ recent)[:, :, 0].movedim(0, 1)
            changed = observed.any(1)[:, None, None]
            diagnostics.estimate[:, begin : step + 1] = torch.where(
                changed, means, diagnostics.estimate[:, begin : step + 1]
            )
            few = 1 / weights.square().sum(1) < self.resample_below * self.members
            if few.any():
                recent = torch.where(few[:, None, None], self.resampled(recent, weights, generator), recent)
                log_weights = torch.where(few[:, None], 0.0, log_weights)
        self._describe(diagnostics, recent, begin, log_weights, generator)
        return diagnostics

    def _describe(
        self, diagnostics: Diagnostics, path: Tensor, begin: int, log_weights: Tensor, generator: torch.Generator
    ) -> None:
        """Score draws among weighted particles (steps, E, N, n) from the step `begin` on, of stochastic models."""
        if diagnostics.of_members is not None and len(path) > 0:
            chosen = systematic(log_weights.softmax(1), DRAWN, generator)
            diagnostics.of_members.add(_gather(path, chosen), begin, diagnostics.truth)

    def resampled(self, path: Tensor, weights: Tensor, generator: torch.Generator) -> Tensor:
        """Return paths (steps, E, N, n) of particles of equal weights; each but the first copy of one is moved at its
        last step.

        Where one particle has nearly all the weight, the weights tell no spread: copies move by that of all particles,
        else they would be one particle for ever.
        """
        ensemble = path[-1]
        members, size = ensemble.shape[1:]
        chosen = systematic(weights, members, generator)
        copy = torch.zeros_like(chosen, dtype=torch.bool)
        copy[:, 1:] = chosen[:, 1:] == chosen[:, :-1]
        concentrated = weights.square().sum(1, keepdim=True)
        shares = torch.where(concentrated < 1 / LEAST_EFFECTIVE, weights / (1 - concentrated), 1 / members)
        departures = ensemble - weights[:, None] @ ensemble
        values, vectors = torch.linalg.eigh(departures.mT @ (shares[..., None] * departures))
        root = self.jitter * members ** (-1 / (size + 4)) * values.clamp_min(0).sqrt()[:, :, None] * vectors.mT
        drawn = torch.randn(ensemble.shape, generator=generator, dtype=torch.float64).to(ensemble)
        kept = _gather(path, chosen)
        kept[-1] += copy[..., None] * (drawn @ root)
        return kept


def systematic(weights: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Return the numbers (E, count), in order, of particles that are drawn by weights (E, N), all with one draw."""
    start = torch.rand(len(weights), 1, generator=generator, dtype=torch.float64).to(weights)
    places = (start + torch.arange(count).to(weights)) / count
    return torch.searchsorted(weights.cumsum(1), places).clamp(max=weights.shape[1] - 1)


def _gather(path: Tensor, chosen: Tensor) -> Tensor:
    """Return the paths (steps, E, count, n) of some particles (E, count) of (steps, E, N, n)."""
    return path.gather(2, chosen[None, :, :, None].expand(len(path), -1, -1, path.shape[3]))
