"""Memory that is free goes back to the system."""

from __future__ import annotations

import ctypes
import gc


def give_back() -> None:
    """Free objects that refer to one another, and give free memory back to the system, where the C library is glibc,
    which keeps what lies between pieces in use.

    After work in pieces of some 10 MB this is hundreds of MB, which nothing else would get.
    """
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):  # another C library, or Windows
        return
