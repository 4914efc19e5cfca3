"""The posterior mean over a library of simulated states: importance sampling from the attractor.

No estimate has a smaller expected squared error than the mean of the posterior distribution. Where a system is small, a
library of states drawn from its attractor, each followed through the window, is dense enough to compute it: a member of
the library has the weight exp(-chi^2 / 2) of the window's observations. It is the ceiling of a table. It fails where
the attractor has many dimensions, as that of Lorenz-96, or where observations are so exact that few members come near
them: the effective number of members, (sum w)^2 / sum w^2, tells.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from dlgd.core import checks
from dlgd.core.contract import Method
from dlgd.core.errors import Refusal
from dlgd.core.progress import progress
from dlgd.core.score import Score
from dlgd.physics.integrators import Dynamics, advance, trajectory
from dlgd.physics.lorenz import MIRROR, Lorenz63
from dlgd.problems.lorenz.methods.windows import Windows, windows_of
from dlgd.training.device import check_method_device

log = logging.getLogger(__name__)

SPIN_UP = 50.0  # time units from a random state to the attractor
SPACING = 0.05  # time units between two states of one run that begin a member
RUNS = 1000  # integrated together
FEW = 30  # effective members of a window, below which its mean is rough
MEMBERS = 99  # drawn from the posterior for rank histograms
TOGETHER = 2**15  # members that are compared with a window in one step
WINDOWS_TOGETHER = 256
MEAN_ELEMENTS = 2**23  # values of the best members of the windows whose means are computed together


@dataclass(frozen=True)
class Posterior:
    """What the weights give, for B windows."""

    mean: Tensor  # (B, T, n)
    std: Tensor  # (B, T, n)
    effective: Tensor  # (B,), the effective number of members
    below: Tensor | None  # (B, T, n), how many of MEMBERS draws lie below the truth, where that is known


class Library(Method):
    """See the module.

    states: number of members, 1 or more; for Lorenz-63 half of them are mirror images of the others.
    best: the members that count for a window, those with the largest weights, 1 or more, at most `states`.
    seed: of the states from which the runs start, and of draws.
    device: cpu or cuda.
    """

    scores_given = (Score("effective_members", "effective", higher_is_better=None, in_table=False),)

    def __init__(self, *, states: int, best: int, seed: int, device: str) -> None:
        checks.whole_number("baseline.states", states, least=1)
        checks.whole_number("baseline.best", best, least=1, most=states, hint="baseline.states")
        check_method_device(device)
        self.name = f"posterior mean, library of {states:,}"
        self.states, self.best, self.seed, self.device = states, best, seed, device
        self._latest: tuple[xr.Dataset, Posterior] | None = None

    def fit(self, train: xr.Dataset) -> None:
        """Nothing: the library comes from the equations."""

    def predict(self, samples: xr.Dataset) -> np.ndarray:
        """Return posterior means (sample, time, variable)."""
        return self.posterior(samples).mean.numpy()

    def error_std(self, samples: xr.Dataset) -> np.ndarray | None:
        """Return the standard deviations of the posterior, (sample, time, variable)."""
        return self.posterior(samples).std.numpy()

    def scores(self, samples: xr.Dataset) -> dict[str, float]:
        """Return effective_members: the median over the windows."""
        return {"effective_members": float(self.posterior(samples).effective.quantile(0.5))}

    def ranks(self, samples: xr.Dataset) -> np.ndarray | None:
        """Return the rank histogram (MEMBERS + 1,) of the truth among draws of the posterior; None without a truth."""
        below = self.posterior(samples).below
        return None if below is None else np.bincount(below.flatten().numpy(), minlength=MEMBERS + 1)

    def posterior(self, samples: xr.Dataset) -> Posterior:
        """Return the posterior of all windows, computed once for the same samples."""
        if self._latest is None or self._latest[0] is not samples:
            windows = windows_of(samples, self.device)
            if windows.stochastic:
                raise Refusal("baseline=library knows no noise: type baseline=particle, whose weights are those of one")
            if "background_mean" in samples.attrs:
                raise Refusal(
                    "baseline=library knows the attractor alone, but the first states of these samples are drawn from "
                    "a Gaussian distribution: choose another data.preset"
                )
            truth = torch.from_numpy(samples.state.values).to(windows.values) if "state" in samples else None
            self._latest = (samples, self._posterior(windows, truth))
        return self._latest[1]

    @torch.no_grad()
    def _posterior(self, windows: Windows, truth: Tensor | None) -> Posterior:
        members = _Members.simulated(windows.dynamics, windows.dt, windows.values.shape[1], self.states, self.seed)
        members = members.to(windows.values.device)
        generator = torch.Generator(windows.values.device).manual_seed(self.seed)
        found = []
        for first in progress(range(0, len(windows.values), WINDOWS_TOGETHER), f"posterior of {self.states:,} members"):
            rows = slice(first, first + WINDOWS_TOGETHER)
            some = windows.take(rows)
            best = members.nearest(some, self.best)
            count = max(1, MEAN_ELEMENTS // (self.best * some.values[0].numel()))
            for part in (slice(n, n + count) for n in range(0, len(best), count)):
                known = None if truth is None else truth[rows][part]
                found.append(_weighted(members.of(best[part]), some.take(part), known, generator))
        joined = _joined(found)
        few = int((joined.effective < FEW).sum())
        if few > 0:
            log.warning(
                "%s: %d of %d windows have less than %d effective members, so that their posterior means are rough: "
                "take more baseline.states",
                *(self.name, few, len(joined.effective), FEW),
            )
        return joined


@dataclass(frozen=True)
class _Members:
    """Members as windows of runs: member m < M begins at step begins[m % per run] of a run; those from M on are their
    mirror images."""

    runs: Tensor  # (steps, R, n), float32
    begins: Tensor  # (K,), steps
    length: int  # T, steps of a window
    states: int
    sign: Tensor | None  # (n,), of the mirror image

    @classmethod
    def simulated(cls, dynamics: Dynamics, dt: float, length: int, states: int, seed: int) -> _Members:
        """Integrate the runs of as many members as asked for."""
        mirrored = isinstance(dynamics, Lorenz63) and states > 1
        own = -(-states // 2) if mirrored else states
        runs = min(RUNS, own)
        spacing, each = max(1, round(SPACING / dt)), -(-own // runs)
        generator = torch.Generator().manual_seed(seed)
        start = 8.0 + torch.randn(runs, dynamics.size, generator=generator, dtype=torch.float64)
        start = advance(dynamics, start, dt, round(SPIN_UP / dt))
        path = trajectory(dynamics, start, dt, (each - 1) * spacing + length - 1)
        sign = torch.tensor(MIRROR) if mirrored else None
        return cls(path.float(), spacing * torch.arange(each), length, states, sign)

    def to(self, device: torch.device) -> _Members:
        """Return the members on a device."""
        sign = None if self.sign is None else self.sign.to(device)
        return _Members(self.runs.to(device), self.begins.to(device), self.length, self.states, sign)

    def of(self, numbers: Tensor) -> Tensor:
        """Return the trajectories (..., T, n) of members (...)."""
        steps, variables = (torch.arange(n, device=numbers.device) for n in (self.length, self.runs.shape[2]))
        return self._values(numbers[..., None, None], steps[:, None], variables)

    def _values(self, numbers: Tensor, steps: Tensor, variables: Tensor) -> Tensor:
        """Return values of members at steps of their windows; the arguments broadcast."""
        runs = self.runs.shape[1]
        own = runs * len(self.begins)
        original = numbers % own
        values = self.runs[self.begins[original // runs] + steps, original % runs, variables]
        return values if self.sign is None else values * torch.where(numbers < own, 1.0, self.sign[variables])

    def nearest(self, windows: Windows, count: int) -> Tensor:
        """Return the numbers (B, count) of the members with the least chi^2."""
        steps, variables = windows.observed.any(0).nonzero().T
        precision = windows.precision[:, steps, variables]
        centre = self.runs.mean((0, 1))[variables]  # rounding of float32 is then least
        weighted = (precision * (windows.values[:, steps, variables] - centre)).float()
        precision = precision.float()
        if bool((precision == precision[0]).all()):
            precision = precision[:1]
        best = torch.full((len(windows.values), 0), torch.inf, device=weighted.device)
        numbers = torch.zeros_like(best, dtype=torch.int64)
        for some in torch.arange(self.states, device=weighted.device).split(TOGETHER):
            values = self._values(some[:, None], steps, variables) - centre
            chi2 = torch.addmm(precision @ values.square().T, weighted, values.T, alpha=-2.0)
            chi2, among = torch.cat([best, chi2], dim=1), torch.cat([numbers, some.expand(len(best), -1)], dim=1)
            best, places = chi2.topk(min(count, chi2.shape[1]), dim=1, largest=False, sorted=False)
            numbers = among.gather(1, places)
        return numbers


def _weighted(states: Tensor, windows: Windows, truth: Tensor | None, generator: torch.Generator) -> Posterior:
    """Return the posterior over the trajectories (B, N, T, n) of the best members of windows."""
    departures = torch.where(windows.observed[:, None], states - windows.values[:, None], 0.0)
    chi2 = departures.square().sum((2, 3)) / windows.noise_variance
    weights = torch.softmax(-chi2 / 2, dim=1)
    flat = states.double().flatten(2)
    mean = (weights[:, None] @ flat)[:, 0]
    variance = (weights[:, None] @ (flat - mean[:, None]).square())[:, 0]
    below = None
    if truth is not None:
        drawn = torch.multinomial(weights, MEMBERS, replacement=True, generator=generator)
        members = states.gather(1, drawn[..., None, None].expand(-1, -1, *states.shape[2:]))
        below = (members < truth[:, None]).sum(1)
    effective = 1 / weights.square().sum(1)
    shape = states[:, 0].shape
    return Posterior(mean.view(shape), variance.sqrt().view(shape), effective, below)


def _joined(parts: Sequence[Posterior]) -> Posterior:
    below = [part.below for part in parts if part.below is not None]
    return Posterior(
        mean=torch.cat([part.mean for part in parts]).cpu(),
        std=torch.cat([part.std for part in parts]).cpu(),
        effective=torch.cat([part.effective for part in parts]).cpu(),
        below=torch.cat(below).cpu() if below else None,
    )
