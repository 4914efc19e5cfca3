"""The seconds that a computation takes, as in a program that runs for the second time."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import TypeVar

Answer = TypeVar("Answer")


def timed(compute: Callable[[], Answer]) -> tuple[Answer, float]:
    """Return what `compute` returns, and the seconds that it took.

    Without the time in which numba compiled: that happens once on a machine, and takes longer than many a method.
    """
    compiling: list[float] = []
    if "numba" in sys.modules:  # whose import takes half a second
        from numba.core import event

        listening = event.install_timer("numba:compile", compiling.append)
    else:
        listening = nullcontext()
    start = time.perf_counter()
    with listening:
        answer = compute()
    return answer, max(time.perf_counter() - start - sum(compiling), 0.0)
