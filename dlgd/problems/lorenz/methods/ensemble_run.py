"""The course of an ensemble through its windows: forecasts, analyses, what is remembered of them and their scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from dlgd.core.errors import Refusal
from dlgd.physics.integrators import trajectory
from dlgd.problems.lorenz.methods.ensemble_updates import combine
from dlgd.problems.lorenz.methods.windows import Windows


@dataclass
class Record:
    """What is left of E experiments of N members. Spreads are the root of the mean variance of the variables."""

    members: int
    dt: float
    analysed: Tensor  # bool, (E, T): where there was an analysis
    truth: Tensor | None  # (E, T, n)
    forecast_mean: Tensor  # (E, T, n), at each step, where there is an analysis before it
    analysis_mean: Tensor  # (E, T, n), just after it, 0 where there was none
    estimate: Tensor  # (E, T, n): of analyses and, between them, forecasts; after a lag what it made of them
    forecast_spread: Tensor  # (E, T), just before an analysis
    analysis_spread: Tensor  # (E, T), just after it
    below: Tensor  # int16, (E, T, n): members below the truth, just after an analysis

    @classmethod
    def of(cls, windows: Windows, members: int, truth: Tensor | None) -> Record:
        """An empty one."""
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
        )

    @classmethod
    def joined(cls, records: Sequence[Record]) -> Record:
        """One of all experiments."""
        columns = {field.name: [getattr(record, field.name) for record in records] for field in fields(cls)}
        return cls(**{name: torch.cat(c) if isinstance(c[0], Tensor) else c[0] for name, c in columns.items()})

    def note(self, which: str, path: Tensor, step: int) -> None:
        """Means of members (steps, E, N, n) from a step on, and their last spread; which: "forecast" or "analysis"."""
        means = path.mean(2, keepdim=True)
        getattr(self, f"{which}_mean")[:, step : step + len(path)] = means[:, :, 0].movedim(0, 1)
        variances = (path[-1] - means[-1]).square().sum((1, 2)) / ((self.members - 1) * path.shape[-1])
        getattr(self, f"{which}_spread")[:, step + len(path) - 1] = variances.sqrt()

    def ranks(self, burn_in: float) -> Tensor:
        """(N + 1,): how often so many members lay below the truth of a variable, over the analyses from burn_in on."""
        return torch.bincount(self.below[self._counted(burn_in)].flatten().long(), minlength=self.members + 1)

    def scores(self, burn_in: float, *, smoothed: bool) -> dict[str, float]:
        """rmse_f and spread_f just before analyses, rmse_a and spread_a just after them, rmse_s of what a smoother made
        of them: root mean squares over the variables, averaged over the analyses from burn_in (a time) on, then over
        experiments. Raises Refusal where one is not finite."""
        if self.truth is None:
            raise Refusal("samples without the truth cannot be scored")
        counted = self._counted(burn_in)
        means = {"f": self.forecast_mean, "a": self.analysis_mean} | ({"s": self.estimate} if smoothed else {})
        values = {f"rmse_{key}": ((mean - self.truth) ** 2).mean(-1).sqrt() for key, mean in means.items()}
        values |= {"spread_f": self.forecast_spread, "spread_a": self.analysis_spread}
        scores = {key: float(((x * counted).sum(1) / counted.sum(1)).mean()) for key, x in values.items()}
        bad = [key for key, score in scores.items() if not math.isfinite(score)]
        if bad:
            raise Refusal(f"{', '.join(bad)} of the ensemble are not finite")
        return scores

    def _counted(self, burn_in: float) -> Tensor:
        """bool (E, T): the analyses that count."""
        times = torch.arange(self.analysed.shape[1], device=self.analysed.device).double() * self.dt
        counted = self.analysed & (times >= burn_in - 1e-9)
        if not counted.any(1).all():
            raise Refusal(f"a window has no observation from its burn-in, {burn_in:g} time units, on")
        return counted


class Run:
    """The members on their way: `forecast` to the next observations, `analyse`, `go_on_with` what follows, `finish`."""

    def __init__(self, windows: Windows, ensemble: Tensor, *, lag: int = 0, truth: Tensor | None = None) -> None:
        """ensemble (E, N, n): at the first step. lag: by how many observation times a state may be corrected later."""
        self.windows, self.lag = windows, lag
        self.record = Record.of(windows, ensemble.shape[1], truth)
        self._analyses: list[int] = []  # their steps
        self._recent, self._begin = ensemble[None], 0  # (steps, E, N, n): what may be corrected yet, the latest last
        self.record.note("forecast", self._recent, 0)

    @property
    def step(self) -> int:
        """The latest one."""
        return self._begin + len(self._recent) - 1

    def forecast(self, step: int) -> Tensor:
        """The members (E, N, n) at this step or a later one."""
        if step > self.step:
            path = trajectory(self.windows.dynamics, self._recent[-1], self.windows.dt, step - self.step)[1:]
            self.record.note("forecast", path, self.step + 1)
            self._recent = torch.cat((self._recent, path))
        return self._recent[-1]

    def analyse(self, weights: Tensor) -> Tensor:
        """The members at this step, they and those that may be corrected combined by the weights of an analysis."""
        self._analyses.append(self.step)
        if len(self._analyses) > self.lag:
            self._settle(self._analyses[-1 - self.lag])
        self._recent = combine(weights, self._recent)
        return self._recent[-1]

    def go_on_with(self, ensemble: Tensor) -> None:
        """The members (E, N, n) from which the next forecast starts, after the analysis of this step."""
        self._recent[-1] = ensemble
        self.record.note("analysis", self._recent[-1:], self.step)
        if self.record.truth is not None:
            self.record.below[:, self.step] = (ensemble < self.record.truth[:, self.step, None]).sum(1)

    def finish(self) -> Record:
        """Forecast to the last step."""
        self.forecast(self.windows.values.shape[1] - 1)
        self._settle(self.step + 1)
        return self.record

    def _settle(self, step: int) -> None:
        """Nothing corrects what lies before a step any more."""
        done, self._recent = self._recent[: step - self._begin], self._recent[step - self._begin :]
        self.record.estimate[:, self._begin : step] = done.mean(2).movedim(0, 1)
        self._begin = step
