"""Exact coefficients of one whole sample (292 x 360, real coast): probing against brute force, in one run."""

import time

import numpy as np
import pytest

from dlgd.physics import coastline, grids
from dlgd.physics.diffusion import Diffusion
from dlgd.physics.length_scales import random_diffusion
from dlgd.physics.normalization import brute_force, exact

CELLS = 200  # solved by brute force, extrapolated to all


@pytest.fixture(scope="module")
def operator() -> Diffusion:
    grid = grids.tripolar()
    return random_diffusion(grid, coastline.real_sea(grid), np.random.default_rng(0))


@pytest.fixture(scope="module")
def by_brute_force(operator) -> tuple[np.ndarray, np.ndarray, float]:
    """Random sea cells, their gamma, and the seconds that all sea cells would take."""
    at_sea = np.argwhere(operator.sea)
    cells = np.random.default_rng(1).permutation(at_sea)[:CELLS]
    began = time.perf_counter()
    brute_force(operator, cells[:1])
    factorization = time.perf_counter() - began  # once, not once a cell
    began = time.perf_counter()
    gamma = brute_force(operator, cells)
    each = (time.perf_counter() - began - factorization) / (CELLS - 1)
    return cells, gamma, factorization + each * len(at_sea)


def compare(operator, by_brute_force, *, tolerance: float, device: str, at_least: float) -> None:
    """Time `exact` (best of 3 after a first call, which compiles), print the ratio, and hold it and the error."""
    cells, reference, brute_seconds = by_brute_force
    exact(operator, tolerance, device)
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        gamma = exact(operator, tolerance, device)
        seconds.append(time.perf_counter() - began)
    error = np.abs((gamma[tuple(cells.T)] / reference) ** 2 - 1).max()
    ratio = brute_seconds / min(seconds)
    print(
        f"\nexact coefficients, {int(operator.sea.sum())} sea cells, {device}, tolerance {tolerance:g}: "
        f"probing {min(seconds):.2f} s, brute force {brute_seconds:.0f} s (from {CELLS} cells), "
        f"{ratio:.0f} times faster; largest error of gamma^2 {error:.1e}"
    )
    assert error < tolerance
    assert ratio >= at_least


@pytest.mark.bench
@pytest.mark.parametrize(("tolerance", "at_least"), [(1e-6, 300), (1e-4, 800)])
def test_probing_is_many_times_faster_than_brute_force(operator, by_brute_force, tolerance, at_least):
    compare(operator, by_brute_force, tolerance=tolerance, device="cpu", at_least=at_least)


@pytest.mark.bench
@pytest.mark.gpu
@pytest.mark.parametrize(("tolerance", "at_least"), [(1e-6, 40), (1e-4, 100)])
def test_probing_on_a_gpu(operator, by_brute_force, tolerance, at_least):
    compare(operator, by_brute_force, tolerance=tolerance, device="cuda", at_least=at_least)
