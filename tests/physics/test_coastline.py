"""Random continents, and distances to the coast against a search over all cells."""

import numpy as np
import pytest

from dlgd.physics import grids
from dlgd.physics.coastline import random_polar_continents, signed_distance
from tests.physics.diffusion_reference import CLOSED, FOLD, TOPOLOGIES, TORUS


def test_continents_follow_the_seed():
    grid = grids.mercator(36, 72)
    first = random_polar_continents(grid, seed=0)
    assert first.dtype == bool
    np.testing.assert_array_equal(first, random_polar_continents(grid, seed=0))
    others = [random_polar_continents(grid, seed=seed) for seed in (1, 2, 3)]
    assert all((first != other).mean() > 0.02 for other in others)


@pytest.mark.parametrize("seed", range(4))
def test_continents_lie_at_both_caps(seed):
    sea = random_polar_continents(grids.mercator(36, 72), seed=seed, sea_fraction=0.6)
    assert sea.mean() == pytest.approx(0.6, abs=0.01)
    assert sea[:2].mean() < 0.2  # but for a bay
    assert sea[-2:].mean() < 0.2
    assert sea[17:19].all()
    assert random_polar_continents(grids.mercator(36, 72), seed=seed, sea_fraction=0.4).mean() < 0.41


def test_poles_of_a_tripolar_cap_are_land():
    sea = random_polar_continents(grids.tripolar(58, 72), seed=3)
    for pole in (0, 36):
        assert not sea[-2:, [pole - 2, pole - 1, pole, pole + 1]].any()
    assert 0.3 < sea.mean() < 0.6


def searched_distance(sea, topology, metric, reach):
    """By looking at every cell, and at its images beyond the sides, from every cell."""
    ny, nx = sea.shape
    cells = [(y, x, sea[y, x]) for y in range(ny) for x in range(nx)]
    images = list(cells)
    if topology.south_north == "fold":
        images += [(2 * ny - 1 - y, nx - 1 - x, is_sea) for y, x, is_sea in cells]
    if topology.south_north == "periodic":
        images += [(y + turn * ny, x, is_sea) for turn in (-1, 1) for y, x, is_sea in cells]
    if topology.west_east == "periodic":
        images += [(y, x + turn * nx, is_sea) for turn in (-1, 1) for y, x, is_sea in images]
    beyond = []  # distances to land past closed sides
    if topology.south_north != "periodic":
        beyond.append(lambda y, x: y + 1)
    if topology.south_north == "closed":
        beyond.append(lambda y, x: ny - y)
    if topology.west_east == "closed":
        beyond += [lambda y, x: x + 1, lambda y, x: nx - x]
    found = np.empty(sea.shape)
    for y, x, is_sea in cells:
        steps = [(abs(v - y), abs(u - x)) for v, u, other in images if other != is_sea]
        away = [a + b if metric == "manhattan" else np.hypot(a, b) for a, b in steps]
        away += [side(y, x) for side in beyond] if is_sea else []
        found[y, x] = min([*away, reach]) * (1 if is_sea else -1)
    return found


@pytest.mark.parametrize("metric", ["euclidean", "manhattan"])
@pytest.mark.parametrize("topology", TOPOLOGIES.values(), ids=TOPOLOGIES)
@pytest.mark.parametrize("land", [0.02, 0.5, 0.97])
def test_distance_to_the_coast_is_what_a_search_finds(topology, metric, land):
    sea = np.random.default_rng(7).random((8, 10)) > land
    found = signed_distance(sea, topology, metric, reach=6)
    np.testing.assert_allclose(found, searched_distance(sea, topology, metric, 6))
    assert set(np.unique(np.sign(found))) <= {-1, 1}


def test_the_coast_is_near_across_date_line_and_fold():
    sea = np.ones((8, 12), bool)
    sea[3, 0] = False
    assert signed_distance(sea, FOLD)[3, -1] == 1
    assert signed_distance(sea, CLOSED)[3, -2] == 2  # the closed side instead
    sea = np.ones((8, 12), bool)
    sea[-1, 2] = False
    assert signed_distance(sea, FOLD)[-1, 9] == 1  # the cell north of (7, 9) is (7, 2)
    assert signed_distance(sea, TORUS)[0, 2] == 1


def test_without_a_coast_the_distance_is_the_reach():
    assert (signed_distance(np.ones((9, 9), bool), TORUS, reach=4) == 4).all()
    assert (signed_distance(np.zeros((9, 9), bool), CLOSED, reach=4) == -4).all()


def test_unknown_metrics_are_refused():
    with pytest.raises(ValueError, match="choose euclidean or manhattan"):
        signed_distance(np.ones((3, 3), bool), TORUS, "chebyshev")
