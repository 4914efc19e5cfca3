"""The CPU cores that this process may use, and work that is shared among threads on them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

SPINS = "1000"  # of a thread that waits; 300,000 and more are usual where there are enough cores
PIECES = 8  # of the work for each thread: one with easy pieces takes more of them


def cores() -> int:
    """Return the number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads() -> int:
    """Return the number of threads that compute together: the cores, or OMP_NUM_THREADS where that is less."""
    allowed = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores(), int(allowed)) if allowed.isdigit() and int(allowed) > 0 else cores()


def wait_briefly() -> None:
    """Let threads of OpenMP spin but briefly for one another, unless OMP_WAIT_POLICY or GOMP_SPINCOUNT is set.

    Usually they spin for long, and beside four busy processes on two cores a training takes two to nine times as long
    as with this; alone it takes up to 6 % less (tests/benchmarks/test_beside_other_work.py). It has an effect only
    before the library is loaded, that is before PyTorch is imported.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)


def share(work: Callable[[int, int], None], count: int) -> None:
    """Call work(first, last) for ranges that make up range(count), in threads.

    The work must release Python's lock (numba's nogil=True), and what it does with a number must not depend on the
    range that it comes in: then the result depends on no number of threads.
    """
    together = min(threads(), count)
    if together <= 1:
        work(0, count)
        return
    pieces = min(count, PIECES * together)
    bounds = [count * piece // pieces for piece in range(pieces + 1)]
    with ThreadPoolExecutor(together) as pool:
        for _ in pool.map(work, bounds[:-1], bounds[1:]):
            pass  # raises what a piece has raised


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Return a context in which PyTorch computes on one thread, so that rounding depends on no number of threads."""
    import torch  # not needed by those who only count cores

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
