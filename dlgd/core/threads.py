"""The CPU cores that this process may use, and the threads of the libraries that compute on them."""

from __future__ import annotations

import os


def cores() -> int:
    """Number of CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def share_with_numba() -> None:
    """Give numba the number of threads that OMP_NUM_THREADS says, if it does; to be called before numba is imported.

    numba sets the threads of all that uses OpenMP, PyTorch too, to its own number, which is that of the cores unless
    it is told. Where fewer are wanted, a run that computes its data would train with more threads than one that finds
    them in the cache, and sums of floating-point numbers depend on that.
    """
    if "OMP_NUM_THREADS" in os.environ:
        os.environ.setdefault("NUMBA_NUM_THREADS", os.environ["OMP_NUM_THREADS"])
