"""Learning-rate schedules: each gives a factor for the optimizer's own learning rate.

A factor depends on the present moment alone, so a schedule has no state: there is nothing to save, and a resumed
training finds its place by itself. Schedules with an end (cosine, onecycle) follow the share of the budget that is
spent, in steps, epochs or minutes.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

from dlgd.core import checks
from dlgd.training.budget import TrainingProgress

FIRST = 0.01  # factor from which Cosine warms up: a first step with factor 0 would be lost


class Scheduler(ABC):
    """The learning rate at every step."""

    @abstractmethod
    def factor(self, moment: TrainingProgress) -> float:
        """Return the factor for the optimizer's learning rate in the step that begins at this moment."""


@dataclass(frozen=True, kw_only=True)
class Constant(Scheduler):
    """The optimizer's learning rate, always."""

    def factor(self, moment: TrainingProgress) -> float:
        return 1.0


@dataclass(frozen=True, kw_only=True)
class Step(Scheduler):
    """The learning rate is multiplied by gamma at regular intervals.

    every: interval in epochs, above 0.
    gamma: factor, 0 to 1.
    """

    every: float
    gamma: float

    def __post_init__(self) -> None:
        checks.number("scheduler.every", self.every, above=0)
        checks.number("scheduler.gamma", self.gamma, least=0, most=1)

    def factor(self, moment: TrainingProgress) -> float:
        return self.gamma ** (moment.epoch // self.every)


@dataclass(frozen=True, kw_only=True)
class Exponential(Scheduler):
    """The learning rate is multiplied by gamma over each epoch, evenly from step to step.

    gamma: factor per epoch, 0 to 1.
    """

    gamma: float

    def __post_init__(self) -> None:
        checks.number("scheduler.gamma", self.gamma, least=0, most=1)

    def factor(self, moment: TrainingProgress) -> float:
        return self.gamma**moment.epoch


@dataclass(frozen=True, kw_only=True)
class Inverse(Scheduler):
    """The learning rate is divided by 1 + decay * step, known as time-based decay.

    decay: per optimizer step, 0 or more; the rate is halved after 1 / decay steps.
    """

    decay: float

    def __post_init__(self) -> None:
        checks.number("scheduler.decay", self.decay, least=0)

    def factor(self, moment: TrainingProgress) -> float:
        return 1 / (1 + self.decay * moment.step)


@dataclass(frozen=True, kw_only=True)
class Cosine(Scheduler):
    """A linear warm-up, then half a cosine down (Loshchilov and Hutter 2017, eq. 5, one period).

    warmup: share of the budget for the warm-up, 0 to 1; 0 is none.
    final: factor at the end, 0 to 1.
    """

    warmup: float
    final: float

    def __post_init__(self) -> None:
        checks.number("scheduler.warmup", self.warmup, least=0, most=1)
        checks.number("scheduler.final", self.final, least=0, most=1)

    def factor(self, moment: TrainingProgress) -> float:
        if moment.progress < self.warmup:
            return FIRST + (1 - FIRST) * moment.progress / self.warmup
        return _half_cosine(1, self.final, _fraction(moment.progress, self.warmup, 1))


@dataclass(frozen=True, kw_only=True)
class OneCycle(Scheduler):
    """Half a cosine up to 1, then half a cosine down (Smith and Topin 2018).

    The optimizer's learning rate is the highest of the cycle. Momentum does not change.

    warmup: share of the budget for the way up, 0 to 1.
    start: factor at the beginning, 0 to 1.
    final: factor at the end, 0 to 1.
    """

    warmup: float
    start: float
    final: float

    def __post_init__(self) -> None:
        for name in ("warmup", "start", "final"):
            checks.number(f"scheduler.{name}", getattr(self, name), least=0, most=1)

    def factor(self, moment: TrainingProgress) -> float:
        if moment.progress < self.warmup:
            return _half_cosine(self.start, 1, _fraction(moment.progress, 0, self.warmup))
        return _half_cosine(1, self.final, _fraction(moment.progress, self.warmup, 1))


def _fraction(value: float, begin: float, end: float) -> float:
    """Return how far the value is from begin (0) to end (1)."""
    return 1.0 if end <= begin else (value - begin) / (end - begin)


def _half_cosine(begin: float, end: float, fraction: float) -> float:
    """Return a value between begin and end, with slope 0 at both."""
    return end + (begin - end) * (1 + math.cos(math.pi * fraction)) / 2
