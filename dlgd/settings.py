"""Where things are, and how a person is told what is wrong. Imports nothing heavy."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONF = ROOT / "conf"


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
