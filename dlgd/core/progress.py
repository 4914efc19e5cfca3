"""The progress of long work: a bar on a terminal, elsewhere a line in the log from time to time."""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

log = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 30.0

T = TypeVar("T")


def duration(seconds: float) -> str:
    """Return a duration such as 9 s, 2 min 05 s or 3 h 20 min."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{rest} s"
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def progress(items: Sequence[T], title: str) -> Iterator[T]:
    """Yield the items while showing how many are done. It cannot be nested."""
    if not sys.stderr.isatty():
        yield from _with_lines(items, title)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    text = TextColumn("{task.description}", markup=False)
    columns = (text, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield from bar.track(items, description=title)


def line_timer(*, at_once: bool = False) -> Callable[[], bool]:
    """Return a function that tells, often called, whether it is time for another line in the log.

    at_once: whether the first call says yes.
    """
    last_line = -math.inf if at_once else time.monotonic()

    def is_time() -> bool:
        nonlocal last_line
        now = time.monotonic()
        if now - last_line < SECONDS_BETWEEN_LINES:
            return False
        last_line = now
        return True

    return is_time


def _with_lines(items: Sequence[T], title: str) -> Iterator[T]:
    begun, is_time = time.monotonic(), line_timer()
    for done, item in enumerate(items):
        if done > 0 and is_time():
            left = (time.monotonic() - begun) / done * (len(items) - done)
            log.info("%s: %d of %d, about %s left", title, done, len(items), duration(left))
        yield item
