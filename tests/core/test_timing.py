"""Seconds of computations."""

import time

import numba
import numpy as np

from dlgd.core.timing import timed


def test_the_time_of_compiling_is_not_counted():
    @numba.njit
    def total(x):
        summed = 0.0
        for i in range(x.shape[0]):
            summed += x[i]
        return summed

    start = time.perf_counter()
    answer, first = timed(lambda: total(np.ones(3)))
    whole = time.perf_counter() - start
    assert answer == 3.0
    assert 0 <= first < 0.5 * whole


def test_time_is_counted():
    answer, seconds = timed(lambda: time.sleep(0.05))
    assert answer is None
    assert seconds >= 0.05
