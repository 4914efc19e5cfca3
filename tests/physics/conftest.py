"""Grids and operators that several tests share; the real coastline (1 GB for a moment) is read once."""

import gc
import sys
import warnings

import numpy as np
import pytest

from dlgd.physics import coastline, grids
from dlgd.physics.length_scales import random_diffusion


@pytest.fixture(scope="session")
def tripolar():
    return grids.tripolar()


@pytest.fixture(scope="session")
def real_sea(tripolar):
    sea = coastline.real_sea(tripolar)
    with warnings.catch_warnings():  # drop its arrays again; it leaves its file open
        warnings.simplefilter("ignore", ResourceWarning)
        for name in [name for name in sys.modules if name.startswith("global_land_mask")]:
            del sys.modules[name]
        gc.collect()
    return sea


@pytest.fixture(scope="session")
def real_operator(tripolar, real_sea):
    """A sample as the data set makes it: 292 x 360, real coast, default length scales."""
    return random_diffusion(tripolar, real_sea, np.random.default_rng(2021))


@pytest.fixture(scope="session")
def small_tripolar():
    """A coarse tripolar grid (5 degrees), and its sea: an Arctic crossed by the fold, islands, land round the poles."""
    grid = grids.tripolar(58, 72)
    sea = coastline.random_polar_continents(grid, seed=3)
    cap = np.random.default_rng(3).random((14, 72)) > 0.05
    for pole in (0, 36):
        cap[:, [(pole + d) % 72 for d in range(-4, 4)]] = False
    sea[44:] = cap
    return grid, sea
