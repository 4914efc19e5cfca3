"""The CPU cores that this process may use, and the threads of the libraries that compute on them."""

from __future__ import annotations

import os


def cores() -> int:
    """Return the number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def share_with_numba() -> None:
    """Give numba as many threads as OMP_NUM_THREADS allows. This must precede the import of numba.

    By default numba uses all cores, and it sets the threads of everything that uses OpenMP, PyTorch included, to that
    number. If fewer threads are wanted, a run that computes its data would then train with more threads than a run that
    finds them in the cache; and the number of threads changes the sums of floating-point numbers.
    """
    if "OMP_NUM_THREADS" in os.environ:
        os.environ.setdefault("NUMBA_NUM_THREADS", os.environ["OMP_NUM_THREADS"])
