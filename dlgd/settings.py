"""Where things are, and how a person is told what is wrong. Imports nothing heavy."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONF = ROOT / "conf"

# numba sets the threads of all that stands on OpenMP, torch's too, to its own number, which is that of the cores unless
# it is told: where fewer are asked for, a run that computes its data would train with more threads than one that finds
# them in the cache, and sums of floating-point numbers depend on that. Every door imports this before numba.
if "OMP_NUM_THREADS" in os.environ:
    os.environ.setdefault("NUMBA_NUM_THREADS", os.environ["OMP_NUM_THREADS"])


def cache_folder() -> Path:
    """The folder of the data made once and kept: $DLGD_CACHE, else cache/ in the working folder."""
    return Path(os.environ.get("DLGD_CACHE", "cache")).expanduser().resolve()


def cores() -> int:
    """Number of CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Refusal(ValueError):
    """One sentence for the person who typed the command: what is wrong and what to do about it.

    The doors print the sentence alone and leave with exit code 2; any other exception is a bug of ours
    and keeps its traceback.
    """
