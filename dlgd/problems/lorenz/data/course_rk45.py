"""The trajectories of scipy's solve_ivp, method RK45, to the last bit and on every machine.

SciPy leaves its sums over stages to the linear algebra library, whose rounding depends on the processor. In a chaotic
system this gives another trajectory after some forty units of time: the courses' script has a training mean of
Lorenz-63 of 8.691 on a processor with AVX2 and of 8.324 on an older one. The course printed 8.435, which follows from
fused sums in one order, probably that of processors with AVX-512. This module takes that order on every processor.

The scheme is that of Dormand and Prince 1980, its error control and dense output (Shampine 1986) those of scipy, whose
tables of coefficients are used.
"""

from __future__ import annotations

from collections.abc import Callable

import numba
import numpy as np

Slope = Callable[[np.ndarray], np.ndarray]  # (size,) -> (size,)

SPLIT = 2.0**27 + 1  # splits a float64 in two halves of 26 bits, whose products are exact (Dekker 1971)


def solve(
    slope: Slope, state: np.ndarray, times: np.ndarray, *, end: float, first_step: float, rtol: float, atol: float
) -> np.ndarray:
    """Return the states (times, size) at increasing times, the first that of `state`; the solver runs until `end`."""
    t, step, here, slope_here = float(times[0]), first_step, np.array(state, dtype=np.float64), slope(state)
    found, written = [], 0
    while written < len(times):
        if not np.isfinite(here).all():
            raise ArithmeticError(f"the trajectory is not finite any more at t = {t:g}")
        rejected = False
        while True:
            t_next = min(t + step, end)
            h = step = t_next - t
            there, stages, error = _step(slope, here, slope_here, h)
            scaled = error / (atol + np.maximum(np.abs(here), np.abs(there)) * rtol)
            size = np.sqrt(np.add.accumulate(scaled * scaled)[-1]) / len(scaled) ** 0.5
            factor = 10.0 if size == 0 else 0.9 * size**-0.2
            if size < 1:
                step *= min(1.0 if rejected else 10.0, factor)
                break
            step *= max(0.2, factor)
            rejected = True
        passed = np.searchsorted(times, t_next, side="right")
        if passed > written:
            found.append(_between(stages, here, h, (times[written:passed] - t) / h))
            written = passed
        t, here, slope_here = t_next, there, stages[-1]
    return np.concatenate(found)


def _step(
    slope: Slope, here: np.ndarray, slope_here: np.ndarray, h: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the state at the end of a step, its seven slopes (7, size), and the estimate of its error."""
    from scipy.integrate import RK45

    stages = np.empty((7, len(here)))
    stages[0] = slope_here
    for number in range(1, 6):
        stages[number] = slope(here + _sum(RK45.A[number, :number], stages) * h)
    there = here + h * _sum(RK45.B, stages)
    stages[6] = slope(there)
    return there, stages, _sum(RK45.E, stages) * h


def _between(stages: np.ndarray, here: np.ndarray, h: float, places: np.ndarray) -> np.ndarray:
    """Return the states (places, size) at places from 0 to 1 within a step."""
    from scipy.integrate import RK45

    powers = np.cumprod(np.tile(places, (4, 1)), axis=0)[..., None]
    terms = [_plain_sum(column, stages) * power for column, power in zip(RK45.P.T, powers, strict=True)]
    return here + h * ((terms[0] + terms[1]) + (terms[2] + terms[3]))


# Compiled without fast mathematics: each operation is rounded as it is written.


@numba.njit(cache=True)
def _sum(weights: np.ndarray, stages: np.ndarray) -> np.ndarray:
    """Sum weights (n,) times the first n of the stages (7, size): four at a time in two pairs, the rest one by one."""
    count, size = len(weights), stages.shape[1]
    result = np.zeros(size)
    for k in range(size):
        total = 0.0
        for i in range(0, count // 4 * 4, 2):
            total += _fused(weights[i], stages[i, k], weights[i + 1] * stages[i + 1, k])
        for i in range(count // 4 * 4, count):
            total = _fused(weights[i], stages[i, k], total)
        result[k] = total
    return result


@numba.njit(cache=True)
def _plain_sum(weights: np.ndarray, stages: np.ndarray) -> np.ndarray:
    """Sum weights times stages one by one."""
    result = np.zeros(stages.shape[1])
    for k in range(len(result)):
        for i in range(len(weights)):
            result[k] = _fused(weights[i], stages[i, k], result[k])
    return result


@numba.njit(cache=True)
def _fused(a: float, b: float, c: float) -> float:
    """Return a b + c, rounded once: the rounded sum plus the errors of the product and of the sum."""
    product = a * b
    a_high, b_high = SPLIT * a - (SPLIT * a - a), SPLIT * b - (SPLIT * b - b)
    a_low, b_low = a - a_high, b - b_high
    of_product = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low  # exact (Dekker)
    total = product + c
    back = total - product
    of_sum = (product - (total - back)) + (c - back)  # exact (Knuth)
    return total + (of_product + of_sum)
