"""Options that the data sets of both systems of Lorenz have; conf/data/lorenz63.yaml gives their usual values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from dlgd.core import checks
from dlgd.core.errors import Refusal
from dlgd.problems.lorenz.data import first_guesses, observings


@dataclass(frozen=True, kw_only=True)
class PresetOptions:
    """Options that a preset gives, too: None takes the preset's value.

    dt: time between two steps, in time units of the equations.
    window: number of steps of a sample of data.task=assimilate.
    stride: number of steps between the beginnings of two training windows; they overlap where it is less than a window.
    gap: number of steps between two splits.
    samples: number of windows of each split.
    observations: which values are observed, with which noise; see `observations.Observing`.
    resample_observations: whether training windows are observed anew each time.
    seed: of the first state, windows, patterns and noise.
    """

    dt: float | None
    window: int | None
    stride: int | None
    gap: int | None
    samples: Mapping[str, Any]
    observations: Mapping[str, Any]
    resample_observations: bool | None
    seed: int | None

    @property
    def of_preset(self) -> dict[str, Any]:
        """These options alone, by name."""
        return {field.name: getattr(self, field.name) for field in fields(PresetOptions)}


@dataclass(frozen=True, kw_only=True)
class WindowOptions:
    """What is asked of windows of a series.

    name: of the data set, as typed in data=...
    task: assimilate, forecast or identify; see `source.py`.
    history: of forecasts, number of known steps.
    rollout: of forecasts, number of steps that follow in training; `leads` at most.
    leads: of forecasts, number of steps that follow in samples, which are scored.
    first_guess: what networks start from that estimate states. `method` is a classical method; null interpolates
        observations in time. With a method, training windows are observed `observation_draws` times and no more,
        because it answers for each time: see `first_guesses.py`.
    more_observings: further ways to observe training windows, by names of your own; each changes some options of
        `observations`, and windows are shared out among all. Validation and test windows have `observations` alone.
    """

    name: str
    task: str
    history: int
    rollout: int
    leads: int
    first_guess: Mapping[str, Any] = field(default_factory=dict)  # so it is in runs from before it was an option
    more_observings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # likewise

    def check(self, *, resampled: bool) -> None:
        """Refuse options that cannot work, in one sentence each.

        resampled: whether training windows may be observed otherwise than in their samples.
        """
        for key in ("history", "rollout", "leads"):
            checks.whole_number(f"data.{key}", getattr(self, key), least=1)
        if self.rollout > self.leads:
            raise Refusal(f"data.rollout={self.rollout} must be at most data.leads={self.leads}")
        first_guesses.check(self.first_guess, task=self.task, resampled=resampled)
        observings.check(self.more_observings, task=self.task, resampled=resampled)


@dataclass(frozen=True, kw_only=True)
class LorenzOptions(WindowOptions, PresetOptions):
    """Options of both systems.

    preset: a name of `presets.PRESETS`.
    in_memory: whether the series stays out of the cache.
    """

    preset: str
    in_memory: bool = False
