"""What a person sees of a training: a bar on a terminal; elsewhere a line in the log from time to time."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from dlgd.core.progress import duration, line_timer
from dlgd.training.budget import TrainingProgress

log = logging.getLogger(__name__)


def in_words(scores: Mapping[str, float]) -> str:
    """Return scores in words, such as "loss 0.0123, eps_q 0.0456"."""
    return ", ".join(f"{name} {value:.3g}" for name, value in scores.items())


class Display:
    """The bar or the lines, and the pace: samples per second, without the time spent `aside`.

    terminal: whether to draw a bar; None draws it where standard error is a terminal.
    """

    def __init__(self, *, terminal: bool | None = None) -> None:
        self.bar: Progress | None = None
        if sys.stderr.isatty() if terminal is None else terminal:
            text = TextColumn("{task.description}", markup=False)
            # Transient: erased when stopped, so that lines of the log never mix with it.
            self.bar = Progress(
                BarColumn(),
                TaskProgressColumn(),
                text,
                console=Console(stderr=True),
                transient=True,
                refresh_per_second=4,
            )
            self.task = self.bar.add_task("starting", total=1.0)
        self.is_time = line_timer(at_once=True)
        self.began = time.monotonic()
        self.aside_seconds = 0.0

    def __enter__(self) -> Display:
        if self.bar is not None:
            self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    def pace(self, samples: int) -> float:
        """Return the samples per second since the last call."""
        now = time.monotonic()
        seconds = now - self.began - self.aside_seconds
        self.began, self.aside_seconds = now, 0.0
        return samples / max(seconds, 1e-9)

    def show(self, *, moment: TrainingProgress, losses: Mapping[str, float], pace: float, seconds_left: float) -> None:
        """Show the state of a training, on the bar or, every half minute, in the log."""
        words = (
            f"step {moment.step}, epoch {moment.epoch:.1f}, {in_words(losses)}, {pace:.3g} samples/s, "
            f"{duration(seconds_left)} left"
        )
        if self.bar is not None:
            self.bar.update(self.task, completed=moment.progress, description=words)
        elif self.is_time():
            log.info("%3.0f %%: %s", 100 * moment.progress, words)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Take the bar away, and stop its clock, while something else is done or written."""
        began = time.monotonic()
        if self.bar is not None:
            self.bar.stop()
        yield
        if self.bar is not None:
            self.bar.start()
        self.aside_seconds += time.monotonic() - began
