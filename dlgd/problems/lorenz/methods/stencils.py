"""How rates of change follow from steps in a row, without and with noise.

A stencil of k steps says of dx/dt = c phi(x), with terms phi and coefficients c: sum w_j phi(x_j) c = sum v_j x_j / dt.

    central         the difference to both sides and the terms in the middle, with an error of order dt^2
    integral        the same difference and Simpson's rule for the terms, with an error of order dt^4
    weak            both sides are weighted by a smooth bump that is 0 at its ends, and the derivative is moved from x
                    to the bump (Messenger and Bortz 2021, Multiscale Model. Simul. 19, 1474): noise is averaged
    smoothed        a polynomial is fitted to the steps; the terms are those of its value (Savitzky and Golay 1964)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

POWER = 4  # of the bump (1 - s^2)^POWER, s from -1 to 1
ORDER = 3  # of the polynomial that is fitted


@dataclass(frozen=True)
class Stencil:
    """terms: w_j. changes: v_j times `span`. span: number of steps over which the changes are taken.
    smooth: whether the steps are averaged by w_j before the terms are taken, and not the terms themselves."""

    terms: tuple[float, ...]
    changes: tuple[float, ...]
    span: float
    smooth: bool = False


def _weak(width: int) -> Stencil:
    place = np.linspace(-1, 1, width)
    bump, slope = (1 - place**2) ** POWER, -2 * POWER * place * (1 - place**2) ** (POWER - 1)
    terms, changes = bump / bump.sum(), -slope
    return Stencil(_numbers(terms), _numbers(changes), float(changes @ np.arange(width)))


def _smoothed(width: int) -> Stencil:
    from scipy.signal import savgol_coeffs

    order = min(ORDER, width - 1)
    terms, changes = (savgol_coeffs(width, order, deriv=deriv, use="dot") for deriv in (0, 1))
    return Stencil(_numbers(terms), _numbers(changes), 1.0, smooth=True)


def _numbers(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


DIFFERENCE = (-1.0, 0.0, 1.0)
# by baseline.derivative: from the number of steps of those that stand noise
STENCILS: dict[str, Callable[[int], Stencil]] = {
    "central": lambda _: Stencil((0.0, 1.0, 0.0), DIFFERENCE, 2.0),
    "integral": lambda _: Stencil((1 / 6, 4 / 6, 1 / 6), DIFFERENCE, 2.0),
    "weak": _weak,
    "smoothed": _smoothed,
}
