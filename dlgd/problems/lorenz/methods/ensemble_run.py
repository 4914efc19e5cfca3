"""The course of an ensemble through its windows: forecasts, analyses, their diagnostics and their scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from dlgd.core.errors import Refusal
from dlgd.problems.lorenz.methods.ensemble_scores import MemberScores
from dlgd.problems.lorenz.methods.ensemble_updates import combine
from dlgd.problems.lorenz.methods.windows import Windows


@dataclass
class Diagnostics:
    """Diagnostics of E experiments of N members. Spreads are the root of the mean variance of the variables."""

    members: int
    dt: float
    analysed: Tensor  # bool, (E, T): where there was an analysis
    truth: Tensor | None  # (E, T, n)
    forecast_mean: Tensor  # (E, T, n), at each step, where there is an analysis before it
    analysis_mean: Tensor  # (E, T, n), just after it, 0 where there was none
    estimate: Tensor  # (E, T, n): of analyses and, between them, forecasts; corrected by a smoother within its lag
    forecast_spread: Tensor  # (E, T), just before an analysis
    analysis_spread: Tensor  # (E, T), just after it
    below: Tensor  # int16, (E, T, n): members below the truth, just after an analysis
    of_members: MemberScores | None = None  # at each step, of several members of a stochastic model
    own: Tensor | None = None  # (E, K), the mean of the numbers behind the members' states, at the last step

    @classmethod
    def empty(cls, windows: Windows, members: int, truth: Tensor | None) -> Diagnostics:
        """Return those of experiments before their first step."""
        state, spread = torch.zeros_like(windows.values), torch.zeros_like(windows.values[..., 0])
        return cls(
            members=members,
            dt=windows.dt,
            analysed=windows.observed.any(2),
            truth=truth,
            forecast_mean=state.clone(),
            analysis_mean=state.clone(),
            estimate=state.clone(),
            forecast_spread=spread.clone(),
            analysis_spread=spread.clone(),
            below=torch.zeros_like(windows.values, dtype=torch.int16),
            of_members=MemberScores.empty(windows.values, members) if windows.stochastic and members > 1 else None,
        )

    @classmethod
    def joined(cls, experiments: Sequence[Diagnostics]) -> Diagnostics:
        """Return the diagnostics of all experiments as one."""
        columns = {field.name: [getattr(each, field.name) for each in experiments] for field in fields(cls)}
        joins = {Tensor: torch.cat, MemberScores: MemberScores.joined}
        values: dict[str, Any] = {
            name: joins.get(type(column[0]), lambda same: same[0])(column) for name, column in columns.items()
        }
        return cls(**values)

    def add(self, which: str, path: Tensor, step: int, weights: Tensor | None = None) -> None:
        """Add the means of members (steps, E, N, n) from a step on, and their last spread.

        which: "forecast" or "analysis". weights (E, N): of the members, with a sum of 1; None for equal ones.
        """
        means = path.mean(2, keepdim=True) if weights is None else weights[:, None] @ path
        getattr(self, f"{which}_mean")[:, step : step + len(path)] = means[:, :, 0].movedim(0, 1)
        squares = (path[-1] - means[-1]).square()
        variances = squares.sum(1) if weights is None else self.members * (weights[..., None] * squares).sum(1)
        spread = (variances.mean(1) / max(1, self.members - 1)).sqrt()
        getattr(self, f"{which}_spread")[:, step + len(path) - 1] = spread

    def add_analysis(self, ensemble: Tensor, step: int, weights: Tensor | None = None) -> None:
        """Add members (E, N, n) just after the analysis of a step; weights as in `add`."""
        self.add("analysis", ensemble[None], step, weights)
        if self.truth is not None:
            lower = ensemble < self.truth[:, step, None]
            share = lower.sum(1) if weights is None else (self.members * weights[..., None] * lower).sum(1).round()
            self.below[:, step] = share.to(self.below.dtype)

    def ranks(self, burn_in: float) -> Tensor:
        """Return the rank histogram (N + 1,): how often 0, 1, ..., N members lay below the truth of a variable.

        It counts the analyses from burn_in (a time) on; of stochastic models, all steps.
        """
        if self.of_members is not None:
            return self.of_members.ranks(self._late(burn_in))
        return torch.bincount(self.below[self._scored(burn_in)].flatten().long(), minlength=self.members + 1)

    def scores(self, burn_in: float, *, smoothed: bool) -> dict[str, float]:
        """Return rmse_f and spread_f just before analyses, rmse_a and spread_a just after them, rmse_s of a smoother.

        They are root mean squares over the variables, averaged over the analyses from burn_in (a time) on, then over
        experiments. Raises Refusal where one is not finite.
        """
        if self.truth is None:
            raise Refusal("samples without the truth cannot be scored: choose samples that hold state")
        scored = self._scored(burn_in)
        means = {"f": self.forecast_mean, "a": self.analysis_mean} | ({"s": self.estimate} if smoothed else {})
        values = {f"rmse_{key}": ((mean - self.truth) ** 2).mean(-1).sqrt() for key, mean in means.items()}
        if self.members > 1:
            values |= {"spread_f": self.forecast_spread, "spread_a": self.analysis_spread}
        scores = {key: float(((x * scored).sum(1) / scored.sum(1)).mean()) for key, x in values.items()}
        if self.of_members is not None:
            scores |= self.of_members.scores(self.estimate, self.truth, self._late(burn_in))
        bad = [key for key, score in scores.items() if not math.isfinite(score)]
        if bad:
            raise Refusal(
                f"{', '.join(bad)} of the ensemble are not finite: try a larger "
                "baseline.inflation or more baseline.members"
            )
        return scores

    def error_where(self, observed: Tensor, burn_in: float) -> float:
        """Return the mean squared error of the analyses from burn_in (a time) on, where `observed` (E, T, n)."""
        assert self.truth is not None, "scored before"
        seen = observed & self._scored(burn_in)[..., None]
        return float(((self.analysis_mean - self.truth) ** 2)[seen].mean())

    def _scored(self, burn_in: float) -> Tensor:
        """Return, bool (E, T), the analyses that are scored."""
        scored = self.analysed & self._late(burn_in)
        if not scored.any(1).all():
            raise Refusal(
                f"a window has no observation after its burn-in of {burn_in:g} time units: choose longer windows"
            )
        return scored

    def _late(self, burn_in: float) -> Tensor:
        """Return, bool (T,), the steps from burn_in (a time) on."""
        times = torch.arange(self.analysed.shape[1], device=self.analysed.device).double() * self.dt
        return times >= burn_in - 1e-9


class Run:
    """The members in time: `forecast` to observations, `analyse`, `go_on_with` the inflated members, `finish`.

    Instead of the middle two, iterative methods `open` the analysis, and `redo` the forecast from its first step.
    Members may have numbers of their own behind their n variables, which analyses correct, too.
    """

    def __init__(
        self,
        windows: Windows,
        ensemble: Tensor,
        *,
        lag: int = 0,
        truth: Tensor | None = None,
        noise: torch.Generator | None = None,
    ) -> None:
        """ensemble (E, N, n): at the first step. lag: by how many observation times a state may be corrected later.
        noise: see `Windows.forecast`."""
        self.windows, self.lag, self.noise = windows, lag, noise
        self._size = windows.values.shape[2]
        self.diagnostics = Diagnostics.empty(windows, ensemble.shape[1], truth)
        self._analyses: list[int] = []  # their steps
        self._recent, self._begin = ensemble[None], 0  # (steps, E, N, n): what may be corrected yet, the latest last
        self.diagnostics.add("forecast", self._recent[..., : self._size], 0)

    @property
    def step(self) -> int:
        """The latest step."""
        return self._begin + len(self._recent) - 1

    @property
    def members(self) -> Tensor:
        """(E, N, n): at the latest step."""
        return self._recent[-1]

    def forecast(self, step: int) -> Tensor:
        """Return the members (E, N, n) at this step, which is the latest one or follows it."""
        if step > self.step:
            path = self.windows.forecast(self.members, self.step, step - self.step, noise=self.noise)[1:]
            self.diagnostics.add("forecast", path[..., : self._size], self.step + 1)
            self._recent = torch.cat((self._recent, path))
        return self.members

    def seen(self, ensemble: Tensor, rows: Tensor | slice = slice(None)) -> tuple[Tensor, Tensor, Tensor]:
        """Return Y (E, N, n) and d (E, n) of `ensemble_updates`, and where something is observed at the latest step.

        ensemble (E, N, n): of the experiments `rows`.
        """
        ensemble = ensemble[..., : self._size]
        observed, mean = self.windows.observed[rows, self.step], ensemble.mean(1)
        scale = observed.to(ensemble) / self.windows.noise_variance**0.5
        departures = (ensemble - mean[:, None]) * scale[:, None] / (ensemble.shape[1] - 1) ** 0.5
        return departures, (self.windows.values[rows, self.step] - mean) * scale, observed

    def open(self) -> tuple[int, Tensor]:
        """Begin the analysis of the latest step; return the first step that it corrects, and the members there."""
        self._analyses.append(self.step)
        if len(self._analyses) > self.lag:
            self._settle(self._analyses[-1 - self.lag])
        return self._begin, self._recent[0]

    def analyse(self, weights: Tensor) -> Tensor:
        """Combine the members by the weights of an analysis, with those of earlier steps that may be corrected."""
        self.open()
        self._recent = combine(weights, self._recent)
        return self.members

    def go_on_with(self, ensemble: Tensor) -> None:
        """Start the next forecast from these members (E, N, n), after the analysis of this step."""
        self._recent[-1] = ensemble
        self.diagnostics.add_analysis(ensemble[..., : self._size], self.step)

    def redo(self, ensemble: Tensor) -> None:
        """End an analysis with new members (E, N, n) at its first step, from which they are forecast once more."""
        steps = len(self._recent) - 1
        self._recent = self.windows.forecast(ensemble, self._begin, steps, noise=self.noise)
        self.diagnostics.add_analysis(self.members, self.step)

    def finish(self) -> Diagnostics:
        """Forecast to the last step, and return the diagnostics."""
        self.forecast(self.windows.values.shape[1] - 1)
        if self.members.shape[2] > self._size:
            self.diagnostics.own = self.members[..., self._size :].mean(1)
        self._settle(self.step + 1)
        return self.diagnostics

    def _settle(self, step: int) -> None:
        """Write the estimate before a step, which no later analysis corrects."""
        done, self._recent = self._recent[: step - self._begin], self._recent[step - self._begin :]
        done = done[..., : self._size]
        self.diagnostics.estimate[:, self._begin : step] = done.mean(2).movedim(0, 1)
        if self.diagnostics.of_members is not None:
            self.diagnostics.of_members.add(done, self._begin, self.diagnostics.truth)
        self._begin = step
