"""How numbers are written in tables."""

from __future__ import annotations

import functools
from collections.abc import Callable


def scientific(value: float) -> str:
    """Return three digits and a short exponent, 1.87e-2; from 1 to 1000 and for 0 without an exponent: 27.8."""
    if value == 0 or 1 <= abs(value) < 1000:
        return f"{value:.3g}"
    digits, exponent = f"{value:.2e}".split("e")
    return f"{digits}e{int(exponent)}"


def seconds(value: float) -> str:
    """Return at most three digits without an exponent: 0.0042, 1.35, 128."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}" if value >= 1e-4 else "<0.0001"


@functools.cache
def decimals(count: int) -> Callable[[float], str]:
    """Return a format with so many digits after the point: with 2, 93.18."""
    return f"{{:.{count}f}}".format
