"""How long a training lasts, and how far along it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingProgress:
    """Where a training stands. A learning-rate schedule depends on nothing else."""

    step: int  # optimizer steps finished
    epoch: float  # passes over the training data
    progress: float  # 0 at the start, 1 once the first of the limits is reached


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Limits of a training; None is no limit, and the first one reached ends it.

    Limits in steps and epochs end a repeated training at the same step. A limit in minutes cannot: the
    same minutes hold more steps on a faster or quieter machine.
    """

    steps: int | None
    epochs: float | None
    minutes: float | None
    steps_per_epoch: float  # optimizer steps, so batches per epoch over batches per step

    def moment(self, *, step: int, seconds: float) -> TrainingProgress:
        """Return where a training stands after so many steps and seconds."""
        spent = [(step, self.steps), (step, self._steps_of_epochs()), (seconds, self._seconds())]
        progress = max(done / limit for done, limit in spent if limit is not None)
        return TrainingProgress(step=step, epoch=step / self.steps_per_epoch, progress=min(1.0, progress))

    def seconds_left(self, *, step: int, seconds: float, seconds_per_step: float) -> float:
        """Return the seconds until the first limit will be reached, at the present pace."""
        left = [
            (limit - step) * seconds_per_step for limit in (self.steps, self._steps_of_epochs()) if limit is not None
        ]
        end = self._seconds()
        if end is not None:
            left.append(end - seconds)
        return max(0.0, min(left))

    def _steps_of_epochs(self) -> float | None:
        return None if self.epochs is None else self.epochs * self.steps_per_epoch

    def _seconds(self) -> float | None:
        return None if self.minutes is None else 60 * self.minutes
