"""Learning-rate schedules: each one a factor on the optimizer's own learning rate.

A factor depends on the moment alone, so a schedule has no state: there is nothing to save, and a resumed
training finds its place by itself. Schedules with an end (cosine, onecycle) follow the progress towards the
budget, whether that is counted in steps, epochs or minutes.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

from dlgd.core import checks
from dlgd.training.budget import TrainingProgress

FIRST = 0.01  # factor from which Cosine warms up: a first step of zero would be a step lost


class Scheduler(ABC):
    """The learning rate at every step."""

    @abstractmethod
    def factor(self, moment: TrainingProgress) -> float:
        """What the optimizer's learning rate is multiplied by, for the step that begins at this moment."""


@dataclass(frozen=True, kw_only=True)
class Constant(Scheduler):
    """The optimizer's learning rate, always."""

    def factor(self, moment: TrainingProgress) -> float:
        return 1.0


@dataclass(frozen=True, kw_only=True)
class Step(Scheduler):
    """Multiplied by gamma every so many epochs."""

    every: float  # epochs
    gamma: float

    def __post_init__(self) -> None:
        checks.number("scheduler.every", self.every, above=0)
        checks.number("scheduler.gamma", self.gamma, least=0, most=1)

    def factor(self, moment: TrainingProgress) -> float:
        return self.gamma ** (moment.epoch // self.every)


@dataclass(frozen=True, kw_only=True)
class Exponential(Scheduler):
    """Multiplied by gamma over each epoch, evenly from step to step."""

    gamma: float

    def __post_init__(self) -> None:
        checks.number("scheduler.gamma", self.gamma, least=0, most=1)

    def factor(self, moment: TrainingProgress) -> float:
        return self.gamma**moment.epoch


@dataclass(frozen=True, kw_only=True)
class Inverse(Scheduler):
    """Time-based decay: 1 / (1 + decay * step)."""

    decay: float  # per optimizer step

    def __post_init__(self) -> None:
        checks.number("scheduler.decay", self.decay, least=0)

    def factor(self, moment: TrainingProgress) -> float:
        return 1 / (1 + self.decay * moment.step)


@dataclass(frozen=True, kw_only=True)
class Cosine(Scheduler):
    """A linear warm-up, then half a cosine down to `final` (Loshchilov and Hutter 2017, eq. 5, one period)."""

    warmup: float  # fraction of the budget
    final: float  # factor at the end

    def __post_init__(self) -> None:
        checks.number("scheduler.warmup", self.warmup, least=0, most=1)
        checks.number("scheduler.final", self.final, least=0, most=1)

    def factor(self, moment: TrainingProgress) -> float:
        if moment.progress < self.warmup:
            return FIRST + (1 - FIRST) * moment.progress / self.warmup
        return _half_cosine(1, self.final, _fraction(moment.progress, self.warmup, 1))


@dataclass(frozen=True, kw_only=True)
class OneCycle(Scheduler):
    """Half a cosine up from `start` to 1, then half a cosine down to `final` (Smith and Topin 2018).

    The optimizer's learning rate is the highest of the cycle. Momentum is left alone.
    """

    warmup: float  # fraction of the budget
    start: float  # factor at the beginning
    final: float  # factor at the end

    def __post_init__(self) -> None:
        for name in ("warmup", "start", "final"):
            checks.number(f"scheduler.{name}", getattr(self, name), least=0, most=1)

    def factor(self, moment: TrainingProgress) -> float:
        if moment.progress < self.warmup:
            return _half_cosine(self.start, 1, _fraction(moment.progress, 0, self.warmup))
        return _half_cosine(1, self.final, _fraction(moment.progress, self.warmup, 1))


def _fraction(value: float, begin: float, end: float) -> float:
    """How far value is from begin (0) to end (1)."""
    return 1.0 if end <= begin else (value - begin) / (end - begin)


def _half_cosine(begin: float, end: float, fraction: float) -> float:
    """From begin to end, level at both."""
    return end + (begin - end) * (1 + math.cos(math.pi * fraction)) / 2
